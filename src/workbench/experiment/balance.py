"""Were the arms alike before? Covariates of arms against the control. Owns no adjustment.

Randomisation makes what was fixed before assignment equal but for chance. Where it differs by more, the
arms were not drawn from the same people, and nothing that follows can be laid on the treatment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from workbench import text
from workbench.experiment.effect import Parts, compare
from workbench.experiment.metrics import spoken
from workbench.experiment.moments import Moments

ALPHA = 0.001
"""Level of the verdict, divided by the number of arms."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Balance(text.Result):
    """Covariates of each arm against the control.

    Attributes:
        table: A row for each arm and covariate: ``arm``, ``covariate``, ``control``, ``treatment``,
            ``standardised`` (difference in standard deviations of the control) and ``p_value``.
        text: The verdict.
        passed: Whether all covariates together are as alike as randomisation makes them.
        p_value: Of all covariates together, the smallest of the arms times their number.
    """

    passed: bool
    p_value: float


def balance(
    moments: Mapping[str, Moments],
    control: str,
    covariates: Sequence[tuple[str, tuple[str, str | None]]],
    alpha: float = ALPHA,
) -> Balance:
    """Compare what was fixed before assignment, each covariate and all together.

    Args:
        moments: Moments of each arm that hold the covariates.
        control: The control.
        covariates: Name, and numerator and denominator, of each covariate.
        alpha: Level of the verdict.

    Returns:
        The comparison; all together are held against a chi-square distribution (Hotelling's T²).

    >>> arms = {"control": Moments.of({"before": [1, 2, 3, 4]}), "offer": Moments.of({"before": [1, 2, 3, 5]})}
    >>> balance(arms, "control", [("before", ("before", None))]).passed
    True
    """
    rows, p_values = [], []
    others = [arm for arm in moments if arm != control]
    for arm in others:
        pair = moments[arm], moments[control]
        for name, (above, below) in covariates:
            found = compare(*pair, Parts(numerator=above, denominator=below))
            spread = math.sqrt(pair[1].n) * _own_error(pair[1], above, below)
            rows.append(
                {
                    "arm": arm,
                    "covariate": name,
                    "control": found.control,
                    "treatment": found.treatment,
                    "standardised": found.absolute.value / spread if spread else math.nan,
                    "p_value": found.absolute.p_value,
                }
            )
        p_values.append(_together(*pair, [each for _, each in covariates]))
    p_value = min(1.0, min(p_values) * len(p_values))
    passed = p_value >= alpha
    names = text.listing([spoken(name) for name, _ in covariates])
    alike = "as alike as randomisation makes them" if passed else "not alike before the experiment"
    said = f"by {names} the arms are {alike} (p {_than(p_value)})"
    return Balance(
        table=pd.DataFrame(rows), text=text.sentence(said), passed=passed, p_value=p_value
    )


def _than(p_value: float) -> str:
    said = text.p_value(p_value)
    return said if said.startswith("<") else f"= {said}"


def _own_error(moments: Moments, above: str, below: str | None) -> float:
    """Return the standard error of a covariate in one arm."""
    found = compare(moments, moments, Parts(numerator=above, denominator=below))
    return found.absolute.standard_error / math.sqrt(2)


def _together(
    treatment: Moments, control: Moments, covariates: Sequence[tuple[str, str | None]]
) -> float:
    """Return the p-value of all covariates being equal."""
    gaps, errors = [], []
    for moments, sign in ((treatment, 1.0), (control, -1.0)):
        rows, levels = [], []
        for above, below in covariates:
            slope = np.zeros(len(moments.names))
            if below is None:
                levels.append(moments[above])
                slope[moments.place(above)] = 1.0
            else:
                levels.append(moments[above] / moments[below])
                slope[moments.place(above)] = 1 / moments[below]
                slope[moments.place(below)] = -moments[above] / moments[below] ** 2
            rows.append(slope)
        slopes = np.array(rows)
        gaps.append(sign * np.array(levels))
        errors.append(slopes @ moments.covariance() @ slopes.T / moments.n)
    gap, error = gaps[0] + gaps[1], errors[0] + errors[1]
    rank = int(np.linalg.matrix_rank(error, hermitian=True))
    if rank == 0:
        return 1.0 if not gap.any() else 0.0
    return float(stats.chi2.sf(gap @ np.linalg.pinv(error, hermitian=True) @ gap, rank))
