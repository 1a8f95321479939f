"""Likelihoods from the sums of cells: equal to those of the single customers, in value and slope."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest

from workbench.errors import InputError, ParameterError
from workbench.uplift.cells import cells_of
from workbench.uplift.kinds import KINDS, NumpyOps
from workbench.uplift.model import PytensorOps, design_of, model_of, nearly_independent
from workbench.uplift.priors import UpliftPrior

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pymc as pm
    import pytensor
    import pytensor.tensor as pt

CUSTOMERS = 120


@pytest.fixture(scope="module")
def units() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    some = rng.random(CUSTOMERS) < 0.6
    return pl.DataFrame(
        {
            "arm": rng.choice(["control", "tea", "cake"], CUSTOMERS),
            "city": rng.choice(["north", "south"], CUSTOMERS),
            "age": rng.choice(["young", "old", "older"], CUSTOMERS),
            "before": rng.gamma(2, 500, CUSTOMERS),
            "converted": some,
            "visits": rng.negative_binomial(2, 0.4, CUSTOMERS),
            "spend_cents": np.where(some, rng.lognormal(7, 0.5, CUSTOMERS), 0.0),
            "profit_cents": rng.normal(200, 300, CUSTOMERS),
        }
    )


def summed(units: pl.DataFrame, column: str, kind: str, covariate: str | None = None):
    return cells_of(
        units, outcomes={column: kind}, by=["city", "age"], arm="arm", control="control", unit=None,
        covariate=covariate,
    )  # fmt: skip


def of_rows(units: pl.DataFrame, cells, column: str, kind: str, eta, extras, covariate):  # noqa: PLR0917 - as the case
    """The log-likelihood of each customer, by PyMC's own distributions."""
    keys = cells.table.reset_index(names="cell")
    frame = units.to_pandas().merge(keys, on=["city", "age"], how="left")
    cell = frame["cell"].to_numpy()
    arm = frame["arm"].map({name: k for k, name in enumerate(cells.arms)}).to_numpy()
    y = frame[column].to_numpy(dtype=float)
    at = eta[cell, arm]
    if covariate:
        x = frame[covariate].to_numpy()
        x = (x - x.mean()) / x.std(ddof=1)
        part = y > 0 if kind == "spend" else np.ones(len(y), dtype=bool)
        middle = np.array([x[(cell == c) & part].mean() for c in range(len(cells.table))])
        at = at + extras["beta"] * (x - middle[cell])
    if kind == "conversion":
        return pm.logp(pm.Bernoulli.dist(logit_p=at), y).sum()
    if kind == "visits":
        return pm.logp(pm.NegativeBinomial.dist(mu=pt.exp(at), alpha=extras["alpha"]), y).sum()
    if kind == "amount":
        return pm.logp(pm.Normal.dist(at, extras["sigma"][cell]), y).sum()
    some = np.flatnonzero(y > 0)
    if kind == "spend":
        given = pm.LogNormal.dist(at[some], extras["sigma"][cell[some]])
    else:
        shape = extras["shape"]
        given = pm.Gamma.dist(alpha=shape, beta=shape * pt.exp(-at[some]))
    return pm.logp(given, y[some]).sum()


