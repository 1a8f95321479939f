"""Who would have come anyway: offers of replays beside the purchases of the log. Owns no decision.

What is said of purchases comes from the log, in which nobody got these offers: who bought within the
days after one would have bought without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.records import DAY_US, OFFERED, REASON_OF_CODE
from workbench.replay.result import Replay

if TYPE_CHECKING:
    import pandas as pd

RATE_DAYS = 90
"""Days of the past from which a customer's own rate of purchases is taken."""

_OFFERED = REASON_OF_CODE[OFFERED].name


@dataclass(frozen=True, kw_only=True, eq=False)
class CameAnyway(text.Result):
    """Offers by whether their customer would have come anyway.

    Attributes:
        table: A row for each replay with ``sent`` (its label), ``offers``, ``persons_reached``,
            ``contacts_per_customer``, ``committed_cents``, ``days_to_next_purchase`` (the median;
            none when most customers never bought again), ``followed`` (offers of which the log
            still tells ``horizon_days``; the shares are of these), ``share_anyway`` (share of
            offers whose customer bought within ``horizon_days``, in a log without these offers),
            ``share_expected_anyway`` (the same by each customer's own rate before the offer) and
            ``committed_anyway_cents`` (committed cost of the offers to those who came anyway: their
            share of it among the offers followed, of the whole). None where none is followed.
        text: For each replay its reach, its cost, and how much goes to who comes anyway.
        choice: The replay of whose cost the least goes to who comes anyway; empty when none sends.
        advice: What to test first, and why.
        offers: A row for each offer with ``sent``, ``person``, ``ts``, ``committed_cents``,
            ``days_to_next_purchase``, ``purchases_before``, ``followed`` and
            ``share_expected_anyway``.
        horizon_days: Days after an offer in which a purchase counts as "would have come anyway".
    """

    offers: pl.DataFrame
    horizon_days: int
    choice: str
    advice: str


