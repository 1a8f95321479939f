"""Programmes with the rules of their house: what a replay runs. Owns no file and no evaluation.

The rules between programmes stand in ``between``; those of one programme in its model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, overload

from workbench.conditions import ColumnType
from workbench.decision import between
from workbench.decision.programme import Conditions, FeatureRule, Programme, QuietHours
from workbench.decision.programme.house import (
    QUIET_HOURS,
    Holdout,
    House,
    HouseCap,
    SharedBudget,
)
from workbench.errors import ParameterError
from workbench.params import digest_of

__all__ = ["QUIET_HOURS", "Holdout", "House", "HouseCap", "ProgrammeSet", "SharedBudget"]


@dataclass(frozen=True)
class ProgrammeSet(Sequence[Programme]):
    """Programmes in their order, with the rules of the house: what a replay runs.

    Attributes:
        programmes: The programmes.
        house: The rules over all of them.
        columns: Names that conditions may read beside those that every log may have.

    >>> ProgrammeSet.of([])
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: no programme was given; name at least one
    """

    programmes: tuple[Programme, ...]
    house: House = field(default_factory=House)
    columns: Mapping[str, ColumnType] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        programmes: Sequence[Programme],
        house: House | None = None,
        *,
        source: str = "",
        columns: Mapping[str, ColumnType] | None = None,
        files: Mapping[str, str] | None = None,
        whole: bool = True,
    ) -> ProgrammeSet:
        """Make a set after checking what concerns several programmes at once.

        Args:
            programmes: The programmes; a set is returned as it is when nothing else is given.
            house: The rules over them; none: no rules.
            source: What the rules came from, named in errors.
            columns: Columns of a log beside the contract's, with their types.
            files: What each programme came from, by name, named in errors.
            whole: Whether these are all programmes of the house; then each of its budgets must
                be named by one.

        Raises:
            ParameterError: No programme, a name used twice, or a rule between programmes broken.
        """
        if isinstance(programmes, ProgrammeSet) and house is None and columns is None:
            return programmes
        if not programmes:
            raise ParameterError("no programme was given; name at least one")
        rules = House() if house is None else house
        extra = {**(columns or {}), **rules.known_columns}
        made = cls(tuple(programmes), rules, MappingProxyType(extra))
        where = {each.name: (files or {}).get(each.name, each.name) for each in programmes}
        between.check(made.programmes, rules, where, source or "house.yaml", whole=whole)
        return made

    @overload
    def __getitem__(self, index: int) -> Programme: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Programme]: ...
    def __getitem__(self, index: int | slice) -> Programme | Sequence[Programme]:
        return self.programmes[index]

    def __len__(self) -> int:
        return len(self.programmes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProgrammeSet) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_again, (self.programmes, self.house, dict(self.columns)))

    @cached_property
    def digest(self) -> str:
        """Identity of everything that changes a decision: programmes in order, and the house."""
        return digest_of([self.house.digest, [each.digest for each in self.programmes]])

    @cached_property
    def conditions(self) -> tuple[Conditions, ...]:
        """The checked conditions of each programme."""
        return tuple(each.conditions(self.columns) for each in self.programmes)

    @cached_property
    def features(self) -> tuple[FeatureRule, ...]:
        """Declared features of the house and the programmes, each once, by name."""
        found = {each.name: each for each in self.house.features}
        for programme in self.programmes:
            found.update({each.name: each for each in programme.features})
        return tuple(found[name] for name in sorted(found))

    @cached_property
    def budgets(self) -> tuple[SharedBudget, ...]:
        """Every budget once: those of the house, then those of single programmes."""
        own = [
            SharedBudget(
                name=each.budget.name or each.name,
                amount_cents=each.budget.amount_cents,
                per=each.budget.per,
                zone=each.budget.zone,
            )
            for each in self.programmes
            if each.budget is not None and each.budget.amount_cents is not None
        ]
        return (*self.house.budgets, *own)

    @cached_property
    def budget_of(self) -> tuple[int, ...]:
        """For each programme the position of its budget in :attr:`budgets`; -1: none."""
        found, own = [], len(self.house.budgets)
        names = [each.name for each in self.house.budgets]
        for each in self.programmes:
            if each.budget is None:
                found.append(-1)
            elif each.budget.shared:
                found.append(names.index(each.budget.name or ""))
            else:
                found.append(own)
                own += 1
        return tuple(found)

    def quiet_hours_of(self, position: int) -> QuietHours | None:
        """Return the quiet hours that hold for a programme: its own, else those of the house."""
        programme = self.programmes[position]
        if programme.kind == "listening":
            return None
        if programme.quiet_hours is not None:
            return programme.quiet_hours
        return None if QUIET_HOURS in programme.limits.bypass else self.house.quiet_hours

    def house_caps_of(self, position: int) -> tuple[HouseCap, ...]:
        """Return the caps of the house that a programme is checked against."""
        bypassed = self.programmes[position].limits.bypass
        return tuple(cap for cap in self.house.caps if cap.name not in bypassed)


def _again(
    programmes: tuple[Programme, ...], house: House, columns: dict[str, ColumnType]
) -> ProgrammeSet:
    return ProgrammeSet(programmes, house, MappingProxyType(columns))