@pytest.mark.parametrize(
    ("column", "kind", "covariate"),
    [
        ("converted", "conversion", None),
        ("visits", "visits", None),
        ("spend_cents", "spend", None),
        ("spend_cents", "spend", "before"),
        ("spend_cents", "spend_gamma", None),
        ("profit_cents", "amount", None),
        ("profit_cents", "amount", "before"),
    ],
)
def test_cells_have_the_log_likelihood_and_the_slope_of_their_customers(
    units, column, kind, covariate
):
    cells = summed(units, column, kind, covariate)
    eta = pt.dmatrix("eta")
    extras = {name: pt.dscalar(name) for name, over in KINDS[kind].extras.items() if over == "one"}
    extras |= {
        name: pt.dvector(name) for name, over in KINDS[kind].extras.items() if over == "cell"
    }
    if covariate:
        extras["beta"] = pt.dscalar("beta")
    sums = cells.sums[column]
    from_cells = KINDS[kind].log_likelihood(eta, extras, cells.n, sums, PytensorOps).sum()
    from_rows = of_rows(units, cells, column, kind, eta, extras, covariate)
    inputs = [eta, *extras.values()]
    both = pytensor.function(
        inputs,
        [from_cells, from_rows, *pt.grad(from_cells, inputs), *pt.grad(from_rows, inputs)],
        mode="FAST_COMPILE",
    )
    rng = np.random.default_rng(2)
    for _ in range(5):
        at = rng.normal(0.5, 1.0, cells.n.shape)
        more = [
            np.exp(rng.normal(0, 0.5, len(cells.table) if v.ndim else None))
            for v in extras.values()
        ]
        one, other, *slopes = both(at, *more)
        assert one == pytest.approx(other, rel=1e-10)
        half = len(slopes) // 2
        for mine, theirs in zip(slopes[:half], slopes[half:], strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-8)
        draws = {name: np.asarray(v)[None] for name, v in zip(extras, more, strict=True)}
        plain = KINDS[kind].log_likelihood(at[None], draws, cells.n, sums, NumpyOps)
        assert plain.sum() == pytest.approx(other, rel=1e-10)


def test_a_wrong_sum_is_seen_by_the_comparison(units):
    cells = summed(units, "visits", "visits")
    sums = dict(cells.sums["visits"])
    eta, alpha = np.zeros((1, *cells.n.shape)), np.full(1, 2.5)
    right = KINDS["visits"].log_likelihood(eta, {"alpha": alpha}, cells.n, sums, NumpyOps).sum()
    sums["histogram"] = sums["histogram"][:, :, ::-1]
    wrong = KINDS["visits"].log_likelihood(eta, {"alpha": alpha}, cells.n, sums, NumpyOps).sum()
    assert abs(right - wrong) > 1


def test_the_coordinates_of_the_sampler_are_the_same_model(units):
    cells, prior = summed(units, "converted", "conversion"), UpliftPrior()
    design = design_of(cells, "converted", prior)
    found = nearly_independent(design)
    plain, chosen = (model_of(cells, "converted", prior, plain=p) for p in (True, False))
    of_plain, of_chosen = (m.compile_logp(mode="FAST_COMPILE") for m in (plain, chosen))
    rng = np.random.default_rng(3)
    differences = []
    for _ in range(6):
        log_spread = rng.normal(-1, 0.7, len(design.terms))
        free = rng.normal(0, 1, len(design.block))
        partly = found.at + found.root @ free
        each = np.concatenate([[0.0], log_spread])[design.block]
        inside = found.centring * each
        coefficient = partly * np.exp(-inside)
        differences.append(
            float(of_chosen({"spread_log__": log_spread, "coordinate": free}))
            - float(of_plain({"spread_log__": log_spread, "coefficient": coefficient}))
            + inside.sum()  # the slope of one set of coordinates in the other
        )
    assert np.ptp(differences) < 1e-8


def test_dimensions_and_cells_add_up_to_nothing_so_no_term_can_replace_another(units):
    cells = summed(units, "converted", "conversion")
    design = design_of(cells, "converted", UpliftPrior())
    assert np.linalg.matrix_rank(design.matrix) == design.matrix.shape[1] == cells.n.size
    main = design.matrix[:, design.block == 1].reshape(*cells.n.shape, -1)
    offer = main[:, 1, :1]
    assert abs(offer.sum()) < 1e-9


