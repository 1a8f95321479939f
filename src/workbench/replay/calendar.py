"""The calendar beside the event: a broadcast at the same committed cost, and whom each comes to.

Owns the share of a broadcast and the comparison; programmes and replays decide. What is said of
purchases comes from the log, in which nobody got these offers: who bought within the days after an
offer would have bought without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.programme.types import ten_thousandths
from workbench.decision.written import changed
from workbench.errors import InputError, ParameterError, problem
from workbench.records import DAY_US
from workbench.replay.log_replay import replay
from workbench.replay.result import Replay

if TYPE_CHECKING:
    import pandas as pd

RATE_DAYS = 90
"""Days of the past from which a customer's own rate of purchases is taken."""

_WHOLE = 10_000


@dataclass(frozen=True, kw_only=True, eq=False)
class CalendarAgainstEvent(text.Result):
    """Event-triggered programmes beside a broadcast on the same log.

    Attributes:
        table: A row for the event-triggered programmes and one for the calendar, with ``sent``
            (``by event``, ``by calendar``), ``offers``, ``persons_reached``,
            ``contacts_per_customer``, ``committed_cents``, ``days_to_next_purchase`` (the median;
            none when most customers never bought again), ``came_anyway`` (share of offers whose
            customer bought within ``horizon_days``, in a log without these offers) and
            ``expected_anyway`` (the same by each customer's own rate before the offer).
        text: Who reaches more, and whose offers go more often to customers who would have come.
        offers: A row for each offer of both with ``sent``, ``person``, ``ts``,
            ``days_to_next_purchase``, ``purchases_before`` and ``expected_anyway``.
        horizon_days: Days after an offer in which a purchase counts as "would have come anyway".
    """

    offers: pl.DataFrame
    horizon_days: int


@checked
def broadcast_at_cost(
    replayed: Replay, broadcast: Sequence[Programme], *, committed_cents: int | None = None
) -> Replay:
    """Replay a broadcast to so large a share of the customers each time that it costs as much.

    The share is drawn anew for each customer and each time, so that the offers spread over all.

    Args:
        replayed: The event-triggered programmes over their log.
        broadcast: One calendar programme whose experiment has ``unit: decision``.
        committed_cents: What it shall cost; none: what ``replayed`` costs.

    Returns:
        The replay of the broadcast in memory. Its committed cost is the wanted one within a
        ten-thousandth of what the whole broadcast costs and the luck of the draw, or that of the
        whole broadcast when even that costs less.

    Raises:
        ParameterError: ``broadcast`` is not one calendar programme with ``unit: decision`` and
            ``holdout_share``, or it costs nothing.
        InputError: The replay was opened without its log.

    >>> from workbench.decision import load_programmes
    >>> weekly = broadcast_at_cost(replayed, load_programmes("params/programmes/grocery_weekly"))
    >>> bool(abs(weekly.committed_cost_cents / replayed.committed_cost_cents - 1) < 0.1)
    True
    """
    if replayed.log is None:
        raise InputError(
            "the replay was opened without its log; open it with wb.open_replay(folder, log=log)"
        )
    programmes = ProgrammeSet.of(broadcast)
    name = _checked_broadcast(programmes)
    whole = replay(replayed.log, programmes)
    wanted = replayed.committed_cost_cents if committed_cents is None else committed_cents
    if wanted < 0:
        raise ParameterError(problem("committed_cents", wanted, "must be at least 0"))
    costs = whole.committed_cost_cents
    if costs == 0 and wanted:
        raise ParameterError(
            f"{name} costs nothing over this log, so no share of it costs {text.amount(wanted)}; "
            "give its offer a cost and a redemption rate"
        )
    if wanted >= costs:
        return whole
    held = _WHOLE - round(_WHOLE * wanted / costs)
    share = min(held, _WHOLE - 1) / _WHOLE
    return replay(replayed.log, changed(programmes, {f"{name}.experiment.holdout_share": share}))


def _checked_broadcast(programmes: ProgrammeSet) -> str:
    """Return the name of the one calendar programme that can be sent to a part of the customers."""
    first = programmes[0]
    rule = "must be one calendar programme (kind: broadcast)"
    if len(programmes) != 1 or first.kind != "broadcast":
        told = ", ".join(f"{each.name} ({each.kind})" for each in programmes)
        raise ParameterError(problem("broadcast", told, rule))
    experiment = first.experiment
    if experiment.unit != "decision" or experiment.holdout_share is None:
        raise ParameterError(
            f"{first.name}: experiment must have unit: decision and holdout_share, so that each "
            "time another part of the customers gets it"
        )
    if ten_thousandths(experiment.holdout_share):
        rule = "must be 0: the share that gets it is what is looked for"
        raise ParameterError(
            problem(f"{first.name}.experiment.holdout_share", experiment.holdout_share, rule)
        )
    return first.name


