"""Law 8 as checks: what is logged as a probability is the frequency with which it happens.

Frequencies are held to exact binomial bands, and sums over whole replays to a bound that holds at
all times at once, so a check that looks often is wrong no more often than one that looks once.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from domain import HOUR_US, START_US, Case
from draft import draft_of, offer
from law_checks import Row, decided
from oracle_choice import WHOLE
from programme_domain import programme_set
from scipy.stats import binomtest

from workbench.records import Event

ERROR = 0.001
"""How often a true probability may be called false, over all bands of one check together."""

RULES: dict[str, dict[str, Any]] = {
    "softmax": {"by": "softmax", "temperature_cents": 20.0},
    "epsilon": {"by": "epsilon", "epsilon": 0.3},
    "thompson": {
        "by": "thompson",
        "draws": {
            "propensity": {
                "coffee": (0.1, 0.5, 0.3, 0.2, 0.2),
                "tea": (0.3, 0.2, 0.4, 0.1, 0.6),
                "cake": (0.2, 0.1, 0.1, 0.3, 0.1),
            }
        },
    },
}
LAMBDAS = tuple(2.0**-power for power in range(1, 9))


def persons(count: int) -> tuple[str, ...]:
    return tuple(f"person {number}" for number in range(count))


def one_event_each(names: Iterable[str]) -> tuple[Event, ...]:
    return tuple(
        Event(f"e{seq}", seq, START_US, START_US, name, "purchase", amount_cents=500)
        for seq, name in enumerate(names)
    )


def three_offers(name: str, salt: str, **keys: Any) -> Any:
    draft = draft_of(name, experiment={"salt": salt, "holdout_share": 0.0}, **keys)
    draft.several_offers()
    return draft


def in_band(successes: int, trials: int, share: float, bands: int) -> bool:
    """Say whether a count lies in the exact band of its probability, Bonferroni over all bands."""
    return bool(binomtest(successes, trials, share).pvalue >= ERROR / bands)


def over_salts(rule: str, *, salts: int = 60, names: int = 60) -> list[Row]:
    """Decide the same event in the same state with many salts, for many persons."""
    sets = [three_offers(f"p{n}", f"salt {n}", choose=RULES[rule]) for n in range(salts)]
    sets[0].house["slot"] = salts
    return decided(Case(one_event_each(persons(names)), programme_set(sets)))


def frequencies_match(rows: Sequence[Row], ids: Sequence[str] = ("coffee", "tea", "cake")) -> None:
    """Law 8 (a): how often each offer is chosen is what its logged share says."""
    shares = {row["distribution"] for row in rows}
    assert len(shares) == 1, "the state and the event are the same, so the distribution is"
    share = shares.pop()
    chosen = Counter(row["offer_id"] for row in rows)
    assert sum(chosen.values()) == len(rows)
    for name, part in zip(ids, share, strict=True):
        assert in_band(chosen[name], len(rows), part / WHOLE, len(ids)), (
            name,
            part / WHOLE,
            chosen,
        )


def martingale_stays(rows: Sequence[Row], ids: Sequence[str]) -> None:
    """Law 8 (b): the sum of (1{chosen} - p) over a whole replay stays within its bound at all times.

    For increments of at most 1, exp(l S - (e^l - 1 - l) V) is a supermartingale (Freedman 1975,
    with V the sum of p (1 - p)), a mixture of some is one, and one that starts at 1 ever reaches
    1 / a with probability at most a (Ville 1939).
    """
    drawn = [row for row in rows if row["distribution"] is not None and row["kind"] != "release"]
    assert len(drawn) > 500, "too few draws to say anything"
    sides = [(name, sign) for name in ids for sign in (1, -1)]
    total: dict[tuple[str, int], float] = defaultdict(float)
    spread: dict[tuple[str, int], float] = defaultdict(float)
    for row in drawn:
        assert row["p_selection"] * WHOLE == row["distribution"][ids.index(row["offer_id"])]
        for name, sign in sides:
            share = row["distribution"][ids.index(name)] / WHOLE
            total[name, sign] += sign * ((row["offer_id"] == name) - share)
            spread[name, sign] += share * (1 - share)
            mixture = sum(
                math.exp(
                    each * total[name, sign] - (math.exp(each) - 1 - each) * spread[name, sign]
                )
                for each in LAMBDAS
            ) / len(LAMBDAS)
            assert mixture < len(sides) / ERROR, (name, total[name, sign], spread[name, sign])


def a_long_log(count: int = 1500) -> tuple[Event, ...]:
    """Some thousand events of few persons, so that limits change what is open all the time."""
    names = persons(40)
    rows = []
    for seq in range(count):
        at = START_US + seq * HOUR_US // 4
        amount = (499, 500, 900)[(seq * seq // 7) % 3]
        rows.append(
            Event(f"e{seq}", seq, at, at, names[(seq * 7) % 40], "purchase", amount_cents=amount)
        )
    return tuple(rows)


def limited(rule: str) -> Case:
    """A long log and a programme whose open offers change with what was decided."""
    draft = three_offers("p", "martingale", choose=RULES[rule])
    draft.cap(count=1, window="1 day", scope="offer")
    draft.cap(count=2, window="1 day")
    draft.programme["offers"][0]["when"] = "amount_cents >= 500"
    return Case(a_long_log(), programme_set([draft]))


def arms_match(rows: Sequence[Row]) -> None:
    """Law 8 (c): how often a unit falls into an arm is what is logged as its probability."""
    by_arm: dict[str, set[float]] = defaultdict(set)
    for row in rows:
        by_arm[row["arm"]].add(row["p_assignment"])
    counted = Counter(row["arm"] for row in rows)
    assert math.isclose(sum(min(each) for each in by_arm.values()), 1)
    for arm, chances in by_arm.items():
        assert len(chances) == 1
        assert in_band(counted[arm], len(rows), chances.pop(), len(by_arm)), (arm, counted)


def assigned(*, unit: str, coverage: float, count: int = 4000) -> list[Row]:
    """Decide one event for many units."""
    draft = draft_of("p", offers=[offer("coffee")])
    draft.programme["experiment"] = {
        "salt": "arms",
        "unit": unit,
        "arms": {"control": 0.2, "a": 0.3, "b": 0.5},
        "coverage": coverage,
    }
    return decided(Case(one_event_each(persons(count)), programme_set([draft])))
