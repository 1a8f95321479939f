"""What a replay gives: decisions, the funnel that adds up, a sentence. Owns no decision.

Committed cost is the cost of what was delivered at the stated redemption rate, because a
counterfactual offer has no logged response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench import text
from workbench.decision.house import ProgrammeSet
from workbench.decision.state import CoreState
from workbench.errors import InputError, ParameterError, problem
from workbench.records import (
    AWARDED,
    GLOBAL_HOLDOUT,
    HELD_OUT,
    OFFERED,
    QUEUED,
    REASON_OF_CODE,
    REASONS,
)
from workbench.replay.decided import CANDIDATES_SCHEMA
from workbench.replay.decision_log import Stored
from workbench.replay.job import LogLike
from workbench.replay.part import DECISIONS_SCHEMA

if TYPE_CHECKING:
    import pandas as pd

_DELIVERED = REASON_OF_CODE[OFFERED].name
_AWARDED = REASON_OF_CODE[AWARDED].name
_QUEUED = REASON_OF_CODE[QUEUED].name
_GHOSTS = (REASON_OF_CODE[HELD_OUT].name, REASON_OF_CODE[GLOBAL_HOLDOUT].name)
_SAID = {
    "not_in_audience": "not in the audience",
    "audience_unknown": "with an audience that is not known",
    "suppressed": "suppressed",
    "suppression_unknown": "suppressed because a value is not known",
    "cap_reached": "over the cap",
    "cooldown": "in the cooldown",
    "held_out": "held out for comparison",
    "global_holdout": "held out of everything for comparison",
    "other_layer": "in another experiment of the layer",
    "outside_coverage": "outside the experiment",
    "not_applicable": "with no offer that applies",
    "applicability_unknown": "with an offer whose condition is not known",
    "no_consent": "without consent",
    "consent_unknown": "with a consent that is not known",
    "once": "decided once already",
    "concurrency": "with as many open offers as may be",
    "rejections": "on hold after rejections",
    "waiting": "waiting already",
    "no_zone": "without a time zone",
    "quiet_hours": "in the quiet hours",
    "quiet_expired": "too long in the quiet hours",
    "budget_closed": "after the budget closed",
    "inventory_gone": "after the last piece was gone",
    "not_worth_it": "not worth their cost",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay(text.Result):
    """A replay's decisions and figures.

    Attributes:
        table: The funnel: a row for each programme and reason with stage, decisions, persons and
            share of the triggers. The decisions of a programme add up to its triggers.
        text: How many decisions, for whom, at what committed cost, refused for which reasons.
        programmes: A row for each programme: events considered, triggers, decisions, persons,
            committed cost, and what the log lacks for it.
        offers: A row for each offer: programme, stated redemption rate, full cost of what was
            delivered, committed cost.
        budgets: A row for each budget and period: what was reserved, and where it closed.
        events: Events of the log that were in reach.
        persons_reached: Persons to whom at least one offer was delivered.
        committed_cost_cents: Cost of what was delivered at the stated redemption rates.
        state: The state behind the last event, to go on from.
        digest: Identity of the stored decision log; empty when it was kept in memory.
        paths: Its Parquet parts.
        frames: The decisions of each part when they were kept in memory.
        candidate_paths: The Parquet parts of the candidate table, when it was asked for.
        candidate_frames: The same when they were kept in memory.
        with_candidates: Whether the candidate table was asked for; it may be empty.
        responses_not_admitted: Responses of the log to decisions that were not made here.
        log_digest: Identity of the log that was replayed.
        rules: The programmes with their house, as they were replayed.
        log: The log itself; none when a stored decision log was opened without it.
    """

    programmes: pd.DataFrame
    offers: pd.DataFrame
    budgets: pd.DataFrame
    events: int
    persons_reached: int
    committed_cost_cents: int
    state: CoreState
    digest: str
    paths: tuple[Path, ...]
    frames: tuple[pl.DataFrame, ...]
    log_digest: str
    rules: ProgrammeSet
    log: LogLike | None
    candidate_paths: tuple[Path, ...] = ()
    candidate_frames: tuple[pl.DataFrame, ...] = ()
    with_candidates: bool = False
    responses_not_admitted: int = 0

    @property
    def funnel(self) -> pd.DataFrame:
        """The table: stage and reason by number of decisions."""
        return self.table

    @property
    def by_reason(self) -> pd.DataFrame:
        """The funnel across: a row for each reason that occurred and the total, a column a programme."""
        import pandas as pd  # noqa: PLC0415 - pandas is at the door only

        wide = self.table.pivot_table(
            index=["stage", "reason"],
            columns="programme",
            values="decisions",
            aggfunc="sum",
            sort=False,
        )
        wide.columns = pd.Index([str(name) for name in wide.columns])
        wide["all programmes"] = wide.sum(axis="columns")
        wide = wide.loc[wide["all programmes"] > 0].reset_index()
        total = {"stage": "", "reason": "all triggers", **wide.iloc[:, 2:].sum().to_dict()}
        return pd.concat([wide, pd.DataFrame([total])], ignore_index=True)

    def decisions(self) -> pl.LazyFrame:
        """Return the decision log, part after part, each in the order of deciding."""
        if self.paths:
            return pl.scan_parquet(list(self.paths), schema=DECISIONS_SCHEMA)
        return pl.concat([pl.DataFrame(schema=DECISIONS_SCHEMA), *self.frames]).lazy()

    def candidates(self) -> pl.LazyFrame:
        """Return the candidate table: every offer considered and the stage that removed it.

        Raises:
            InputError: The replay was made without it.
        """
        if self.candidate_paths:
            return pl.scan_parquet(list(self.candidate_paths))
        if self.candidate_frames:
            return pl.concat(self.candidate_frames).lazy()
        if self.with_candidates:
            return pl.LazyFrame(schema=CANDIDATES_SCHEMA)
        raise InputError("this replay has no candidate table; replay with candidates=True")

    def funnel_by(self, persons: pd.DataFrame | pl.DataFrame, column: str) -> pd.DataFrame:
        """Return the funnel by a group of persons, such as their segment.

        Args:
            persons: One row a person, with ``person_id``.
            column: The group. Persons without a row are in the group "not known".

        Returns:
            A row for each group, programme and reason with ``decisions`` and ``persons``.

        Raises:
            ParameterError: A column is missing.
            InputError: A person has two rows.
        """
        groups = persons if isinstance(persons, pl.DataFrame) else pl.from_pandas(persons)
        for name in ("person_id", column):
            if name not in groups.columns:
                raise ParameterError(
                    problem("column", name, f"must be one of {', '.join(groups.columns)}")
                )
        if groups["person_id"].is_duplicated().any():
            raise InputError("persons must have one row each; some person_id occurs twice")
        groups = groups.select(
            person=pl.col("person_id").cast(pl.String), group=pl.col(column).cast(pl.String)
        )
        stages = pl.DataFrame(
            {"reason": [r.name for r in REASONS], "stage": [r.stage for r in REASONS]}
        ).with_row_index("order")
        return (
            self.decisions()
            .join(groups.lazy(), on="person", how="left")
            .with_columns(pl.col("group").fill_null("not known"))
            .group_by("group", "programme", "reason")
            .agg(
                pl.len().cast(pl.Int64).alias("decisions"),
                pl.col("person").n_unique().alias("persons"),
            )
            .join(stages.lazy(), on="reason")
            .sort("group", "programme", "order")
            .select(
                pl.col("group").alias(column),
                "programme",
                "stage",
                "reason",
                "decisions",
                "persons",
            )
            .collect()
            .to_pandas()
        )


def replay_result(
    summary: Mapping[str, Any],
    state: CoreState,
    stored: Stored,
    *,
    digest: str,
    rules: ProgrammeSet,
    log: LogLike | None,
) -> Replay:
    """Make the result of a replay from its summary, fresh or read from a manifest."""
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    rows, programmes, offers = [], [], []
    for each in summary["programmes"]:
        triggers = each["triggers"]
        rows += [
            {
                "programme": each["programme"],
                **{name: row[name] for name in ("stage", "reason", "decisions", "persons")},
                "share": row["decisions"] / triggers if triggers else None,
            }
            for row in each["reasons"]
        ]
        priced = [
            {
                "programme": each["programme"],
                "offer_id": offer["offer_id"],
                "redemption_rate": offer["redemption_rate"],
                "cost_cents": offer["cost_cents"],
                "committed_cost_cents": _committed(offer, "cost_cents"),
            }
            for offer in each["offers"]
        ]
        offers += priced
        by_reason = {row["reason"]: row for row in each["reasons"]}
        programmes.append(
            {
                "programme": each["programme"],
                "trigger": each["trigger"],
                "considered": each["considered"],
                "trigger_unknown": each["trigger_unknown"],
                "triggers": triggers,
                "delivered": by_reason[_DELIVERED]["decisions"],
                "awarded": by_reason[_AWARDED]["decisions"],
                "persons": by_reason[_AWARDED if not priced else _DELIVERED]["persons"],
                "ghosts": sum(by_reason[name]["decisions"] for name in _GHOSTS),
                "committed_cost_cents": sum(row["committed_cost_cents"] for row in priced),
                "ghost_cost_cents": sum(
                    _committed(offer, "would_cost_cents") for offer in each["offers"]
                ),
                "missing": "; ".join(each["idle"]),
            }
        )
    table = pd.DataFrame(rows).astype({"share": "float64"})
    by_programme = pd.DataFrame(programmes)
    committed = int(by_programme["committed_cost_cents"].sum())
    return Replay(
        table=table,
        text=_text(summary, table, committed),
        headline=_headline(table),
        programmes=by_programme,
        offers=pd.DataFrame(
            offers,
            columns=[
                "programme",
                "offer_id",
                "redemption_rate",
                "cost_cents",
                "committed_cost_cents",
            ],
        ),
        budgets=_budgets(summary["budgets"]),
        events=summary["events"],
        persons_reached=summary["persons_reached"],
        committed_cost_cents=committed,
        state=state,
        digest=digest,
        paths=stored.paths("decisions"),
        frames=stored.frames("decisions"),
        candidate_paths=stored.paths("candidates"),
        candidate_frames=stored.frames("candidates"),
        with_candidates=stored.candidates,
        responses_not_admitted=summary["responses_not_admitted"],
        log_digest=summary["log_digest"],
        rules=rules,
        log=log,
    )


def _committed(offer: Mapping[str, Any], cost: str) -> int:
    """Return a cost at the offer's stated redemption rate, in whole cents."""
    return round(Fraction(str(offer["redemption_rate"])) * int(offer[cost]))


