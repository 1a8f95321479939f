"""Two arms beside each other: the moments of their money, over clusters where those were assigned. Owns no figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from workbench.experiment.effect import Comparison, Parts, compare
from workbench.experiment.metrics import WEIGHT
from workbench.experiment.moments import Moments, collect_moments
from workbench.experiment.unit_columns import check_clusters
from workbench.experiment.units import ARM, Units

_BLOCK = "all"
_DIFFERENCE = "·difference"


class Pair(NamedTuple):
    """The treated arm and the control, what a mean is over (None: units), and covariates."""

    treated: Moments
    control: Moments
    below: str | None
    covariates: tuple[tuple[str, str | None], ...]

    @classmethod
    def of(
        cls,
        units: Units,
        treated: str,
        columns: Mapping[str, pl.Expr],
        cluster: str | None,
        covariates: Sequence[tuple[str, str | None]],
    ) -> Pair:
        """Return the moments of both arms, over clusters where those were assigned."""
        frame, named = units.frame, dict(columns)
        below = WEIGHT if cluster else None
        if cluster is not None:
            check_clusters(units, cluster)
            frame = frame.group_by(ARM, cluster).agg(
                **{name: each.sum() for name, each in columns.items()}, **{WEIGHT: pl.len()}
            )
            named = {name: pl.col(name) for name in (*columns, WEIGHT)}
        found = collect_moments(frame, [ARM], named, {_BLOCK: list(named)})
        return cls(
            found[treated,][_BLOCK],
            found[units.control,][_BLOCK],
            below,
            tuple((above, under or below) for above, under in covariates),
        )

    def compare(self, name: str, below: str | None = None) -> Comparison:
        """Return the effect on a column a unit, or by another column."""
        parts = Parts(numerator=name, denominator=below or self.below, covariates=self.covariates)
        return compare(self.treated, self.control, parts)

    def less(self, name: str, other: str, times: float) -> Comparison:
        """Return the effect on one column less another one so many times."""
        arms = [_with_difference(each, name, other, times) for each in self[:2]]
        return self._replace(treated=arms[0], control=arms[1]).compare(_DIFFERENCE)


def _with_difference(moments: Moments, name: str, other: str, times: float) -> Moments:
    """Return moments with one more column: one of them less another one so many times."""
    by = np.vstack([np.eye(len(moments.names)), np.zeros(len(moments.names))])
    by[-1, moments.place(name)], by[-1, moments.place(other)] = 1.0, -times
    return Moments(
        names=(*moments.names, _DIFFERENCE),
        n=moments.n,
        mean=by @ moments.mean,
        products=by @ moments.products @ by.T,
    )
