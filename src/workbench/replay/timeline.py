"""One customer's events and decisions in their order: a table and a sentence. Decides nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError
from workbench.records import (
    AWARDED,
    GLOBAL_HOLDOUT,
    HELD_OUT,
    OFFERED,
    QUEUED,
    REASON_OF_CODE,
    REASONS,
)
from workbench.replay.one_person import events_seen, found_person
from workbench.replay.result import Replay

_COLUMNS = ("ts", "what", "programme", "outcome", "reason", "offer_id", "cost_cents")
_OUTCOMES = {
    REASON_OF_CODE[OFFERED].name: "offer",
    REASON_OF_CODE[AWARDED].name: "points",
    REASON_OF_CODE[HELD_OUT].name: "held out",
    REASON_OF_CODE[GLOBAL_HOLDOUT].name: "held out",
    REASON_OF_CODE[QUEUED].name: "waiting",
}
_REFUSED = "refused"
_TEXTS = {reason.name: reason.text for reason in REASONS}


@dataclass(frozen=True, kw_only=True, eq=False)
class Story(text.Result):
    """One customer's way through a log.

    Attributes:
        table: A row for each event and each decision in the order in which they became known:
            ``ts`` (when it was known), ``what`` (the type of the event, or ``decision``), and of a
            decision ``programme``, ``outcome`` (offer, points, held out, waiting, refused),
            ``reason``, ``offer_id`` and ``cost_cents``.
        text: How many events and decisions, what came of them, and the commonest refusal.
        customer: The person.
    """

    customer: str


@checked
def telling_customer(replay: Replay) -> str:
    """Return the customer whose decisions ended in most ways, to tell one story that shows much.

    Of several the one with fewer decisions, then the first by id.

    Args:
        replay: A replay.

    Returns:
        A person id.

    Raises:
        ParameterError: ``replay`` is not a replay.
        InputError: The replay has no decision.

    >>> telling_customer(replayed) in log.codes("person")
    True
    """
    ranked = (
        replay.decisions()
        .group_by("person")
        .agg(ways=pl.struct("programme", "reason").n_unique(), decisions=pl.len())
        .sort("ways", "decisions", "person", descending=[True, False, False])
        .head(1)
        .collect()
    )
    if ranked.is_empty():
        raise InputError(
            "the replay has no decision, so there is no story; see Replay.text for why"
        )
    return str(ranked["person"][0])


@checked
def story(replay: Replay, customer: str) -> Story:
    """Tell what happened to a customer: events and decisions in their order.

    Args:
        replay: A replay with its log.
        customer: A person id, or the id of a customer of the log.

    Returns:
        A row for each event and each decision, and a sentence.

    Raises:
        InputError: The replay has no log, or the customer is not in it.

    >>> customer = replayed.decisions().head(1).collect()["person"].item()
    >>> told = story(replayed, customer)
    >>> "decision" in set(told.table["what"])
    True
    """
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    log, person_id, all_events = found_person(replay, customer)
    types = log.codes("type").to_list()
    events = (
        all_events.filter(events_seen(replay.state.position))
        .select(
            ts="known_at",
            what=pl.col("type").replace_strict(dict(enumerate(types)), return_dtype=pl.String),
            late=pl.lit(0),
        )
        .with_row_index("place")
    )
    decisions = (
        replay.decisions()
        .filter(pl.col("person") == person_id)
        .select(
            pl.col("known_at").alias("ts"),
            pl.lit("decision").alias("what"),
            pl.lit(1).alias("late"),
            pl.col("programme").cast(pl.String),
            pl.col("reason").replace_strict(_OUTCOMES, default=_REFUSED).alias("outcome"),
            pl.col("reason").cast(pl.String),
            pl.col("offer_id").cast(pl.String),
            "cost_cents",
        )
        .collect()
        .with_row_index("place")
    )
    told = pl.concat([events, decisions], how="diagonal").sort("ts", "late", "place")
    table = told.select(_COLUMNS).to_pandas()
    zone = log.zone
    return Story(
        table=table.astype({"cost_cents": "Int64", "ts": pd.DatetimeTZDtype("us", "UTC")}),
        text=_text(told, person_id, zone),
        headline=_headline(told, person_id),
        customer=person_id,
    )


def _text(told: pl.DataFrame, person_id: str, zone: str) -> str:
    events = told.filter(pl.col("what") != "decision")
    made = told.filter(pl.col("what") == "decision")
    if told.is_empty():
        return text.sentence(f"{text.NOT_ENOUGH_DATA}: nothing of {person_id} is known by then")
    first, last = told["ts"].min(), told["ts"].max()
    when = text.span(text.day(first, zone), text.day(last, zone))  # type: ignore[arg-type]  # a column of instants
    begin = f"customer {person_id}, {when}: {text.plural(events.height, 'event')}"
    if made.is_empty():
        return text.sentence(f"{begin}, of which none triggered a programme")
    counted = Counter(made["outcome"].to_list())
    nouns = {"points": "award", "held out": "ghost", "waiting": "wait", "refused": "refusal"}
    parts = [text.plural(number, nouns.get(name, name)) for name, number in counted.most_common()]
    said = f"{begin} triggered {text.plural(made.height, 'decision')}: {text.listing(parts)}"
    refused = Counter(made.filter(pl.col("outcome") == _REFUSED)["reason"].to_list())
    if not refused:
        return text.sentence(said)
    reason, number = min(refused.items(), key=lambda each: (-each[1], each[0]))
    why = f"the commonest refusal ({text.count(number)}): {_TEXTS[reason]}"
    return f"{text.sentence(said)} {text.sentence(why)}"


def _headline(told: pl.DataFrame, person_id: str) -> str:
    offers = told.filter(pl.col("outcome") == "offer").height
    made = told.filter(pl.col("what") == "decision").height
    return f"Customer {person_id}: {text.plural(offers, 'offer')} out of {text.plural(made, 'decision')}"


__all__ = ["Story", "story", "telling_customer"]
