"""Are the arms as large as they were meant to be? The check that is read once. Owns no effect.

An experiment that lost units of one arm compares different people, and no figure of it means anything.
So the check of all units and those of the stages that treatment cannot touch block a read-out; days and
segments only say where it happened. To look at it every day, use the watched form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.experiment.moments import Floats

ALPHA = 0.001
"""Level of the check: low, because it is made of every experiment and a false alarm costs one."""

ALL = "all units"

_EXACT_BELOW = 1_000
_TWO = 2
_FAILS = "fails"
_FITS = "as meant"


class _Check(NamedTuple):
    """One check of a ratio."""

    where: str
    counts: dict[str, int]
    p_value: float | None
    limit: float
    verdict: str

    @property
    def fails(self) -> bool:
        return self.verdict == _FAILS

    def row(self) -> dict[str, object]:
        units = {"where": self.where, "units": sum(self.counts.values()), **self.counts}
        return {**units, "p_value": self.p_value, "limit": self.limit, "verdict": self.verdict}


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleRatio(text.Result):
    """The verdict on the sample ratio.

    Attributes:
        table: A row a check: ``where``, ``units``, one column an arm, ``p_value``, ``limit`` (the level
            that it is held against) and ``verdict``: ``"as meant"``, ``"fails"``, or ``"not enough data"``.
        text: The verdict, and where it fails.
        passed: Whether every check that blocks holds.
    """

    passed: bool


def ratio_p_value(counts: Mapping[str, int], shares: Mapping[str, float] | None = None) -> float:
    """Return the p-value of counts under the shares of the design.

    Exact for two arms of fewer than 1,000 units, else chi-square.

    Args:
        counts: Units of each arm.
        shares: Meant share of each arm, relative to each other; None: equal ones.

    Raises:
        InputError: There are fewer than two arms, or nobody.
        ParameterError: An arm has no share, or one that is not above 0.

    >>> f"{ratio_p_value({'a': 821_588, 'b': 815_482}):.4e}"
    '1.8218e-06'
    """
    if len(counts) < _TWO or sum(counts.values()) == 0:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: a sample ratio needs two arms with units")
    weights = _weights(counts, shares)
    observed = np.array(list(counts.values()), dtype=float)
    if len(counts) == _TWO and observed.sum() < _EXACT_BELOW:
        return float(stats.binomtest(int(observed[0]), int(observed.sum()), weights[0]).pvalue)
    return float(stats.chisquare(observed, weights * observed.sum()).pvalue)


@checked
def sample_ratio(
    counts: Mapping[str, int],
    *,
    shares: Mapping[str, float] | None = None,
    stages: Mapping[str, Mapping[str, int]] | None = None,
    places: Mapping[str, Mapping[str, int]] | None = None,
    alpha: float = ALPHA,
) -> SampleRatio:
    """Check that arms have the sizes that the design gave them.

    Args:
        counts: Units of each arm.
        shares: Meant share of each arm, relative to each other; None: equal ones.
        stages: The same of units that reached a stage which treatment cannot touch; they block too.
        places: The same by day or segment; they only localise, at a level divided by their number.
        alpha: Level of a check that blocks, divided by the number of those.

    Returns:
        The verdict. ``passed`` is about all units and the stages.

    Raises:
        InputError: There are fewer than two arms, or nobody.
        ParameterError: An arm has no share, or the level is not between 0 and 1.

    >>> found = sample_ratio({"control": 600, "offer": 400})
    >>> found.passed, found.text
    (False, 'The arms are not as large as they were meant to be: of all units 600 are in “control” and 400 in “offer” (p <0.001).')
    """
    if not 0 < alpha < 1:
        raise ParameterError(problem("alpha", alpha, "must be between 0 and 1"))
    ratio_p_value(counts, shares)  # refuses what has no ratio
    blocking = {ALL: counts, **(stages or {})}
    first = [_row(where, each, shares, alpha / len(blocking)) for where, each in blocking.items()]
    local = [
        _row(where, each, shares, alpha / len(places or {}))
        for where, each in (places or {}).items()
    ]
    return SampleRatio(
        table=pd.DataFrame([each.row() for each in [*first, *local]]),
        text=_sentence(first, [each.where for each in local if each.fails]),
        passed=not any(each.fails for each in first),
    )


def _row(
    where: str, counts: Mapping[str, int], shares: Mapping[str, float] | None, limit: float
) -> _Check:
    total = sum(counts.values())
    p_value = ratio_p_value(counts, shares) if total and len(counts) >= _TWO else None
    verdict = text.NOT_ENOUGH_DATA
    if p_value is not None:
        verdict = _FITS if p_value >= limit else _FAILS
    return _Check(where, dict(counts), p_value, limit, verdict)


def _weights(counts: Mapping[str, int], shares: Mapping[str, float] | None) -> Floats:
    """Return the meant shares of the arms, which add up to 1."""
    if shares is None:
        return np.full(len(counts), 1 / len(counts))
    for arm in counts:
        if arm not in shares:
            rule = f"must have a share for the arm {arm!r}"
            raise ParameterError(
                problem("shares", dict(shares), rule, hint=did_you_mean(arm, shares))
            )
        if not shares[arm] > 0:
            raise ParameterError(problem(f"share of {arm}", shares[arm], "must be above 0"))
    weights = np.array([shares[arm] for arm in counts], dtype=float)
    return np.asarray(weights / weights.sum())


def _sentence(checks: Sequence[_Check], places: Sequence[str]) -> str:
    failed = [each for each in checks if each.fails]
    if failed:
        parts = [f"of {each.where} {_sizes(each.counts)} ({_p(each.p_value)})" for each in failed]
        said = [f"the arms are not as large as they were meant to be: {'; '.join(parts)}"]
    else:
        least = min((each.p_value for each in checks if each.p_value is not None), default=None)
        said = [f"the arms are as large as they were meant to be ({_p(least)})"]
    if places:
        said.append(f"the ratio differs most clearly in {text.listing(places)}")
    return " ".join(text.sentence(each) for each in said)


def _sizes(counts: Mapping[str, int]) -> str:
    (first, n), *others = counts.items()
    parts = [f"{text.count(each)} in {text.named(arm)}" for arm, each in others]
    return text.listing([f"{text.count(n)} are in {text.named(first)}", *parts])


def _p(p_value: float | None) -> str:
    said = text.p_value(p_value)
    return f"p {said}" if said.startswith("<") else f"p = {said}"