def _budgets(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return what each budget reserved in each period, and when it closed."""
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    closed = [row["closed"][0] if row["closed"] else None for row in rows]
    return pd.DataFrame(
        {
            "budget": [row["budget"] for row in rows],
            "period": [row["period"] for row in rows],
            "amount": [row["amount"] for row in rows],
            "reserved": [row["reserved"] for row in rows],
            "closed_at": pd.to_datetime(pd.Series(closed, dtype="Int64"), unit="us", utc=True),
        }
    )


def _text(summary: Mapping[str, Any], table: pd.DataFrame, committed_cents: int) -> str:
    """Say how many decisions, for whom, at what cost, and why not the others."""
    idle = [
        text.sentence(f"programme {each['programme']}: {reason}")
        for each in summary["programmes"]
        for reason in each["idle"]
    ]
    events = text.plural(summary["events"], "event")
    triggers = int(table["decisions"].sum())
    if not triggers:
        return " ".join(
            [
                text.sentence(f"{text.NOT_ENOUGH_DATA}: none of {events} triggered a programme"),
                *idle,
            ]
        )
    by_reason = table.groupby("reason", sort=False)["decisions"].sum()
    delivered = int(by_reason[_DELIVERED])
    refused = by_reason[~by_reason.index.isin([_DELIVERED, _AWARDED, _QUEUED]) & (by_reason > 0)]
    refused = refused.sort_values(ascending=False, kind="stable")
    said = text.listing(
        [
            f"{text.count(number)} {_SAID.get(str(reason), text.words(reason))}"
            for reason, number in refused.items()
        ]
    )
    first = (
        f"the programmes would have sent {text.plural(delivered, 'offer')} to "
        f"{text.plural(summary['persons_reached'], 'customer')}, at a committed cost of "
        f"{text.amount(committed_cents)} (their cost if they are redeemed as often as the "
        "programmes state)"
    )
    second = f"{events} triggered {text.plural(triggers, 'decision')}; " + (
        f"{text.count(int(refused.sum()))} ended without an offer: {said}"
        if len(refused)
        else "nothing was refused"
    )
    others = [
        f"{text.count(int(by_reason.get(name, 0)))} {words}"
        for name, words in (
            (_AWARDED, "awarded points"),
            (_QUEUED, "waited for the end of the quiet hours and were decided again then"),
        )
        if by_reason.get(name, 0)
    ]
    if others:
        second += f"; {text.listing(others)}"
    return " ".join([text.sentence(first), text.sentence(second), *idle])


def _headline(table: pd.DataFrame) -> str:
    """Say which part of the triggers ended in an offer, as the title of a figure."""
    triggers = int(table["decisions"].sum())
    if not triggers:
        return ""
    offers = int(table.loc[table["reason"] == _DELIVERED, "decisions"].sum())
    return f"{text.share(offers / triggers)} of {text.plural(triggers, 'trigger')} end in an offer"
