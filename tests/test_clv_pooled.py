"""Groups with parameters of their own: recovery, pooling of small groups, what is refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from workbench.clv import as_summary, bg_nbd, fit_clv, fit_groups
from workbench.clv.pooled import _target
from workbench.clv.rows import collapse
from workbench.errors import InputError
from workbench.streams import stream


def base(groups, seed="clv/pooled"):
    """Return a summary of simulated groups, (customers, parameters) by name, and who is in which."""
    parts, names = [], []
    for name, (n, truth) in groups.items():
        rng = stream(23, f"{seed}/{name}")
        age = rng.choice([20.0, 30.0, 40.0], size=n)
        x, t_x = bg_nbd.simulate(truth, age, rng)
        parts.append(pl.DataFrame({"frequency": x.astype(int), "recency": t_x, "T": age}))
        names += [name] * n
    frame = pl.concat(parts).with_row_index("customer")
    people = pl.DataFrame({"person_id": [str(k) for k in range(len(names))], "channel": names})
    return as_summary(frame, unit="day"), people


SLOW, FAST = (0.8, 9.0, 0.9, 3.0), (0.8, 4.5, 0.9, 3.0)


def test_group_that_buys_twice_as_often_is_found():
    summary, people = base({"shop": (900, SLOW), "web": (900, FAST)})
    found = fit_groups(fit_clv(summary, spend=None, draws=400), people, "channel")
    table = found.table.set_index("channel")
    ratio = table["rate_multiple"]["web"] / table["rate_multiple"]["shop"]
    assert ratio == pytest.approx(2, rel=0.25)
    assert table["rate_low"]["web"] > 1 > table["rate_high"]["shop"]
    assert table["leaving_low"]["web"] < 1 < table["leaving_high"]["web"]
    assert all(fit.gate.passed for fit in found.fits.values())
    assert "“web” buys most often" in found.text
    assert len(found.fits["web"].probability_alive()) == 900


def test_small_group_is_drawn_to_the_others():
    alone, people = base({"a": (40, FAST), "b": (600, SLOW), "c": (600, SLOW)})
    found = fit_groups(fit_clv(alone, spend=None, draws=400), people, "channel")
    rates = {name: fit.draws[:, 0] / fit.draws[:, 1] for name, fit in found.fits.items()}
    own = fit_clv(base({"a": (40, FAST)})[0], spend=None, draws=400)
    apart = (own.draws[:, 0] / own.draws[:, 1]).mean()
    assert rates["b"].mean() < rates["a"].mean() < apart
    assert rates["a"].std() > 2 * rates["b"].std()


def test_gradient_of_the_pooled_likelihood_equals_differences():
    summary, _ = base({"a": (80, SLOW), "b": (80, FAST)})
    fit = fit_clv(summary, spend=None, draws=100)
    halves = [summary.frame[:80], summary.frame[80:]]
    target = _target(fit, [collapse(h["frequency"], h["recency"], h["T"]) for h in halves], 0.3)
    at = np.array([0.9, 7.0, 1.1, 3.0, 1.2, 0.7, 0.8, 1.3])
    _, gradient = target.with_gradient(at)
    for i, step in enumerate(1e-5 * np.eye(8)):
        slope = (target.alone(at + step) - target.alone(at - step)) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-5), target.names[i]


def test_one_group_or_no_posterior_is_refused():
    summary, people = base({"a": (120, SLOW)})
    with pytest.raises(InputError, match="channel has 1 group, must have 2 to 12"):
        fit_groups(fit_clv(summary, spend=None, draws=100), people, "channel")
    with pytest.raises(InputError, match="has no posterior"):
        fit_groups(fit_clv(summary, spend=None, method="mle"), people, "channel")


def test_groups_of_other_customers_are_refused():
    summary, people = base({"a": (120, SLOW), "b": (120, SLOW)})
    strangers = people.with_columns(pl.format("no {}", "person_id").alias("person_id"))
    with pytest.raises(InputError, match="nobody in customers is a customer of the model"):
        fit_groups(fit_clv(summary, spend=None, draws=100), strangers, "channel")
