"""What a metric is: the columns that it is made of, and what makes it too thin. Owns no estimate.

A text is a metric too: ``"spend_cents"`` is a mean (of a yes-or-no column a proportion), and
``"sales_cents / visits"`` is a ratio of sums.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from workbench import text
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.effect import Parts
from workbench.frames import need_columns

WEIGHT = "·weight"
"""Column of what a unit counts: its weight, or the rows of a cluster."""

TRIGGER = "·trigger"
"""Column that is 1 for a triggered unit and else 0; behind the name of a column: times it."""

REACHED = "·reached"
"""Column that is 1 for a unit that the treatment reached and else 0; behind a name: times it."""


@dataclass(frozen=True)
class Covariate:
    """A column that was fixed before assignment, and takes noise off an effect.

    Attributes:
        column: The column, or a ratio such as ``"sales_before_cents / visits_before"``.
        window_ends: Day on which its window ended; it must lie before the first assignment. None:
            not declared, which a read-out warns of.

    >>> Covariate("spend_before_cents", dt.date(2026, 3, 1)).column
    'spend_before_cents'
    """

    column: str
    window_ends: dt.date | None = None


@dataclass(frozen=True)
class Mean:
    """The mean of a column a unit, such as spend.

    Attributes:
        column: The column.
        covariates: Covariates of this metric; empty: those of the read-out.

    >>> Mean("spend_cents").name
    'spend_cents'
    """

    column: str
    covariates: tuple[str | Covariate, ...] = ()

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.column

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the units that it needs."""
        return (self.column,)


@dataclass(frozen=True)
class Proportion(Mean):
    """The share of units of which a column is true, or 1."""


@dataclass(frozen=True)
class Count(Mean):
    """The mean number of something a unit, such as visits; too few in all are not enough data."""


@dataclass(frozen=True)
class Ratio:
    """A sum over a sum, such as the average check: sales by visits.

    Attributes:
        numerator: Column above.
        denominator: Column below; units may have 0 in it.
        covariates: Covariates of this metric; empty: those of the read-out.

    >>> Ratio("sales_cents", "visits").name
    'sales_cents / visits'
    """

    numerator: str
    denominator: str
    covariates: tuple[str | Covariate, ...] = ()

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.numerator} / {self.denominator}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the units that it needs."""
        return self.numerator, self.denominator


@dataclass(frozen=True)
class Quantile:
    """A quantile of a column, such as the median; it needs the rows, moments do not carry it.

    Attributes:
        column: The column.
        q: The quantile, between 0 and 1.

    >>> Quantile("spend_cents", 0.9).name
    'quantile 0.9 of spend_cents'
    """

    column: str
    q: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.q < 1:
            raise ParameterError(problem("q", self.q, "must be between 0 and 1"))

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"quantile {self.q:g} of {self.column}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the units that it needs."""
        return (self.column,)


Metric: TypeAlias = Mean | Proportion | Count | Ratio | Quantile


def as_metric(metric: str | Metric, schema: Mapping[str, pl.DataType]) -> Metric:
    """Return a metric that may be given as a text, after checking its columns.

    Raises:
        InputError: A column is missing, or holds no numbers.
        ParameterError: It is neither a metric nor the text of one.

    >>> as_metric("bought", {"bought": pl.Boolean()})
    Proportion(column='bought', covariates=())
    >>> as_metric("sales / visits", {"sales": pl.Int64(), "visits": pl.Int64()}).denominator
    'visits'
    >>> as_metric("sales", {"sale": pl.Int64()})
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: the table of units has no column 'sales' — did you mean 'sale'?
    """
    if isinstance(metric, str):
        above, _, below = (part.strip() for part in metric.partition(" / "))
        if metric in schema or not below:
            known = schema.get(metric)
            metric = Proportion(metric) if known == pl.Boolean else Mean(metric)
        else:
            metric = Ratio(above, below)
    if not isinstance(metric, Mean | Ratio | Quantile):
        rule = "must be a column, a ratio such as 'sales_cents / visits', or a metric"
        raise ParameterError(problem("metric", metric, rule))
    check_numbers(metric.columns, schema, "metric")
    return metric


