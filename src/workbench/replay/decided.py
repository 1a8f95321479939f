"""What the core put out, as rows of the decision log and of the candidate table. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.assignment import assignment_shares, draw_32_column
from workbench.decision.choice import WHOLE
from workbench.decision.desk import (
    C_LOOKS,
    EVERY,
    KIND_COLLECTED,
    KIND_EVENT,
    KIND_RELEASE,
    KINDS,
    L_ACTION,
    L_COUNT,
    L_FREE,
    L_LIMIT,
    L_METER,
    L_OUT,
    L_REASON,
    NEVER_US,
    O_ACTION,
    O_KIND,
    O_KNOWN,
    O_PERSON,
    O_PROGRAMME,
    O_REASON,
    O_SET,
    O_SHARE,
    O_SHARES,
    O_TOUCH,
    O_TS,
    P_FIRST_ACTION,
    P_LAST_ACTION,
    P_PATTERN,
    P_SCORES,
    SILENCE,
    T_ARM,
    T_LEVEL,
    T_PART,
    T_ROW,
    T_TS,
    T_WORDS,
    UNLESS,
    Desk,
)
from workbench.decision.house import ProgrammeSet
from workbench.decision.rules import Rules
from workbench.log.schema import INSTANT
from workbench.records import (
    AWARDED,
    CAP_REACHED,
    CONCURRENCY,
    GLOBAL_HOLDOUT,
    HELD_OUT,
    OFFERED,
    OTHER_LAYER,
    QUEUED,
    REASON_OF_CODE,
)

DECISIONS_SCHEMA = pl.Schema(
    {
        "decision_id": pl.String(),
        "set_id": pl.String(),
        "event_id": pl.String(),
        "person": pl.String(),
        "ts": INSTANT,
        "known_at": INSTANT,
        "programme": pl.String(),
        "kind": pl.String(),
        "arm": pl.String(),
        "offer_id": pl.String(),
        "channel": pl.String(),
        "variant": pl.String(),
        "points": pl.Int64(),
        "delivered": pl.Boolean(),
        "p_assignment": pl.Float64(),
        "p_selection": pl.Float64(),
        "distribution": pl.List(pl.Int64()),
        "measured": pl.Boolean(),
        "score": pl.Float64(),
        "reason": pl.String(),
        "cost_cents": pl.Int64(),
        "would_cost_cents": pl.Int64(),
        "programme_digest": pl.String(),
    }
)
"""The decision log: one row for each programme that an event or time triggers."""

CANDIDATES_SCHEMA = pl.Schema(
    {
        "decision_id": pl.String(),
        "set_id": pl.String(),
        "programme": pl.String(),
        "offer_id": pl.String(),
        "stage": pl.String(),
        "reason": pl.String(),
        "meter": pl.String(),
        "count": pl.Int64(),
        "limit": pl.Int64(),
        "free_at": INSTANT,
    }
)
"""The candidate table: every offer that was considered, and what ended it."""

_LARGEST_CODE = 128


def among(codes: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a table that says of every reason's code whether it is one of these."""
    table = np.zeros(_LARGEST_CODE, dtype=bool)
    table[list(codes)] = True
    return table


_SHOWN = among((OFFERED, HELD_OUT, GLOBAL_HOLDOUT, QUEUED))
_WENT_OUT = among((OFFERED, AWARDED))
_GHOST = among((HELD_OUT, GLOBAL_HOLDOUT))
_COUNTED = among((CAP_REACHED, CONCURRENCY))
_NAMES = pl.Series(
    [REASON_OF_CODE[code].name if code in REASON_OF_CODE else None for code in range(_LARGEST_CODE)]
)
_STAGES = pl.Series(
    [
        REASON_OF_CODE[code].stage if code in REASON_OF_CODE else None
        for code in range(_LARGEST_CODE)
    ]
)


@dataclass(frozen=True, eq=False)
class Decided:
    """What came out of the core, in the order of the decision log, and what names it.

    Attributes:
        out: Rows x ``O_``.
        desk: What they point into.
        event_ids: Ids of the rows of the core.
        person_ids: Ids of its persons.
        codes: Codes of its persons in the log.
        measured: Whether each is in the measured group.
        rules: The rules.
        programmes: The programmes.
    """

    out: NDArray[np.int64]
    desk: Desk
    event_ids: pl.Series
    person_ids: pl.Series
    codes: NDArray[np.int64]
    measured: NDArray[np.bool_]
    rules: Rules
    programmes: ProgrammeSet
    zones: Sequence[str]

    @cached_property
    def shown(self) -> NDArray[np.bool_]:
        """Whether a row names an offer."""
        offers = np.array([a.offer is not None for a in self.rules.action_list], dtype=bool)
        action = self.out[:, O_ACTION]
        shown = _SHOWN[self.out[:, O_REASON]]
        return np.asarray(shown & (action >= 0) & offers[action], dtype=bool)

    @cached_property
    def offer(self) -> NDArray[np.int64]:
        """Position of the offer within its programme, -1 where none is named."""
        first = self.rules.programmes[self.out[:, O_PROGRAMME], P_FIRST_ACTION]
        return np.where(self.shown, self.out[:, O_ACTION] - first, -1)

    @cached_property
    def cost(self) -> NDArray[np.int64]:
        """Cost of the offer that is named, else 0."""
        costs = [0 if a.offer is None else a.offer.cost_cents for a in self.rules.action_list]
        return np.where(self.shown, np.array(costs, dtype=np.int64)[self.out[:, O_ACTION]], 0)


