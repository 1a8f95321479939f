"""The tiny domain of the laws: few instants, few customers, amounts and windows at their edges.

Ties and boundaries happen here by construction, because random data hardly ever meets them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import strategies as st

from workbench.buckets import bucket_10000
from workbench.decision import Programme
from workbench.records import DAY_US, Event

ZONE = "America/New_York"
START_US = 1_709_960_400_000_000  # 2024-03-09 00:00 in New York: the clocks change on the next day
INSTANTS_US = tuple(
    START_US + int(days * DAY_US) for days in (0, 0.5, 1, 2, 2.5, 3, 60, 89.5, 90, 91)
)
PERSONS = ("ann", "bob", "cleo", "dän")
SALT = "tiny"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = MappingProxyType[str, Any]
Answer = Callable[[dict[str, Any]], bool | None]


def at_least(name: str, least: int) -> Answer:
    return lambda values: None if values[name] is None else values[name] >= least


WHEN: dict[str | None, Answer] = {
    None: lambda values: True,
    "purchase_number >= 2": at_least("purchase_number", 2),
    "days_since_purchase >= 60": at_least("days_since_purchase", 60),
    "first_purchase_days_ago >= 1": at_least("first_purchase_days_ago", 1),
    "purchases_90d >= 1": at_least("purchases_90d", 1),
    "spend_90d_cents >= 1000": at_least("spend_90d_cents", 1000),
}
AUDIENCE: dict[str | None, Answer] = {
    None: lambda values: True,
    "amount_cents >= 500": at_least("amount_cents", 500),
}
SUPPRESS: dict[tuple[str, ...], Answer] = {
    (): lambda values: False,
    ("discount_cents >= 100",): at_least("discount_cents", 100),
}
EDGES = sorted(
    {bucket_10000(SALT, person) + more for person in PERSONS for more in (0, 1)} | {0, 5000}
)


@dataclass(frozen=True)
class Case:
    """A log as rows in (known_at, seq) order, and programmes."""

    events: tuple[Event, ...]
    programmes: tuple[Programme, ...]

    def upto(self, count: int) -> Case:
        return Case(self.events[:count], self.programmes)


def programme(
    name: str = "p",
    *,
    event: str = "purchase",
    when: str | None = None,
    audience: str | None = None,
    suppress: tuple[str, ...] = (),
    cap: tuple[int, int] | None = None,
    cooldown_days: int | None = None,
    holdout_share: float = 0,
    salt: str = SALT,
) -> Programme:
    count, window_days = cap or (0, 0)
    return Programme.from_mapping(
        {
            "name": name,
            "stage": "engagement",
            "kind": "targeting",
            "trigger": {"event": event, "when": when},
            "audience": audience,
            "suppress": suppress,
            "offers": [
                {
                    "id": f"offer of {name}",
                    "value_cents": 300,
                    "cost_cents": 120,
                    "redemption_rate": 0.25,
                    "channel": "app",
                }
            ],
            "limits": {
                "cap": cap
                and {
                    "count": count,
                    "window": "rolling",
                    "window_days": window_days,
                    "counts": "decided",
                },
                "cooldown_days": cooldown_days,
            },
            "experiment": {"unit": "customer", "holdout_share": holdout_share, "salt": salt},
        },
        source=name,
    )


SPANS = [(0, 1, 2, 3, 4, 5), (0, 2, 3, 5), (0, 2, 6, 7, 8, 9), tuple(range(len(INSTANTS_US)))]


@st.composite
def events(draw: st.DrawFn) -> tuple[Event, ...]:
    """Events of few persons at few instants; which ones differs from case to case."""
    instants = draw(st.sampled_from(SPANS))
    persons = draw(st.sampled_from([PERSONS[:1], PERSONS[1:3], PERSONS]))
    lateness = draw(
        st.sampled_from([(0,), (0,), (0, 1, 3), (0, 7, 8)])
    )  # how many instants later it is known
    kinds = draw(st.sampled_from([("purchase",), ("purchase", "purchase", "app_open")]))
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(instants),
                st.sampled_from(lateness),
                st.sampled_from(persons),
                st.sampled_from(kinds),
                st.sampled_from([500, 501, 499, None]),
                st.sampled_from([0, 99, 100, None]),
            ),
            max_size=9,
        )
    )
    made = []
    for number, (instant, late, person, kind, amount, discount) in enumerate(rows):
        known = min(instant + late, len(INSTANTS_US) - 1)
        made.append(
            Event(
                event_id=f"e{number}",
                seq=number,
                ts_us=INSTANTS_US[instant],
                known_at_us=INSTANTS_US[known],
                person_id=person,
                type=kind,
                amount_cents=amount if kind == "purchase" else None,
                discount_cents=discount,
            )
        )
    return tuple(sorted(made, key=lambda event: (event.known_at_us, event.seq)))


LIMITS = [
    {},
    {"cap": (1, 1)},
    {"cap": (2, 2)},
    {"cap": (1, 90)},
    {"cooldown_days": 1},
    {"cap": (2, 90), "cooldown_days": 1},
]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    programmes = []
    for name in draw(st.sampled_from([("p",), ("p",), ("q", "p")])):
        limited_only = draw(st.booleans())
        conditions = (
            {}
            if limited_only
            else {
                "event": draw(st.sampled_from(["purchase", "purchase", "app_open"])),
                "when": draw(st.sampled_from(list(WHEN))),
                "audience": draw(st.sampled_from(list(AUDIENCE))),
                "suppress": draw(st.sampled_from(list(SUPPRESS))),
            }
        )
        share = draw(st.sampled_from(EDGES)) / 10_000
        limits = draw(st.sampled_from(LIMITS))
        programmes.append(programme(name, holdout_share=share, **conditions, **limits))
    return Case(draw(events()), tuple(programmes))


def cases_of(**keys: Any) -> st.SearchStrategy[Case]:
    """Cases of one programme: the part of the domain in which one rule is at work."""
    return st.builds(Case, events(), st.just((programme(**keys),)))


class TinyLog:
    """A stored log of a case in the layout of the contract, written without checks."""

    def __init__(self, folder: Path, rows: tuple[Event, ...], *, parts: int = 2) -> None:
        self.digest = "tiny"
        self.zone = ZONE
        books = {
            name: list(dict.fromkeys(getattr(row, name) for row in rows))
            for name in ("person_id", "type")
        }
        self._books = {"person": books["person_id"], "type": books["type"]}
        self.counts = {kind: sum(row.type == kind for row in rows) for kind in books["type"]}
        self.persons = len(books["person_id"])
        self.parts = [folder / f"part-{number}.parquet" for number in range(parts)]
        instant = pl.Datetime("us", "UTC")
        for number, path in enumerate(self.parts):
            mine = [
                row for row in rows if books["person_id"].index(row.person_id) % parts == number
            ]
            pl.DataFrame(
                {
                    "event_id": [row.event_id for row in mine],
                    "seq": [row.seq for row in mine],
                    "ts": [row.ts_us for row in mine],
                    "known_at": [row.known_at_us for row in mine],
                    "person": [books["person_id"].index(row.person_id) for row in mine],
                    "type": [books["type"].index(row.type) for row in mine],
                    "amount_cents": [row.amount_cents for row in mine],
                    "discount_cents": [row.discount_cents for row in mine],
                },
                schema={
                    "event_id": pl.String,
                    "seq": pl.Int64,
                    "ts": pl.Int64,
                    "known_at": pl.Int64,
                    "person": pl.Int32,
                    "type": pl.Int16,
                    "amount_cents": pl.Int64,
                    "discount_cents": pl.Int64,
                },
            ).with_columns(pl.col("ts", "known_at").cast(instant)).write_parquet(path)

    def codes(self, column: str) -> pl.Series:
        return pl.Series(column, self._books.get(column, []), dtype=pl.String)


@contextmanager
def tiny_log(rows: tuple[Event, ...], *, parts: int = 2) -> Iterator[TinyLog]:
    with tempfile.TemporaryDirectory() as name:
        yield TinyLog(Path(name), rows, parts=parts)


def local_day(instant_us: int) -> int:
    local = (EPOCH + timedelta(microseconds=instant_us)).astimezone(ZoneInfo(ZONE))
    return local.date().toordinal()


def features_in_words(event: Event, before: list[Event]) -> dict[str, int | None]:
    """Return the features of an event as their descriptions say, from all that was known before."""
    purchases = [
        row for row in before if row.type == "purchase" and row.person_id == event.person_id
    ]
    today = local_day(event.known_at_us)
    days = [local_day(row.ts_us) for row in purchases]
    recent = [row for row in purchases if local_day(row.ts_us) > today - 90]
    return {
        "purchase_number": len(purchases) + (event.type == "purchase"),
        "days_since_purchase": today - max(days) if days else None,
        "first_purchase_days_ago": today - min(days) if days else None,
        "purchases_90d": len(recent),
        "spend_90d_cents": sum(row.amount_cents or 0 for row in recent),
    }


def decided_in_words(case: Case) -> list[tuple[str, str, str]]:
    """Return (event, programme, reason) as the rules say, by looking through all that was before.

    It shares no code with the core: this is what the core is held against.
    """
    decided: list[tuple[str, str, str]] = []
    taken: list[tuple[str, str, int]] = []
    for place, event in enumerate(case.events):
        values: dict[str, Any] = {
            "amount_cents": event.amount_cents,
            "discount_cents": event.discount_cents,
            **features_in_words(event, list(case.events[:place])),
        }
        for each in case.programmes:
            if event.type != each.trigger.event or WHEN[each.trigger.when](values) is not True:
                continue
            reason = reason_in_words(each, event, values, taken)
            decided.append((event.event_id, each.name, reason))
            if reason in ("offered", "held_out"):
                taken.append((each.name, event.person_id, event.ts_us))
    return decided


def reason_in_words(
    each: Programme, event: Event, values: dict[str, Any], taken: list[tuple[str, str, int]]
) -> str:
    gates = (
        (AUDIENCE[each.audience](values), {None: "audience_unknown", False: "not_in_audience"}),
        (SUPPRESS[each.suppress](values), {None: "suppression_unknown", True: "suppressed"}),
    )
    for answer, refusals in gates:
        if answer in refusals:
            return refusals[answer]
    ago_us = [
        event.ts_us - ts_us
        for name, person, ts_us in taken
        if (name, person) == (each.name, event.person_id)
    ]
    cap, cooldown_days = each.limits.cap, each.limits.cooldown_days
    if cap and sum(ago < cap.window_days * DAY_US for ago in ago_us) >= cap.count:
        return "cap_reached"
    if cooldown_days and any(ago < cooldown_days * DAY_US for ago in ago_us):
        return "cooldown"
    control = bucket_10000(SALT, event.person_id) < round(each.experiment.holdout_share * 10_000)
    return "held_out" if control else "offered"