@checked
def calendar_against_event(
    by_event: Replay, by_calendar: Replay, *, horizon_days: int = 7
) -> CalendarAgainstEvent:
    """Compare event-triggered programmes with a broadcast: reach, timing, and who comes anyway.

    A customer's own rate is the purchases of the 90 days up to the offer, or of as many as the
    customer is known for (at least one day), the triggering one included; the chance of a purchase
    in the horizon is 1 - exp(-rate x days), as of a Poisson process.

    Args:
        by_event: The replay of the event-triggered programmes, with its log.
        by_calendar: That of the broadcast over the same log.
        horizon_days: Days after an offer in which a purchase counts as "would have come anyway".

    Returns:
        A row for each of the two.

    Raises:
        ParameterError: ``horizon_days`` is not at least 1.
        InputError: The replays are of different logs, the first has no log with it, or the log has
            no purchase.

    >>> from workbench.decision import load_programmes
    >>> weekly = broadcast_at_cost(replayed, load_programmes("params/programmes/grocery_weekly"))
    >>> calendar_against_event(replayed, weekly).table["sent"].to_list()
    ['by event', 'by calendar']
    """
    if horizon_days < 1:
        raise ParameterError(problem("horizon_days", horizon_days, "must be at least 1"))
    if by_event.log_digest != by_calendar.log_digest:
        raise InputError("the replays are of different logs; replay both over the same one")
    purchases = _purchases(by_event)
    both = {"by event": by_event, "by calendar": by_calendar}
    offers = pl.concat([_offers(sent, each, purchases) for sent, each in both.items()])
    offers = offers.with_columns(
        expected_anyway=1
        - (-pl.col("purchases_before") / pl.col("known_days") * horizon_days).exp()
    ).drop("known_days")
    table = _table(both, offers, horizon_days)
    return CalendarAgainstEvent(
        table=table,
        text=_sentence(table, horizon_days),
        headline=_headline(table, horizon_days),
        offers=offers,
        horizon_days=horizon_days,
    )


def _purchases(replayed: Replay) -> pl.DataFrame:
    """Return ``person`` and ``at_us`` of every purchase, in its order, with how many came before."""
    log = replayed.log
    if log is None:
        raise InputError(
            "the replay was opened without its log; open it with wb.open_replay(folder, log=log)"
        )
    types = log.codes("type").to_list()
    if "purchase" not in types:
        raise InputError("the log has no `purchase`, so nobody can have come anyway")
    people = log.codes("person")
    found = pl.concat(
        [
            pl.scan_parquet(part)
            .filter(pl.col("type") == types.index("purchase"))
            .select("person", at_us=pl.col("ts").to_physical())
            for part in log.parts
        ]
    ).collect()
    return found.with_columns(person=people.gather(found["person"].cast(pl.UInt32))).sort("at_us")


def _offers(sent: str, replayed: Replay, purchases: pl.DataFrame) -> pl.DataFrame:
    """Return the offers of a replay with what the log says of the customer around each."""
    offers = (
        replayed.decisions()
        .filter(pl.col("reason") == "offered")
        .select(pl.lit(sent).alias("sent"), "person", "ts", at_us=pl.col("ts").to_physical())
        .sort("at_us")
        .collect()
    )
    numbered = purchases.with_columns(
        number=pl.int_range(1, pl.len() + 1).over("person"),
        first_us=pl.col("at_us").first().over("person"),
    )
    until = offers.join_asof(
        numbered, on="at_us", by="person", strategy="backward", check_sortedness=False
    )
    since = offers.with_columns(at_us=pl.col("at_us") - RATE_DAYS * DAY_US).join_asof(
        numbered.select("person", "at_us", before="number"),
        on="at_us",
        by="person",
        strategy="backward",
        check_sortedness=False,
    )
    after = offers.with_columns(at_us=pl.col("at_us") + 1).join_asof(
        purchases.with_columns(next_us="at_us"),
        on="at_us",
        by="person",
        strategy="forward",
        check_sortedness=False,
    )
    at = offers["at_us"]
    known = (at - until["first_us"]) / DAY_US
    return offers.select("sent", "person", "ts").with_columns(
        days_to_next_purchase=(after["next_us"] - at) / DAY_US,
        purchases_before=until["number"].fill_null(0) - since["before"].fill_null(0),
        known_days=known.fill_null(RATE_DAYS).clip(1, RATE_DAYS),
    )


def _table(both: dict[str, Replay], offers: pl.DataFrame, horizon_days: int) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    rows = []
    for sent, replayed in both.items():
        mine = offers.filter(pl.col("sent") == sent)
        days = mine["days_to_next_purchase"]
        reached, number = replayed.persons_reached, mine.height
        never = days.null_count()
        rows.append(
            {
                "sent": sent,
                "offers": number,
                "persons_reached": reached,
                "contacts_per_customer": number / reached if reached else None,
                "committed_cents": replayed.committed_cost_cents,
                "days_to_next_purchase": days.fill_null(float("inf")).median()
                if number and never < number / 2
                else None,
                "came_anyway": (days.fill_null(float("inf")) <= horizon_days).mean()
                if number
                else None,
                "expected_anyway": mine["expected_anyway"].mean() if number else None,
            }
        )
    ratios = (
        "contacts_per_customer",
        "days_to_next_purchase",
        "came_anyway",
        "expected_anyway",
    )
    return pd.DataFrame(rows).astype(dict.fromkeys(ratios, "float64"))


def _sentence(table: pd.DataFrame, horizon_days: int) -> str:
    if not table["offers"].all():
        without = text.listing(
            [str(row["sent"]) for _, row in table.iterrows() if not row["offers"]]
        )
        return text.sentence(f"{text.NOT_ENOUGH_DATA}: nothing was sent {without}")
    said = [
        f"{row['sent']}, {text.plural(int(row['offers']), 'offer')} go to "
        f"{text.plural(int(row['persons_reached']), 'customer')} for "
        f"{text.amount(int(row['committed_cents']))}, and in {text.share(row['came_anyway'])} of "
        f"the cases the customer would have bought within {text.plural(horizon_days, 'day')} anyway "
        f"({text.share(row['expected_anyway'])} by their own rate)"
        for _, row in table.iterrows()
    ]
    return " ".join(text.sentence(each) for each in said)


def _headline(table: pd.DataFrame, horizon_days: int) -> str:
    if not table["offers"].all():
        return ""
    event, calendar = (text.share(share) for share in table["came_anyway"])
    return (
        f"{event} of the offers by event and {calendar} by calendar come within {horizon_days} days "
        "of a purchase that happens anyway"
    )