def as_covariate(covariate: str | Covariate, schema: Mapping[str, pl.DataType]) -> Covariate:
    """Return a covariate that may be given as a text, after checking its columns.

    Raises:
        InputError: A column is missing, or holds no numbers.

    >>> as_covariate("before", {"before": pl.Int64()})
    Covariate(column='before', window_ends=None)
    """
    found = Covariate(covariate) if isinstance(covariate, str) else covariate
    check_numbers([each for each in pair_of(found.column) if each], schema, "covariate")
    return found


def refuse_outcome(metric: Metric, covariates: Iterable[str]) -> None:
    """Refuse a covariate that is the metric itself, or part of it: it would take the effect off.

    Raises:
        ParameterError: There is one.

    >>> refuse_outcome(Mean("spend"), ["before"])
    """
    for each in covariates:
        if not set(metric.columns).isdisjoint(pair_of(each)):
            rule = f"must be fixed before assignment, and is in the metric {metric.name!r}"
            raise ParameterError(problem("covariate", each, rule))


def pair_of(text: str) -> tuple[str, str | None]:
    """Return numerator and denominator of a covariate's text.

    >>> pair_of("sales / visits"), pair_of("sales")
    (('sales', 'visits'), ('sales', None))
    """
    above, _, below = (part.strip() for part in text.partition(" / "))
    return above, below or None


def check_numbers(names: Iterable[str], schema: Mapping[str, pl.DataType], what: str) -> None:
    """Check that columns are there and hold numbers or truth values.

    Raises:
        InputError: One is missing, is text, or holds nothing at all.
    """
    listed = list(names)
    need_columns(schema, listed, "table of units")
    for name in listed:
        kind = schema[name]
        if kind == pl.Null:
            raise InputError(f"{what} {name!r} holds no value at all")
        if not (kind.is_numeric() or kind == pl.Boolean):
            raise InputError(f"{what} {name!r} holds {_kind_in_words(kind)}, must hold numbers")


def _kind_in_words(kind: pl.DataType) -> str:
    if kind in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    return "times" if kind.is_temporal() else str(kind).lower()


def parts_of(
    metric: Mean | Ratio,
    covariates: Sequence[Covariate],
    *,
    weighted: bool,
    indicator: str = "",
    among: bool = False,
) -> Parts:
    """Return which columns of the moments a metric is made of.

    Args:
        metric: The metric.
        covariates: Its covariates.
        weighted: Whether units have weights, or are rows of clusters.
        indicator: :data:`TRIGGER` or :data:`REACHED` for an effect of those; empty: of all.
        among: Whether the covariates are those of the triggered too, as an effect among them needs it.

    >>> parts_of(Mean("spend"), [Covariate("before")], weighted=False).covariates
    (('before', None),)
    >>> parts_of(Ratio("sales", "visits"), [], weighted=True, indicator=TRIGGER).triggered
    ('sales·trigger', 'visits·trigger')
    """
    one = WEIGHT if weighted else None
    above: str = metric.numerator if isinstance(metric, Ratio) else metric.column
    below: str | None = metric.denominator if isinstance(metric, Ratio) else one
    binomial = isinstance(metric, Proportion) and not (weighted or covariates or indicator)
    pairs = [pair_of(each.column) for each in covariates]
    if among:
        pairs = [
            (each + indicator, other + indicator if other else indicator) for each, other in pairs
        ]
    else:
        pairs = [(each, other or one) for each, other in pairs]
    among_below = below + indicator if isinstance(metric, Ratio) and below else None
    return Parts(
        numerator=above,
        denominator=below,
        covariates=tuple(pairs),
        binomial=binomial,
        trigger=indicator or None,
        triggered=(above + indicator, among_below) if indicator else None,
    )


def heading(metric: str) -> str:
    """Return the name of a metric for a reader.

    >>> heading("sales_cents / visits"), heading("quantile 0.9 of spend_cents")
    ('sales / visits', 'quantile 0.9 of spend')
    """
    return " ".join(text.heading(each) if each.isidentifier() else each for each in metric.split())


def spoken(metric: str) -> str:
    """Return the name of a metric as it stands in a sentence.

    >>> spoken("spend_cents")
    '“spend”'
    """
    return text.named(heading(metric))