def joined(several: Sequence[Decided]) -> Decided:
    """Return the decisions of one or more windows as those of one; what names them goes with them.

    Each decision has a touch and a person of its own; the desk is good for nothing but
    :func:`decisions_frame`.
    """
    outs, touches, shares, behind = [], [], [], 0
    for each in several:
        touch = each.desk.touches[each.out[:, O_TOUCH]]
        out = each.out.copy()
        out[:, O_SHARES] += np.where(out[:, O_SHARES] >= 0, behind, 0)
        behind += len(each.desk.shares)
        outs.append(out)
        touches.append(touch)
        shares.append(each.desk.shares)
    out, touch = np.vstack(outs), np.vstack(touches)
    persons = [each.out[:, O_PERSON] for each in several]
    event_ids = pl.concat(
        each.event_ids.gather(of_window[:, T_ROW])
        for each, of_window in zip(several, touches, strict=True)
    )
    out[:, O_TOUCH] = out[:, O_PERSON] = touch[:, T_ROW] = np.arange(len(out))
    both = list(zip(several, persons, strict=True))
    return replace(
        several[0],
        out=out,
        desk=several[0].desk._replace(touches=touch, shares=np.concatenate(shares)),
        event_ids=event_ids,
        person_ids=pl.concat(each.person_ids.gather(mine) for each, mine in both),
        codes=np.concatenate([each.codes[mine] for each, mine in both]),
        measured=np.concatenate([each.measured[mine] for each, mine in both]),
    )


def rows_frame(decided: Decided) -> pl.DataFrame:
    """Return the decisions by codes, for counting."""
    reason, cost = decided.out[:, O_REASON], decided.cost
    return pl.DataFrame(
        {
            "person": pl.Series(decided.codes[decided.out[:, O_PERSON]], dtype=pl.Int32),
            "programme": pl.Series(decided.out[:, O_PROGRAMME], dtype=pl.Int32),
            "reason": pl.Series(reason, dtype=pl.Int8),
            "offer": pl.Series(decided.offer, dtype=pl.Int16),
            "delivered": _WENT_OUT[reason],
            "cost_cents": np.where(reason == OFFERED, cost, 0),
            "would_cost_cents": np.where(_GHOST[reason], cost, 0),
        }
    )


def decisions_frame(decided: Decided) -> pl.DataFrame:
    """Return the rows of the decision log."""
    out, rules, desk = decided.out, decided.rules, decided.desk
    if not len(out):
        return pl.DataFrame(schema=DECISIONS_SCHEMA)
    touch = desk.touches[out[:, O_TOUCH]]
    p, action, reason = out[:, O_PROGRAMME], out[:, O_ACTION], out[:, O_REASON]
    shown, cost = decided.shown, decided.cost
    event_id = decided.event_ids.gather(touch[:, T_ROW]).alias("event_id")
    person = decided.person_ids.gather(out[:, O_PERSON])
    programme = pl.Series([each.name for each in decided.programmes]).gather(p)
    release = out[:, O_KIND] == KIND_RELEASE
    at = pl.Series(np.where(release, out[:, O_TS], touch[:, T_TS]))
    kind = pl.Series(list(KINDS)).gather(out[:, O_KIND])
    decision_id = _ids(programme, kind, at, event_id, person)
    offers = [each.offer for each in rules.action_list]
    seen = np.where(shown, action, len(offers))
    selected = np.where(shown, out[:, O_SHARE] / WHOLE, 1.0)
    arm, chance = _arms(decided, touch)
    awards = pl.Series([a.points for a in rules.action_list], dtype=pl.Int64)
    frame = pl.DataFrame(
        {
            "decision_id": decision_id,
            "set_id": _set_ids(out, decision_id, event_id, person),
            "event_id": event_id,
            "person": person,
            "ts": pl.Series(out[:, O_TS]).cast(INSTANT),
            "known_at": pl.Series(out[:, O_KNOWN]).cast(INSTANT),
            "programme": programme,
            "kind": kind,
            "arm": arm,
            "offer_id": _book([o.id if o else None for o in offers]).gather(seen),
            "channel": _book([o.channel if o else None for o in offers]).gather(seen),
            "variant": variants_of(decided),
            "points": pl.DataFrame(
                {"a": awards.gather(np.maximum(action, 0)), "yes": reason == AWARDED}
            )
            .select(pl.when("yes").then("a"))
            .to_series(),
            "delivered": _WENT_OUT[reason],
            "p_assignment": chance,
            "p_selection": selected,
            "distribution": _distributions(decided),
            "measured": decided.measured[out[:, O_PERSON]],
            "score": _scores(decided, touch),
            "reason": _NAMES.gather(reason),
            "cost_cents": np.where(reason == OFFERED, cost, 0),
            "would_cost_cents": np.where(_GHOST[reason], cost, 0),
            "programme_digest": pl.Series([each.digest for each in decided.programmes]).gather(p),
        }
    )
    return frame.cast(DECISIONS_SCHEMA)


