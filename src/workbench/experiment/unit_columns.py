"""From units to the columns that moments are made of: weights, clusters, triggers. Owns no statistics.

A weighted mean is a ratio of sums with the weights below; a clustered one is the same over clusters, whose
rows are added up first. Both are ratios like any other, with the errors that belong to them.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from workbench import text
from workbench.errors import InputError
from workbench.experiment.effect import Parts
from workbench.experiment.metrics import REACHED, TRIGGER, WEIGHT, check_numbers
from workbench.experiment.moments import Moments, collect_moments
from workbench.experiment.units import ARM, Units
from workbench.frames import need_columns


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How units count.

    Attributes:
        weights: Column of the weights; None: 1 each.
        cluster: Column of the clusters that were assigned as a whole; None: units were.
        trigger: Column that is true for a triggered unit.
        one_sided: Whether triggers are seen in treated arms alone.
        reached: Column that is true for a unit that the treatment reached.
        since: Of a column, the one that counts from the unit's first trigger on and is 0 without one;
            a column that is not named counts whole for a triggered unit.
    """

    weights: str | None = None
    cluster: str | None = None
    trigger: str | None = None
    one_sided: bool = False
    reached: str | None = None
    since: Mapping[str, str] = field(default_factory=dict)

    @property
    def weighted(self) -> bool:
        """Whether what a unit counts is a column."""
        return self.weights is not None or self.cluster is not None

    def check(self, schema: pl.Schema) -> None:
        """Check that the columns are there and of the right kind.

        Raises:
            InputError: One is not.
        """
        need_columns(schema, [self.cluster] if self.cluster else [], "table of units")
        for name, what in (
            (self.weights, "weights"),
            (self.trigger, "trigger"),
            (self.reached, "reached"),
        ):
            if name:
                check_numbers([name], schema, what)


def moments_of(
    units: Units, parts: dict[str, Parts], layout: Layout, by: Sequence[str] = ()
) -> dict[tuple[object, ...], dict[str, Moments]]:
    """Return the moments of each metric by arm (and more), in one pass over the units.

    Args:
        units: The units.
        parts: Which columns each metric is made of.
        layout: How units count.
        by: Columns to group by beside the arm.

    Returns:
        By arm and group, the moments of each metric.

    Raises:
        InputError: A value is missing or not finite, or a cluster is in two arms.
    """
    blocks = {name: each.columns() for name, each in parts.items()}
    names = list(dict.fromkeys(name for block in blocks.values() for name in block))
    if not names:  # quantiles alone need no moments
        return {}
    columns = {name: _column(name, layout) for name in names}
    frame, keys = units.frame, [ARM, *by]
    if layout.cluster:
        check_clusters(units, layout.cluster)
        rows = pl.len().cast(pl.Float64)
        plain = WEIGHT if layout.weights is None else None
        frame = frame.group_by([*keys, layout.cluster]).agg(
            **{name: rows if name == plain else each.sum() for name, each in columns.items()}
        )
        columns = {name: pl.col(name) for name in names}
    found = collect_moments(frame, keys, columns, blocks)
    for groups in found.values():
        for moments in groups.values():
            if not _finite(moments):
                raise InputError(_what_is_missing(units, names, layout))
    return found


def _finite(moments: Moments) -> bool:
    return bool(abs(moments.mean.sum() + moments.products.sum()) < float("inf"))


def _column(name: str, layout: Layout) -> pl.Expr:
    """Return a column of a block as an expression; a null becomes a value that is not finite."""
    weight = _number(layout.weights) if layout.weights else pl.lit(1.0)
    if name == WEIGHT:
        return weight
    base, source = name, None
    for mark, column in ((TRIGGER, layout.trigger), (REACHED, layout.reached)):
        if name.endswith(mark):
            base, source = name.removesuffix(mark), column
            if mark == TRIGGER and base in layout.since:
                base, source = layout.since[base], None
    factors = [_number(each) for each in (base, source) if each]
    if layout.weights:
        factors.append(weight)
    return functools.reduce(operator.mul, factors)


def _number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64).fill_null(float("nan"))


def check_values(units: Units, layout: Layout, flags: Sequence[str] = ()) -> None:
    """Refuse weights below 0, flags that are neither 0 nor 1, and a control that was reached.

    With a control that the treatment reached too, the effect on all over the share reached is no effect
    on the reached.

    Raises:
        InputError: There is one.
    """
    schema = units.frame.collect_schema()
    rules = [(layout.weights, pl.col(layout.weights) < 0, "be 0 or more")] if layout.weights else []
    rules += [
        (name, ~pl.col(name).is_in([0, 1]), "be 0 or 1")
        for name in (layout.trigger, layout.reached, *flags)
        if name and schema[name].is_numeric()
    ]
    if layout.reached:
        there = (pl.col(ARM) == units.control) & pl.col(layout.reached).cast(pl.Boolean)
        rule = f"not be true in {text.named(units.control)}; of who would have been reached name the trigger"
        rules.append((layout.reached, there, rule))
    if not rules:
        return
    wrong = [each.sum().alias(str(place)) for place, (_, each, _) in enumerate(rules)]
    for (name, _, rule), n in zip(rules, units.frame.select(wrong).collect().row(0), strict=True):
        if n:
            raise InputError(f"{text.plural(n, 'row')} of {name!r} must {rule}")


def check_clusters(units: Units, cluster: str) -> None:
    """Refuse a cluster in two arms, or rows that are in none.

    Raises:
        InputError: There is one.
    """
    found = (
        units.frame.group_by(cluster)
        .agg(arms=pl.col(ARM).n_unique(), rows=pl.len())
        .filter((pl.col("arms") > 1) | pl.col(cluster).is_null())
        .collect(engine="streaming")
    )
    nameless = found.filter(pl.col(cluster).is_null())
    if nameless.height:
        raise InputError(
            f"{text.plural(nameless['rows'][0], 'row')} of {cluster!r} must have a value"
        )
    if found.height:
        example = text.named(found[cluster].sort()[0])
        raise InputError(
            f"{text.plural(found.height, 'cluster')} of {cluster!r} must be in one arm, such as "
            f"{example}; leave the cluster out when units within it were assigned"
        )


def _what_is_missing(units: Units, names: Sequence[str], layout: Layout) -> str:
    """Say which column has how many values that are not there or not finite."""
    sources = {name.removesuffix(TRIGGER).removesuffix(REACHED) for name in names}
    sources |= {each for each in (layout.weights, layout.trigger, layout.reached) if each}
    known = [name for name in sorted(sources) if name in units.frame.collect_schema()]
    counted = units.frame.select(
        **{f"{name}\0null": pl.col(name).is_null().sum() for name in known},
        **{
            f"{name}\0infinite": pl.col(name).cast(pl.Float64).is_finite().not_().sum()
            for name in known
        },
        rows=pl.len(),
    ).collect()
    rows = int(counted["rows"][0])
    for name in known:
        null, infinite = int(counted[f"{name}\0null"][0]), int(counted[f"{name}\0infinite"][0])
        if null == rows:
            return f"column {name!r} holds no value at all"
        if null:
            return (
                f"column {name!r} has no value in {text.count(null)} of {text.plural(rows, 'row')}; "
                "write 0 where nothing happened, or use a ratio over those that have one"
            )
        if infinite:
            return (
                f"column {name!r} has {text.plural(infinite, 'value')} that {'is' if infinite == 1 else 'are'} "
                f"not finite in {text.plural(rows, 'row')}; correct them or leave those units out of all arms"
            )
    return f"sums of {text.listing(known)} are too large to be written as numbers"
