"""What is the same for all parts of a log: rules, codes, zones, tables. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.clocks import tables_of
from workbench.decision.declared import FeatureSet
from workbench.decision.desk import Table
from workbench.decision.house import ProgrammeSet
from workbench.decision.plan import Role, roles_of
from workbench.decision.reference import References
from workbench.decision.rules import RESPONSES, Rules, rules_of, tracks_answers
from workbench.log.schema import Column
from workbench.params import Parameters, digest_of


class LogLike(Protocol):
    """What a replay needs of a stored log."""

    @property
    def digest(self) -> str: ...  # noqa: D102 - the contract of the log says it
    @property
    def zone(self) -> str: ...  # noqa: D102 - same
    @property
    def counts(self) -> Mapping[str, int]: ...  # noqa: D102 - same
    @property
    def persons(self) -> int: ...  # noqa: D102 - same
    @property
    def parts(self) -> list[Path]: ...  # noqa: D102 - same
    @property
    def columns(self) -> tuple[Column, ...]: ...  # noqa: D102 - same
    @property
    def tables(self) -> tuple[str, ...]: ...  # noqa: D102 - same
    def table(self, name: str) -> pl.DataFrame: ...  # noqa: D102 - same
    def codes(self, column: str) -> pl.Series: ...  # noqa: D102 - same


@dataclass(frozen=True, eq=False)
class Job:
    """What is the same for all parts of a replay.

    Attributes:
        programmes: The programmes with the house.
        rules: Their tables.
        roles: What events are to them.
        references: The reference tables of the log.
        features: Features of the logged past that conditions read.
        zones: Zones by code: the log's (or the house's), UTC, then those of customers.
        zone_table: Where the changes of each zone lie.
        changes: The changes of all.
        type_codes: Code of each event type.
        person_ids: Position = code.
        customer_of: Code of the customer of each person, -1 where there is none.
        consent: The reference table of consent, or none.
        answered: Whether the log has responses that name a decision.
        answers: Whether responses are admitted to decisions.
        budgets: Name and amount of every budget and inventory, by number.
    """

    programmes: ProgrammeSet
    rules: Rules
    roles: tuple[Role, ...]
    references: References
    features: FeatureSet
    zones: tuple[str, ...]
    zone_table: Table
    changes: Table
    type_codes: Mapping[str, int]
    person_ids: pl.Series
    customer_of: NDArray[np.int64]
    consent: pl.DataFrame | None
    answered: bool
    answers: bool
    budgets: tuple[tuple[str, int], ...]

    @property
    def columns(self) -> frozenset[str]:
        """Names that any condition reads."""
        return frozenset(name for role in self.roles for name in role.columns)

    @property
    def broadcasts(self) -> tuple[Role, ...]:
        """Roles of the calendar."""
        return tuple(role for role in self.roles if role.programme.kind == "broadcast")


def job_of(log: LogLike, programmes: ProgrammeSet) -> Job:
    """Collect what is the same for all parts.

    Raises:
        ParameterError: Programmes are larger than what the core can hold.
        InputError: A reference table is not as it must be.
    """
    roles = roles_of(programmes)
    references = References(log, zone=programmes.house.zone, declared=programmes.columns)
    zones = zones_of(references)
    zone_table, changes = tables_of(zones)
    types = log.codes("type").to_list()
    stored = {name for part in log.parts for name in pl.read_parquet_schema(part)}
    answered = "decision_id" in stored and bool(set(types) & set(RESPONSES))
    answers = answered or tracks_answers(programmes, programmes.house)
    rules = rules_of(programmes, answers=answers)
    return Job(
        programmes=programmes,
        rules=rules,
        roles=roles,
        references=references,
        features=features_of(programmes, roles),
        zones=zones,
        zone_table=zone_table,
        changes=changes,
        type_codes={name: code for code, name in enumerate(types)},
        person_ids=log.codes("person"),
        customer_of=_customers(log),
        consent=log.table("consent") if "consent" in log.tables else None,
        answered=answered,
        answers=answers,
        budgets=_budgets(rules),
    )


def job_beside(job: Job, programmes: ProgrammeSet) -> Job:
    """Return the job of other programmes with the same :func:`columns_key` over the same log."""
    rules = rules_of(programmes, answers=job.answers)
    return replace(job, programmes=programmes, rules=rules, budgets=_budgets(rules))


def job_again(job: Job, programmes: ProgrammeSet) -> Job:
    """Return the job of programmes with other conditions over the same log and house columns."""
    roles = roles_of(programmes)
    answers = job.answered or tracks_answers(programmes, programmes.house)
    rules = rules_of(programmes, answers=answers)
    return replace(
        job,
        programmes=programmes,
        rules=rules,
        roles=roles,
        features=features_of(programmes, roles),
        answers=answers,
        budgets=_budgets(rules),
    )


def columns_key(programmes: ProgrammeSet, *, answered: bool) -> str:
    """Return what names the columns that programmes need: equal keys can share prepared windows.

    Everything counts but the keys of which it is known that only decisions read them: limits,
    quiet hours, budgets, the slot, and what goes into a score.

    >>> from workbench.decision import load_programmes
    >>> from workbench.decision.written import changed
    >>> programmes = load_programmes("params/programmes/grocery")
    >>> key = columns_key(programmes, answered=False)
    >>> key == columns_key(changed(programmes, {"house.slot": 2}), answered=False)
    True
    >>> key == columns_key(changed(programmes, {"lunch_basket.audience": None}), answered=False)
    False
    """
    stochastic = rules_of(programmes, answers=False).stochastic.tolist()
    return digest_of(
        {
            "answers": answered or tracks_answers(programmes, programmes.house),
            "house": _without(programmes.house, _DECIDES_IN_HOUSE),
            "columns": dict(programmes.columns),
            "programmes": [
                {
                    **_without(programme, _DECIDES),
                    "offers": [_without(offer, _DECIDES_IN_OFFER) for offer in programme.offers],
                    "context": [each.when for each in programme.choose.context],
                    "cells": [
                        each.model_dump(mode="json")
                        for each in (
                            programme.choose.policy.cells if programme.choose.policy else ()
                        )
                    ],
                    "draws": drawn,
                }
                for programme, drawn in zip(programmes, stochastic, strict=True)
            ],
        }
    )


_DECIDES = {"stage", "limits", "quiet_hours", "budget", "choose", "points", "offers"}
_DECIDES_IN_HOUSE = {"caps", "quiet_hours", "budgets", "slot"}
_DECIDES_IN_OFFER = {
    "value_cents",
    "cost_cents",
    "redemption_rate",
    "validity",
    "propensity",
    "priority",
    "inventory",
    "mandatory",
}


def _without(model: Parameters, keys: set[str]) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude=keys)


def _budgets(rules: Rules) -> tuple[tuple[str, int], ...]:
    return tuple((each.name, each.amount) for each in rules.accounts)


def zones_of(references: References) -> tuple[str, ...]:
    """Return the zones by the codes of the core: the log's, UTC, then the others."""
    first, *others = references.zone_names
    return (first, "UTC", *others)


def core_zones(codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return codes of the references as those of the core; -1 stays: not known."""
    return np.where(codes > 0, codes + 1, codes).astype(np.int64)


def features_of(programmes: ProgrammeSet, roles: tuple[Role, ...]) -> FeatureSet:
    """Return the features that the conditions of roles read."""
    return FeatureSet.of(programmes.features, {name for role in roles for name in role.columns})


def _customers(log: LogLike) -> NDArray[np.int64]:
    """Return for each person the code of the customer with the same id."""
    persons = pl.DataFrame({"id": log.codes("person")})
    book = pl.DataFrame({"id": log.codes("customer")}).with_row_index("code")
    found = persons.join(book, on="id", how="left", maintain_order="left")["code"]
    return np.array(found.cast(pl.Int64).fill_null(-1), dtype=np.int64)