def _book(names: list[str | None]) -> pl.Series:
    return pl.Series([*names, None], dtype=pl.String)


def _ids(
    programme: pl.Series, kind: pl.Series, at: pl.Series, event_id: pl.Series, person: pl.Series
) -> pl.Series:
    table = pl.DataFrame({"p": programme, "k": kind, "at": at, "e": event_id, "person": person})
    rest = pl.coalesce("e", "person")
    return table.select(pl.format("{}:{}:{}:{}", "p", "k", "at", rest)).to_series()


def _set_ids(
    out: NDArray[np.int64], decision_id: pl.Series, event_id: pl.Series, person: pl.Series
) -> pl.Series:
    table = pl.DataFrame(
        {
            "set": out[:, O_SET],
            "known": out[:, O_KNOWN],
            "id": decision_id,
            "e": event_id,
            "person": person,
            "name": pl.Series(list(KINDS)).gather(out[:, O_SET]),
        }
    )
    rest = (
        pl.when(pl.col("set") == KIND_EVENT)
        .then("e")
        .when(pl.col("set") == KIND_COLLECTED)
        .then("person")
        .otherwise("id")
    )
    return table.select(pl.format("{}:{}:{}", "name", "known", rest)).to_series()


def _arms(decided: Decided, touch: NDArray[np.int64]) -> tuple[pl.Series, NDArray[np.float64]]:
    """Return the name of the arm of every row and its probability."""
    names: list[str] = []
    chances: list[float] = []
    first = []
    for arms, programme in zip(decided.rules.arms, decided.programmes, strict=True):
        first.append(len(names))
        names.extend(arms)
        chances.extend(assignment_shares(programme.experiment)[0])
    place = np.array(first)[decided.out[:, O_PROGRAMME]] + touch[:, T_ARM]
    chance = np.array(chances)[place]
    return pl.Series(names).gather(place), np.where(touch[:, T_PART] == OTHER_LAYER, 1.0, chance)


def _scores(decided: Decided, touch: NDArray[np.int64]) -> pl.Series:
    rules, p = decided.rules, decided.out[:, O_PROGRAMME]
    first, last = rules.programmes[p, P_FIRST_ACTION], rules.programmes[p, P_LAST_ACTION]
    place = rules.programmes[p, P_SCORES] + touch[:, T_LEVEL] * (last - first)
    place += decided.out[:, O_ACTION] - first
    shown = decided.shown
    score = rules.scores[np.where(shown, place, 0)]
    return pl.DataFrame({"s": score, "yes": shown}).select(pl.when("yes").then("s")).to_series()


def _distributions(decided: Decided) -> pl.Series:
    """Return parts of 2**32 for each offer of the programme, null without an offer."""
    out, rules = decided.out, decided.rules
    p = out[:, O_PROGRAMME]
    shown = decided.shown
    width = rules.programmes[p, P_LAST_ACTION] - rules.programmes[p, P_FIRST_ACTION]
    width = np.where(shown, width, 0)
    ends = np.cumsum(width)
    begin = ends - width
    flat = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.int64)
    drawn = shown & (out[:, O_SHARES] >= 0)
    sure = shown & ~drawn
    flat[begin[sure] + decided.offer[sure]] = WHOLE
    if drawn.any():
        within = np.arange(len(flat)) - np.repeat(begin, width)
        source = np.repeat(np.where(drawn, out[:, O_SHARES], -1), width)
        mine = source >= 0
        flat[mine] = decided.desk.shares[source[mine] + within[mine]]
    lists = _lists(flat, width)
    return pl.DataFrame({"d": lists, "yes": shown}).select(pl.when("yes").then("d")).to_series()


def _lists(flat: NDArray[np.int64], width: NDArray[np.int64]) -> pl.Series:
    """Return a column of lists of the widths, one after the other."""
    import pyarrow as pa  # noqa: PLC0415 - only where lists are made

    offsets = np.zeros(len(width) + 1, dtype=np.int64)
    np.cumsum(width, out=offsets[1:])
    made = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(flat))
    found = pl.from_arrow(made)
    assert isinstance(found, pl.Series)  # noqa: S101 - for the type checker
    return found


