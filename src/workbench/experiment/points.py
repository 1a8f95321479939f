"""Decision points of a programme from its decision log, and what followed each. Owns no estimate."""

from __future__ import annotations

import polars as pl

from workbench.arguments import checked
from workbench.decision.choice import WHOLE
from workbench.decision.programme import Programme
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.frames import Frame, as_polars, need_columns
from workbench.records import DAY_US, HELD_OUT, OFFERED, REASON_OF_CODE
from workbench.text import NOT_ENOUGH_DATA

CONTROL = "control"
_SETTLED = [REASON_OF_CODE[code].name for code in (OFFERED, HELD_OUT)]
_NEEDED = (
    "decision_id", "person", "ts", "known_at", "programme", "arm", "offer_id", "delivered",
    "reason", "p_assignment", "p_selection", "distribution",
)  # fmt: skip


@checked
def decision_points(
    decisions: Frame, programme: Programme, *, offer: str | None = None
) -> pl.DataFrame:
    """Return the decision points of a programme: was it treated, with which probability.

    Two questions can be asked. *An offer or none*: the programme assigns single decision points to
    arms, and the probability is that of the arm. *This offer or another of the programme*: the offer
    was chosen at random among the open ones, and the probability is its part of the logged
    distribution, ``p_selection`` where it was the one chosen.

    Args:
        decisions: The decision log: of a replay, a service or a simulated world.
        programme: The programme.
        offer: The offer whose selection is the treatment; none: an offer or none.

    Returns:
        A row a decision of the programme: ``decision_id``, ``person``, ``ts``, ``known_at``,
        ``treated``, ``probability`` (null where nothing was left to chance) and ``available``.

    Raises:
        ParameterError: The programme has no such offer.
        InputError: A column is missing, the programme has no decision, or nothing was left to
            chance: arms belong to customers, there is no control, or it has three arms.

    >>> from workbench.decision import load_programmes
    >>> coffee = load_programmes("params/programmes/nth_purchase.yaml")[0]
    >>> decision_points(pl.DataFrame(), coffee)
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: the decision log has no column 'decision_id'
    """
    frame = as_polars(decisions, "decisions")
    need_columns(frame.columns, _NEEDED, "decision log")
    rows = frame.filter(pl.col("programme") == programme.name)
    if rows.is_empty():
        raise InputError(f"{NOT_ENOUGH_DATA}: {programme.name} has no decision in this log")
    if offer is None:
        treated, probability, possible = _an_offer_or_none(programme)
    else:
        treated, probability, possible = _this_offer(programme, offer)
    points = rows.select(
        "decision_id",
        "person",
        "ts",
        "known_at",
        treated=treated,
        probability=probability,
        available=(possible & (probability > 0) & (probability < 1)).fill_null(value=False),
    ).with_columns(pl.when("available").then("probability").alias("probability"))
    if not points["available"].any():
        raise InputError(
            f"not identified: no decision of {programme.name} was left to chance; a programme with "
            "epsilon, softmax or Thompson, or with an experiment of unit decision, does so"
        )
    return points.sort("known_at", "decision_id")


def _an_offer_or_none(programme: Programme) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Return treated, its probability and whether it was possible, where arms are assigned."""
    arms = dict(programme.experiment.shares)
    if programme.experiment.unit != "decision":
        raise InputError(
            f"not identified: {programme.name} assigns customers, each for good; its effect is read "
            "by customer (experiment.unit: decision assigns decision points)"
        )
    if set(arms) - {CONTROL} == set(arms) or len(arms) != 2:  # noqa: PLR2004 - an offer or none
        raise InputError(
            f"not identified: {programme.name} has the arms {', '.join(arms)}; an offer or none "
            "needs control and one other"
        )
    mine = pl.col("p_assignment")
    probability = pl.when(pl.col("arm") == CONTROL).then(1 - mine).otherwise(mine)
    possible = pl.col("offer_id").is_not_null() & pl.col("reason").is_in(_SETTLED)
    return pl.col("delivered"), probability, possible & pl.col("arm").is_in(list(arms))


def _this_offer(programme: Programme, offer: str) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Return the same where the treatment is one offer and the others are the control."""
    offers = [each.id for each in programme.offers]
    if offer not in offers:
        rule = f"must be an offer of {programme.name}"
        raise ParameterError(problem("offer", offer, rule, hint=did_you_mean(offer, offers)))
    chosen = pl.col("offer_id") == offer
    part = pl.col("distribution").list.get(offers.index(offer), null_on_oob=True) / WHOLE
    probability = pl.when(chosen).then(pl.col("p_selection")).otherwise(part)
    return chosen.fill_null(value=False), probability, pl.col("delivered")


@checked
def outcomes_after(
    points: Frame,
    events: Frame,
    *,
    window_days: float,
    until: int,
    amount: str | None = None,
    name: str = "purchases",
) -> pl.DataFrame:
    """Return decision points with what their persons did in the window behind each.

    A point whose window has not closed at ``until`` is not available: its outcome is null.

    Args:
        points: From :func:`decision_points`.
        events: The events that count, with ``person_id``, ``ts`` and the amount.
        window_days: Length of the window: from the decision (excluded) to its end (included).
        until: Where the events end, in microseconds since 1970 in UTC.
        amount: Column of the events that is summed; none: events are counted.
        name: Name of the outcome.

    Raises:
        ParameterError: ``window_days`` is not above 0.
        InputError: A column is missing.

    >>> at = (pl.Series([0, 10, 90]) * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
    >>> point = pl.DataFrame({"person": ["ann"], "known_at": at[:1], "available": [True]})
    >>> events = pl.DataFrame({"person_id": ["ann"] * 3, "ts": at})
    >>> outcomes_after(point, events, window_days=2, until=10**12)["purchases"].to_list()
    [1]
    """
    if not window_days > 0:
        raise ParameterError(problem("window_days", window_days, "must be above 0"))
    rows, happened = as_polars(points, "points"), as_polars(events, "events")
    need_columns(rows.columns, ["person", "known_at", "available"], "points")
    need_columns(happened.columns, ["person_id", "ts", *([amount] if amount else [])], "events")
    value = pl.col(amount) if amount else pl.lit(1, dtype=pl.Int64)
    sums = (
        happened.select(person="person_id", at=pl.col("ts").to_physical(), value=value)
        .group_by("person", "at")
        .agg(pl.col("value").sum())
        .sort("person", "at")
        .with_columns(upto=pl.col("value").cum_sum().over("person"))
        .select("person", "at", "upto")
        .sort("at")
    )
    start = pl.col("known_at").to_physical()
    placed = rows.with_row_index("_row").with_columns(
        _from=start, _to=start + round(window_days * DAY_US)
    )
    for edge in ("_from", "_to"):
        placed = (
            placed.sort(edge)
            .join_asof(
                sums,
                left_on=edge,
                right_on="at",
                by="person",
                strategy="backward",
                check_sortedness=False,  # sorted above; Polars cannot know it by group
            )
            .rename({"upto": f"{edge}_sum"})
            .drop("at", strict=False)
        )
    closed = pl.col("_to") <= until
    more = pl.col("_to_sum").fill_null(0) - pl.col("_from_sum").fill_null(0)
    return (
        placed.sort("_row")
        .with_columns(
            pl.when(closed).then(more).alias(name), available=pl.col("available") & closed
        )
        .drop("_row", "_from", "_to", "_from_sum", "_to_sum")
    )