@checked
def came_anyway(replays: Mapping[str, Replay], *, horizon_days: int = 7) -> CameAnyway:
    """Ask of the offers of several replays of one log whose customers would have come anyway.

    A customer's own rate is the purchases of the 90 days up to the offer, or of as many as the
    customer is known for (at least one day), the triggering one included; the chance of a purchase
    in the horizon is 1 - exp(-rate x days), as of a Poisson process. An offer whose horizon goes on
    beyond the last purchase of the log is in no share: nobody knows whether its customer came.

    Args:
        replays: Replays by label, such as programmes by event and a broadcast at the same cost
            (:func:`broadcast_at_cost`); the first with its log.
        horizon_days: Days after an offer in which a purchase counts as "would have come anyway".

    Returns:
        A row for each replay.

    Raises:
        ParameterError: There is no replay, or ``horizon_days`` is not at least 1.
        InputError: The replays are of different logs, the first has no log with it, or the log has
            no purchase.

    >>> from workbench.decision import load_programmes
    >>> from workbench.replay import broadcast_at_cost
    >>> weekly = broadcast_at_cost(replayed, load_programmes("params/programmes/grocery_weekly"))
    >>> came_anyway({"by event": replayed, "by calendar": weekly}).table["sent"].to_list()
    ['by event', 'by calendar']
    """
    if horizon_days < 1:
        raise ParameterError(problem("horizon_days", horizon_days, "must be at least 1"))
    if not replays:
        raise ParameterError("replays was empty; name at least one")
    first = next(iter(replays.values()))
    for sent, each in replays.items():
        if each.log_digest != first.log_digest:
            raise InputError(
                f"{sent} is of another log than the first; replay all over the same one"
            )
    purchases = _purchases(first)
    offers = pl.concat([_offers(sent, each, purchases) for sent, each in replays.items()])
    offers = offers.with_columns(
        share_expected_anyway=1
        - (-pl.col("purchases_before") / pl.col("known_days") * horizon_days).exp(),
        followed=pl.col("ts").to_physical() + horizon_days * DAY_US <= purchases["at_us"].max(),
    ).drop("known_days")
    table = _table(replays, offers, horizon_days)
    return CameAnyway(
        table=table,
        text=_sentence(table, horizon_days),
        headline=_headline(table, horizon_days),
        offers=offers,
        horizon_days=horizon_days,
        choice=_choice(table),
        advice=_advice(table),
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
    rates = pl.from_pandas(replayed.offers[["programme", "offer_id", "redemption_rate"]])
    offers = (
        replayed.decisions()
        .filter(pl.col("reason") == _OFFERED)
        .join(rates.lazy(), on=["programme", "offer_id"], how="left", maintain_order="left")
        .select(
            pl.lit(sent).alias("sent"),
            "person",
            "ts",
            at_us=pl.col("ts").to_physical(),
            committed_cents=pl.col("cost_cents") * pl.col("redemption_rate"),
        )
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
    return offers.select("sent", "person", "ts", "committed_cents").with_columns(
        days_to_next_purchase=(after["next_us"] - at) / DAY_US,
        purchases_before=until["number"].fill_null(0) - since["before"].fill_null(0),
        known_days=known.fill_null(RATE_DAYS).clip(1, RATE_DAYS),
    )


def _table(replays: Mapping[str, Replay], offers: pl.DataFrame, horizon_days: int) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    rows = []
    for sent, replayed in replays.items():
        mine = offers.filter(pl.col("sent") == sent)
        days = mine["days_to_next_purchase"]
        reached, number = replayed.persons_reached, mine.height
        never = days.null_count()
        followed = mine.filter("followed")
        came = followed["days_to_next_purchase"].fill_null(float("inf")) <= horizon_days
        committed_cents = replayed.committed_cost_cents
        rows.append(
            {
                "sent": sent,
                "offers": number,
                "persons_reached": reached,
                "contacts_per_customer": number / reached if reached else None,
                "committed_cents": committed_cents,
                "days_to_next_purchase": days.fill_null(float("inf")).median()
                if number and never < number / 2
                else None,
                "followed": followed.height,
                "share_anyway": came.mean(),
                "share_expected_anyway": followed["share_expected_anyway"].mean(),
                "committed_anyway_cents": _of_the_whole(followed, came, committed_cents)
                if number
                else 0,
            }
        )
    ratios = (
        "contacts_per_customer",
        "days_to_next_purchase",
        "share_anyway",
        "share_expected_anyway",
    )
    kinds = {**dict.fromkeys(ratios, "float64"), "committed_anyway_cents": "Int64"}
    return pd.DataFrame(rows).astype(kinds)


def _of_the_whole(followed: pl.DataFrame, came: pl.Series, committed_cents: int) -> int | None:
    """Return the cost to who came anyway, were the whole like the offers followed; none: unknown."""
    if committed_cents == 0:
        return 0
    cents = followed["committed_cents"]
    whole, part = float(cents.sum()), float(cents.filter(came).sum())
    return round(committed_cents * part / whole) if whole else None


def _sentence(table: pd.DataFrame, horizon_days: int) -> str:
    said = []
    for _, row in table.iterrows():
        if not row["offers"]:
            said.append(f"{row['sent']}: {text.NOT_ENOUGH_DATA}, nothing was sent")
            continue
        begin = (
            f"{row['sent']}: {text.plural(int(row['offers']), 'offer')} to "
            f"{text.plural(int(row['persons_reached']), 'customer')} for "
            f"{text.amount(int(row['committed_cents']))}"
        )
        if not row["followed"]:
            horizon = text.plural(horizon_days, "day")
            said.append(f"{begin}; {text.NOT_ENOUGH_DATA}, the log follows none for {horizon}")
            continue
        cases = "cases"
        if row["followed"] < row["offers"]:
            cases = f"{text.count(int(row['followed']))} cases that the log follows so long"
        said.append(
            f"{begin}; in {text.share(row['share_anyway'])} of the {cases} the "
            f"customer bought within {text.plural(horizon_days, 'day')} without it "
            f"({text.share(row['share_expected_anyway'])} expected by their own rate), which is "
            f"{text.amount(int(row['committed_anyway_cents']))} of the cost"
        )
    return " ".join(text.sentence(each) for each in said)


def _headline(table: pd.DataFrame, horizon_days: int) -> str:
    sent = table[table["followed"] > 0].sort_values("share_anyway", kind="stable")
    if sent.empty:
        return ""
    least, most = sent.iloc[0], sent.iloc[-1]
    if len(sent) == 1:
        return (
            f"{text.share(least['share_anyway'])} of the offers go to who buys within "
            f"{horizon_days} days anyway"
        )
    return (
        f"From {text.share(least['share_anyway'])} ({least['sent']}) to "
        f"{text.share(most['share_anyway'])} ({most['sent']}) of the offers go to who buys within "
        f"{horizon_days} days anyway"
    )


def _well_spent(table: pd.DataFrame) -> pd.Series[float]:
    """Return the share of committed cost that goes to who would not have come, by label, best first."""
    known = table["committed_anyway_cents"].notna()
    by = table[(table["committed_cents"] > 0) & known].set_index("sent")
    share = 1 - by["committed_anyway_cents"].astype("float64") / by["committed_cents"]
    return share.sort_values(ascending=False, kind="stable")


def _choice(table: pd.DataFrame) -> str:
    ranked = _well_spent(table)
    return str(ranked.index[0]) if len(ranked) else ""


def _advice(table: pd.DataFrame) -> str:
    """Say which to test first, by the share of its cost that can bring somebody."""
    ranked = _well_spent(table)
    if ranked.empty:
        return text.sentence(f"{text.NOT_ENOUGH_DATA}: nothing was sent at a cost and followed")
    said = (
        f"{text.share(ranked.iloc[0])} of its cost goes to customers who would not have come anyway"
    )
    others = [f"{text.share(share)} with {label}" for label, share in ranked.iloc[1:].items()]
    against = f", against {text.listing(others)}" if others else ""
    return text.sentence(f"test {ranked.index[0]} first: {said}{against}")