def variants_of(decided: Decided) -> pl.Series:
    """Return the wording of every offer that has several: drawn among those that hold."""
    out, rules = decided.out, decided.rules
    if not any(each.offer is not None and each.offer.variants for each in rules.action_list):
        return pl.repeat(None, len(out), dtype=pl.String, eager=True)
    found = np.full(len(out), None, dtype=object)
    shown = decided.shown
    bit = 0
    for a, action in enumerate(rules.action_list):
        if a == rules.programmes[action.programme, P_FIRST_ACTION]:
            bit = 0
        if action.offer is None or not action.offer.variants:
            continue
        variants = action.offer.variants
        mine = np.flatnonzero(shown & (out[:, O_ACTION] == a))
        first, bit = bit, bit + len(variants)
        if not len(mine):
            continue
        touch = decided.desk.touches[out[mine, O_TOUCH]]
        masks = (touch[:, T_WORDS] >> first) & ((1 << len(variants)) - 1)
        programme = decided.programmes[action.programme]
        pattern = rules.programmes[action.programme, P_PATTERN]
        kind = (
            "timer" if pattern in (UNLESS, SILENCE) else "calendar" if pattern == EVERY else "event"
        )
        ids = _ids(
            pl.Series([programme.name] * len(mine)),
            pl.Series([kind] * len(mine)),
            pl.Series(touch[:, T_TS]),
            decided.event_ids.gather(touch[:, T_ROW]),
            decided.person_ids.gather(out[mine, O_PERSON]),
        )
        draws = draw_32_column(f"{programme.experiment.salt}:variant:" + ids)
        for mask in np.unique(masks).tolist():
            able = [k for k in range(len(variants)) if mask >> k & 1]
            if not able:
                continue
            weights = np.cumsum([variants[k].weight for k in able])
            ends = weights * WHOLE // weights[-1]
            of_mask = masks == mask
            chosen = np.searchsorted(ends, draws[of_mask], side="right")
            names = np.array([variants[k].id for k in able], dtype=object)
            found[mine[of_mask]] = names[chosen]
    return pl.Series(found.tolist(), dtype=pl.String)


def candidates_frame(
    decided: Decided, placed: NDArray[np.int64], decisions: pl.DataFrame
) -> pl.DataFrame:
    """Return the candidate table.

    Args:
        decided: What came out.
        placed: For each row of the decision log its place in the order of the core.
        decisions: The decision log.
    """
    looks = decided.desk.looks[: decided.desk.counts[C_LOOKS]]
    looks = looks[looks[:, L_OUT] >= 0]
    if not len(looks):
        return pl.DataFrame(schema=CANDIDATES_SCHEMA)
    rank = np.empty(len(placed), dtype=np.int64)
    rank[placed] = np.arange(len(placed))
    row = rank[looks[:, L_OUT]]
    order = np.lexsort((looks[:, L_ACTION], row))
    looks, row = looks[order], row[order]
    offers = [each.offer.id if each.offer else None for each in decided.rules.action_list]
    metered = looks[:, L_METER] >= 0
    meters = _book(list(decided.rules.meter_names)).gather(
        np.where(metered, looks[:, L_METER], len(decided.rules.meter_names))
    )
    free = looks[:, L_FREE]
    table = pl.DataFrame(
        {
            "decision_id": decisions["decision_id"].gather(row),
            "set_id": decisions["set_id"].gather(row),
            "programme": decisions["programme"].gather(row),
            "offer_id": _book(offers).gather(looks[:, L_ACTION]),
            "stage": _STAGES.gather(looks[:, L_REASON]),
            "reason": _NAMES.gather(looks[:, L_REASON]),
            "meter": meters,
            "metered": metered,
            "count": looks[:, L_COUNT],
            "limit": looks[:, L_LIMIT],
            "free_at": np.where(np.abs(free) < NEVER_US // 4, free, 0),
            "frees": metered & (np.abs(free) < NEVER_US // 4),
            "counted": metered & _COUNTED[looks[:, L_REASON]],
        }
    ).with_columns(
        pl.when("counted").then(pl.min_horizontal("count", "limit")).alias("count"),
        pl.when("counted").then("limit").alias("limit"),
        pl.when("frees").then("free_at").cast(INSTANT).alias("free_at"),
    )
    return table.select(CANDIDATES_SCHEMA.names()).cast(CANDIDATES_SCHEMA)


__all__ = [
    "CANDIDATES_SCHEMA",
    "DECISIONS_SCHEMA",
    "Decided",
    "candidates_frame",
    "decisions_frame",
    "joined",
    "rows_frame",
    "variants_of",
]
