"""A row of key figures as cards. Owns no number: values come formatted by ``workbench.text``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench import text
from workbench.errors import ParameterError, problem

CARDS_MIME = "application/vnd.workbench.key-figures+json"
_MOST_CARDS = 8


@dataclass(frozen=True, kw_only=True)
class KeyFigure:
    """One card.

    Attributes:
        label: What the figure is, with its unit where the value does not show it.
        value: The figure, formatted.
        note: What to compare it with, or nothing.
    """

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class KeyFigures:
    """A row of cards that a notebook shows as a table and a page as large numbers."""

    cards: tuple[KeyFigure, ...]

    def __str__(self) -> str:
        return "; ".join(f"{card.label}: {card.value}" for card in self.cards)

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        """Give the cards as data for a page, and as a Markdown table for JupyterLab."""
        cells = [[text.inert(card.label), text.inert(card.value)] for card in self.cards]
        header = "| " + " | ".join(label for label, _ in cells) + " |"
        rule = "|" + "---|" * len(cells)
        values = "| " + " | ".join(f"**{value}**" for _, value in cells) + " |"
        return {
            CARDS_MIME: cards_data(self.cards),
            "text/markdown": f"{header}\n{rule}\n{values}",
            "text/plain": str(self),
        }


def cards_data(cards: Sequence[KeyFigure], *, with_text: bool = False) -> dict[str, Any]:
    """Return cards as data for a page; ``with_text`` when the Markdown beside them is no copy."""
    data: dict[str, Any] = {
        "cards": [{"label": card.label, "value": card.value, "note": card.note} for card in cards]
    }
    return {**data, "with_text": True} if with_text else data


def key_figures(figures: Mapping[str, str] | Sequence[tuple[str, str, str]]) -> KeyFigures:
    """Return a row of key figures.

    Args:
        figures: Label to formatted value; or triples of label, value and note.

    Raises:
        ParameterError: There is no figure, there are more than eight, or one is not text.

    >>> str(key_figures({"customers": text.count(2469), "spend": text.money(123456)}))
    'customers: 2,469; spend: $1,234.56'
    """
    triples = (
        [(label, value, "") for label, value in figures.items()]
        if isinstance(figures, Mapping)
        else list(figures)
    )
    if not 1 <= len(triples) <= _MOST_CARDS:
        raise ParameterError(
            problem("the number of key figures", len(triples), f"must be 1 to {_MOST_CARDS}")
        )
    for label, value, _ in triples:
        if not isinstance(value, str):
            raise ParameterError(
                problem(label, value, "must be text; format it with workbench.text first")
            )
    return KeyFigures(
        tuple(KeyFigure(label=label, value=value, note=note) for label, value, note in triples)
    )