@pytest.mark.parametrize(
    ("change", "kind", "column", "error"),
    [
        (
            {"converted": pl.lit(2)},
            "conversion",
            "converted",
            "120 values of 'converted' must be 0 or 1",
        ),
        ({"converted": pl.lit(value=False)}, "conversion", "converted", "is 0 for everybody"),
        ({"visits": pl.col("visits") - 1}, "visits", "visits", "must be whole numbers from 0"),
        ({"visits": pl.lit(0)}, "visits", "visits", "'visits' is 0 for everybody"),
        ({"visits": pl.lit(float("nan"))}, "visits", "visits", "must be whole numbers from 0"),
        ({"spend_cents": pl.lit(float("nan"))}, "spend", "spend_cents", "must be 0 or above"),
        ({"spend_cents": pl.lit(-1.0)}, "spend", "spend_cents", "take refunds out first"),
        (
            {"profit_cents": pl.lit("a")},
            "amount",
            "profit_cents",
            "holds string, must hold numbers",
        ),
        ({"profit_cents": pl.lit(1.0)}, "amount", "profit_cents", "is the same for everybody"),
        ({"profit_cents": pl.lit(None, pl.Float64)}, "amount", "profit_cents", "must be finite"),
    ],
)
def test_an_outcome_that_its_kind_cannot_have_is_refused(units, change, kind, column, error):
    with pytest.raises(InputError, match=error):
        summed(units.with_columns(**change), column, kind)


def test_what_cannot_be_told_apart_is_refused(units):
    only = units.filter((pl.col("arm") != "tea") | (pl.col("city") == "north"))
    with pytest.raises(InputError, match="arm 'tea' was given to city = 'north' only"):
        summed(only, "converted", "conversion")
    with pytest.raises(InputError, match="city has the one level 'north'"):
        summed(units.filter(pl.col("city") == "north"), "converted", "conversion")
    with pytest.raises(InputError, match="everybody is in arm 'control'"):
        summed(units.filter(pl.col("arm") == "control"), "converted", "conversion")
    with pytest.raises(ParameterError, match=r"kind of converted was .convertion"):
        summed(units, "converted", "convertion")
    with pytest.raises(InputError, match="no column 'convert' — did you mean 'converted'"):
        summed(units, "convert", "conversion")


def test_cells_beyond_the_limit_are_refused():
    many = pl.DataFrame(
        {
            "arm": ["control", "tea"] * 2_500,
            "postcode": [str(k // 2) for k in range(5_000)],
            "converted": [k % 3 == 0 for k in range(5_000)],
        }
    )
    with pytest.raises(InputError, match="postcode make 2,500 cells, must be 2,000 at most"):
        cells_of(
            many, outcomes={"converted": "conversion"}, by=["postcode"], arm="arm",
            control="control", unit=None, covariate=None,
        )  # fmt: skip


def test_a_customer_without_a_level_is_in_a_level_of_its_own(units):
    holes = units.with_columns(
        city=pl.when(pl.int_range(pl.len()) % 5 == 0).then(None).otherwise("city")
    )
    assert summed(holes, "converted", "conversion").levels["city"] == (
        "north",
        "not known",
        "south",
    )


def test_a_covariate_that_is_not_known_is_at_the_mean_however_it_is_written(units):
    first = pl.int_range(pl.len()) < 5
    by_null, by_nan = (
        summed(
            units.with_columns(before=pl.when(first).then(missing).otherwise("before")),
            "profit_cents", "amount", "before",
        )
        for missing in (None, float("nan"))
    )  # fmt: skip
    for name, sums in by_null.sums["profit_cents"].items():
        np.testing.assert_array_equal(by_nan.sums["profit_cents"][name], sums)


def test_a_covariate_in_words_or_one_that_is_the_outcome_is_refused(units):
    with pytest.raises(InputError, match=r"covariate 'age' holds str.*must hold numbers"):
        summed(units, "profit_cents", "amount", "age")
    with pytest.raises(
        ParameterError, match="covariate was 'profit_cents', must be a number known"
    ):
        summed(units, "profit_cents", "amount", "profit_cents")
