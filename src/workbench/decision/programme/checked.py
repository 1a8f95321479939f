"""The conditions of a programme, checked. Owns which keys hold conditions; evaluates none."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench import conditions
from workbench.conditions import ColumnType, Condition
from workbench.decision.context import COLUMNS
from workbench.errors import ParameterError

if TYPE_CHECKING:
    from workbench.decision.programme.programme import Programme


@dataclass(frozen=True)
class Conditions:
    """The checked conditions of one programme; none where the file has none.

    Attributes:
        when: Of the trigger's A.
        second: Of B.
        audience: Of the audience.
        suppress: Of the suppressions.
        offers: Of each offer.
        variants: Of each variant of each offer.
        context: Of each context weight.
        cells: Of each cell of the policy.
    """

    when: Condition | None
    second: Condition | None
    audience: Condition | None
    suppress: tuple[Condition, ...]
    offers: tuple[Condition | None, ...]
    variants: tuple[tuple[Condition | None, ...], ...]
    context: tuple[Condition, ...]
    cells: tuple[Condition, ...]

    def __iter__(self) -> Iterator[Condition]:
        """Give every condition that there is."""
        for _, condition in self.keyed():
            yield condition

    def keyed(self) -> Iterator[tuple[str, Condition]]:
        """Give every condition with its key in the file, without that of B's ``then`` or ``unless``."""
        single = {"trigger.when": self.when, "trigger": self.second, "audience": self.audience}
        listed = {"suppress.{}": self.suppress, "offers.{}.when": self.offers}
        listed |= {
            "choose.context.{}.when": self.context,
            "choose.policy.cells.{}.when": self.cells,
        }
        several = {key.format(k): each for key, of in listed.items() for k, each in enumerate(of)}
        variants = {
            f"offers.{k}.variants.{n}.when": each
            for k, of_offer in enumerate(self.variants)
            for n, each in enumerate(of_offer)
        }
        for key, condition in {**single, **several, **variants}.items():
            if condition is not None:
                yield key, condition

    @property
    def columns(self) -> frozenset[str]:
        """Names that the conditions read."""
        return frozenset(name for each in self for name in each.columns)


def conditions_of(
    programme: Programme, columns: Mapping[str, ColumnType], *, source: str
) -> Conditions:
    """Check every condition of a programme.

    Args:
        programme: The programme.
        columns: Names beside those of :data:`workbench.decision.context.COLUMNS` and the
            programme's own features.
        source: Named in every error.

    Raises:
        ParameterError: A condition is not on the allow-list or names an unknown column.
    """
    own: dict[str, ColumnType] = {feature.name: "number" for feature in programme.features}
    known = tuple({**columns, **own}.items())

    def check(text: str | None, key: str) -> Condition | None:
        return None if text is None else _check(text, known, f"{source}: {key}")

    def all_of(texts: Mapping[str, str]) -> tuple[Condition, ...]:
        return tuple(_check(text, known, f"{source}: {key}") for key, text in texts.items())

    trigger, choose = programme.trigger, programme.choose
    second = "then" if trigger.then is not None else "unless"
    policy = choose.policy
    return Conditions(
        when=check(trigger.when, "trigger.when"),
        second=check(trigger.second.when if trigger.second else None, f"trigger.{second}.when"),
        audience=check(programme.audience, "audience"),
        suppress=all_of({f"suppress.{k}": text for k, text in enumerate(programme.suppress)}),
        offers=tuple(
            check(offer.when, f"offers.{k}.when") for k, offer in enumerate(programme.offers)
        ),
        variants=tuple(
            tuple(
                check(variant.when, f"offers.{k}.variants.{n}.when")
                for n, variant in enumerate(offer.variants)
            )
            for k, offer in enumerate(programme.offers)
        ),
        context=all_of(
            {f"choose.context.{k}.when": each.when for k, each in enumerate(choose.context)}
        ),
        cells=all_of(
            {f"choose.policy.cells.{k}.when": cell.when for k, cell in enumerate(policy.cells)}
            if policy is not None
            else {}
        ),
    )


def _check(text: str, own: tuple[tuple[str, ColumnType], ...], where: str) -> Condition:
    try:
        return _checked(text, own)
    except ParameterError:
        return conditions.check(text, {**COLUMNS, **dict(own)}, where=where)  # says where


@functools.lru_cache(maxsize=16_384)
def _checked(text: str, own: tuple[tuple[str, ColumnType], ...]) -> Condition:
    return conditions.check(text, {**COLUMNS, **dict(own)}, where="")
