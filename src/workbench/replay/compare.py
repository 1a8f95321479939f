"""What one programme set changes against another on the same log, as a result. Decides nothing.

A counterfactual decision has no logged response: money is committed cost at the stated redemption
rates, and responses to decisions that were not made are counted, not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError
from workbench.frames import Frame, groups_of
from workbench.replay.gains import Gains, gains_by
from workbench.replay.pairs import KINDS, SAME, Pairs, paired
from workbench.replay.reach import all_there, offers_by_person
from workbench.replay.result import Replay

if TYPE_CHECKING:
    import pandas as pd

TOTAL = "all programmes"
"""The name of the last row of the table."""

_FIGURES = ("triggers", "delivered", "persons_reached", "contacts_per_customer")
_MONEY = ("committed_cents", "promised_cents")
_OTHERS = ("ghosts", "responses_not_admitted")
_SIDES = ("first", "second")
_DIGEST = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Diff(text.Result):
    """What the second of two replays of one log changes against the first.

    Attributes:
        table: A row for each programme and the total, with the number of decisions that differ
            (``differing``) and, for a, for b and as a change from a to b (``triggers_a``,
            ``triggers_b``, ``triggers_change``, ``committed_a_cents`` …): triggers, offers
            delivered, customers reached by one, offers per customer reached, committed cost,
            promised cost (the full cost of what was delivered), ghosts, and responses of the log to
            decisions that were not made there (counted for the total only). What a replay without
            the programme would say of it is missing, and counts as 0 in a change.
        text: What changes in offers, reach and money, and how many decisions differ.
        decisions: Decisions by ``kind`` (same, changed, only in a, only in b); of those that differ
            how many are the ``first_of_customer`` and how many come ``after_an_earlier_change``.
        by_reason: Decisions by reason in a (a row each, column ``reason``) and in b (a column each).
        by_stage: The same by stage of the funnel.
        changes: The decisions that differ, as :meth:`winners` gives them.
        a: The first replay.
        b: The second replay.
    """

    decisions: pd.DataFrame
    by_reason: pd.DataFrame
    by_stage: pd.DataFrame
    changes: pl.DataFrame
    a: Replay
    b: Replay

    def winners(self) -> pl.LazyFrame:
        """Return the decisions that differ: in reason, offer, channel, message, points or instant.

        Returns:
            ``decision_id``, ``person``, ``programme``, ``ts``, ``reason_a``, ``reason_b`` (none
            where the replay has no such decision), ``offer_a``, ``offer_b`` and
            ``after_an_earlier_change``. It is false for the first of a customer, with the others of
            its decision set: nothing of that customer differed before, so the programmes or a
            budget made the change. Where it is true, the state may have made it.
        """
        return self.changes.lazy()

    def by(self, customers: Frame, column: str) -> Gains:
        """Count who gains and who loses offers, by a group of customers.

        Args:
            customers: One row a customer, with ``person_id`` and the group; all customers.
            column: The group, such as a segment or the lifecycle stage.

        Returns:
            Customers, offers, committed cost, and who gets more and who gets fewer, by group.

        Raises:
            ParameterError: ``customers`` is no frame, or has not the named column.
            InputError: There is no customer, one has two rows, or an offer reached one without a
                row.

        >>> people = pl.DataFrame({"person_id": log.codes("person"), "segment": "all"})
        >>> int(diff(replayed, replayed).by(people, "segment").table["gain"].sum())
        0
        """
        return gains_by(self.a, self.b, customers, column)


@checked
def diff(a: Replay, b: Replay, *, customers: Frame | None = None) -> Diff:
    """Compare two replays of one log: what the programmes of the second change.

    Args:
        a: The replay to compare with.
        b: The replay of the other programmes.
        customers: One row a customer, with ``person_id``: all customers, for the sentence to say
            which share of them is reached. Without it the sentence counts them.

    Returns:
        Volumes, reach and cost of both, and the decisions that differ.

    Raises:
        ParameterError: An argument is not a replay.
        InputError: The replays are of different logs or of different stretches of one, or an offer
            reached a customer without a row.

    >>> diff(replayed, replayed).lead
    'Nothing changes: both replays made the same 2,419 decisions.'
    """
    _same_log(a, b)
    pairs = paired(a, b)
    table = _table(a, b, pairs)
    decisions = pairs.by_kind().to_pandas()
    everybody = None
    if customers is not None:
        people = groups_of(customers, "person_id")
        for replayed in (a, b):
            all_there(people, offers_by_person(replayed))
        everybody = people.height
    return Diff(
        table=table,
        text=_text(a, b, table, decisions, everybody),
        headline=_headline(table),
        decisions=decisions,
        by_reason=pairs.matrix("reason").to_pandas(),
        by_stage=pairs.matrix("stage").to_pandas(),
        changes=pairs.changes,
        a=a,
        b=b,
    )


def _same_log(a: Replay, b: Replay) -> None:
    """Refuse replays that did not see the same events."""
    if a.log_digest != b.log_digest:
        raise InputError(
            f"the replays are of different logs (digests {a.log_digest[:_DIGEST]} and "
            f"{b.log_digest[:_DIGEST]}), must be of the same one; replay both programme sets over "
            "one log"
        )
    if a.events != b.events:
        raise InputError(
            f"the replays saw {text.plural(a.events, 'event')} and {text.plural(b.events, 'event')} "
            "of their log, must have seen the same; replay both from the same state to the same "
            "instant"
        )


def _table(a: Replay, b: Replay, pairs: Pairs) -> pd.DataFrame:
    """Return the figures of both, programme by programme and in all."""
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    sides = [_figures(each, persons) for each, persons in zip((a, b), pairs.persons, strict=True)]
    differing = pairs.by_programme()
    differing[TOTAL] = sum(differing.values())
    rows = []
    for name in dict.fromkeys([*list(sides[0])[:-1], *sides[1]]):
        row: dict[str, Any] = {"programme": name, "differing": differing.get(name, 0)}
        for figure in (*_FIGURES, *_MONEY, *_OTHERS):
            one, other = (side.get(name, {}).get(figure) for side in sides)
            row[_named(figure, "a")], row[_named(figure, "b")] = one, other
            unknown = figure in {"contacts_per_customer", "responses_not_admitted"}
            missing = one is None or other is None
            row[_named(figure, "change")] = (
                None if unknown and missing else (other or 0) - (one or 0)
            )
        rows.append(row)
    table = pd.DataFrame(rows)
    ratios = [each for each in table.columns if each.startswith("contacts_per_customer")]
    whole = [each for each in table.columns if each != "programme" and each not in ratios]
    return table.astype({**dict.fromkeys(whole, "Int64"), **dict.fromkeys(ratios, "Float64")})


def _figures(replayed: Replay, persons: int) -> dict[str, dict[str, float | None]]:
    """Return the figures of a replay for each programme, and for all of them last."""
    promised = replayed.offers.groupby("programme")["cost_cents"].sum()
    found: dict[str, dict[str, float | None]] = {}
    for row in replayed.programmes.to_dict("records"):
        reached = int(row["persons"]) if row["programme"] in promised.index else 0
        found[row["programme"]] = {
            "triggers": int(row["triggers"]),
            "delivered": int(row["delivered"]),
            "persons_reached": reached,
            "contacts_per_customer": _each(row["delivered"], reached),
            "committed_cents": int(row["committed_cost_cents"]),
            "promised_cents": int(promised.get(row["programme"], 0)),
            "ghosts": int(row["ghosts"]),
            "responses_not_admitted": None,
        }
    summed = ("triggers", "delivered", "committed_cents", "promised_cents", "ghosts")
    total: dict[str, float | None] = {
        name: sum(each[name] or 0 for each in found.values()) for name in summed
    }
    total["persons_reached"] = persons
    total["contacts_per_customer"] = _each(total["delivered"] or 0, persons)
    total["responses_not_admitted"] = replayed.responses_not_admitted
    return {**found, TOTAL: total}


def _each(contacts: float, persons: int) -> float | None:
    return contacts / persons if persons else None


def _named(figure: str, side: str) -> str:
    """Return the name of a column, its unit last.

    >>> _named("committed_cents", "a"), _named("ghosts", "change")
    ('committed_a_cents', 'ghosts_change')
    """
    bare = figure.removesuffix("_cents")
    return f"{bare}_{side}{figure[len(bare) :]}"


def _text(
    a: Replay, b: Replay, table: pd.DataFrame, decisions: pd.DataFrame, everybody: int | None
) -> str:
    """Say what changes in offers, reach and money, how many decisions differ, and what is idle."""
    total = table.iloc[-1]
    counts = dict(zip(decisions["kind"], decisions["decisions"], strict=True))
    made = sum(counts.values())
    idle = [
        said
        for side, replayed in zip(_SIDES, (a, b), strict=True)
        for said in _idle(replayed, side)
    ]
    if not made:
        said = f"{text.NOT_ENOUGH_DATA}: neither replay triggered a decision"
        return " ".join([text.sentence(said), *idle])
    differing = made - counts[SAME]
    money = any(total[_named(figure, "change")] for figure in _MONEY)
    if not differing and not money:
        said = f"nothing changes: both replays made the same {text.plural(made, 'decision')}"
        return " ".join([text.sentence(said), *idle])
    first = (
        f"the second programmes would send {_against(total, 'delivered', 'offer')} to "
        f"{_against(total, 'persons_reached', 'customer')}"
    )
    if everybody is not None:
        now, before = (
            text.share(total[_named("persons_reached", side)] / everybody) for side in "ba"
        )
        said = f"{now} of {text.plural(everybody, 'customer')}"
        first += f" ({_instead(said, now, before)})"
    first += (
        f", at a committed cost of {_against(total, 'committed_cents')} (full cost of what is "
        f"promised: {_against(total, 'promised_cents')})"
    )
    sentences = [text.sentence(first), text.sentence(_differing(decisions, made))]
    not_admitted = [int(each.responses_not_admitted) for each in (a, b)]
    if any(not_admitted):
        sentences.append(
            text.sentence(
                "responses in the log to decisions that were not made there are counted and not "
                f"used: {text.count(not_admitted[0])} in the first replay and "
                f"{text.count(not_admitted[1])} in the second"
            )
        )
    return " ".join([*sentences, *idle])


def _against(total: pd.Series[Any], figure: str, noun: str = "") -> str:
    """Say a figure of b, and that of a where it reads otherwise."""
    say = text.amount if figure in _MONEY else text.count
    before, now = (total[_named(figure, side)] for side in "ab")
    said = text.plural(now, noun) if noun else say(now)
    return _instead(said, say(now), say(before))


def _instead(said: str, now: str, before: str) -> str:
    """Return what is said of now, and what was before where it reads otherwise.

    >>> _instead("3 offers", "3", "2"), _instead("3 offers", "3", "3")
    ('3 offers instead of 2', '3 offers')
    """
    return said if now == before else f"{said} instead of {before}"


def _differing(decisions: pd.DataFrame, made: int) -> str:
    """Say how many decisions differ, how, and whether an earlier one of the customer does."""
    differ = decisions[decisions["kind"] != SAME]
    counts = dict(zip(differ["kind"], differ["decisions"], strict=True))
    total = int(differ["decisions"].sum())
    if not total:
        return f"all {text.plural(made, 'decision')} are the same; only their cost differs"
    kinds = text.listing(
        [
            f"{text.count(counts[kind])} {words}"
            for kind, words in zip(
                KINDS[1:],
                ("end otherwise", "are made in the first only", "are made in the second only"),
                strict=True,
            )
            if counts[kind]
        ]
    )
    first, after = (
        int(differ[name].sum()) for name in ("first_of_customer", "after_an_earlier_change")
    )
    return (
        f"{text.count(total)} of {text.plural(made, 'decision')} differ ({kinds}): "
        f"{text.count(first)} where nothing of the customer differed before, and "
        f"{text.count(after)} after an earlier difference of the same customer"
    )


def _idle(replayed: Replay, side: str) -> Sequence[str]:
    """Say which programmes of a replay trigger nothing, and why."""
    said = []
    for row in replayed.programmes.to_dict("records"):
        if row["triggers"]:
            continue
        reason = row["missing"] or (
            f"none of {text.plural(row['considered'], 'event')} of its trigger met its condition"
        )
        if unknown := row["trigger_unknown"]:
            reason += f", and for {text.count(unknown)} a value was not known"
        said.append(
            text.sentence(
                f"programme {row['programme']} of the {side} replay triggers nothing: {reason}"
            )
        )
    return said


def _headline(table: pd.DataFrame) -> str:
    """Say the change of offers and money, as the title of a figure."""
    total = table.iloc[-1]
    offers, cents = (
        int(total[_named(figure, "change")]) for figure in ("delivered", "committed_cents")
    )
    if not total["differing"] and not cents:
        return "Nothing changes"
    said = (
        f"{text.count(abs(offers))} {'more' if offers > 0 else 'fewer'} offers"
        if offers
        else "As many offers"
    )
    money = (
        f"{text.amount(abs(cents))} {'more' if cents > 0 else 'less'} committed cost"
        if cents
        else "the same committed cost"
    )
    return f"{said}, {money}"
