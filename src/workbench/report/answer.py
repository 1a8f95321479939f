"""The answer of a notebook: sentences of its results. Owns no number and no sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench import text
from workbench.arguments import checked
from workbench.errors import ParameterError
from workbench.report.cards import CARDS_MIME, KeyFigures, cards_data

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Answer:
    """The finding as a paragraph, and what else the results say as points below it.

    Attributes:
        sentences: What the results say.
        figures: Key figures that a page shows below them, or nothing.
    """

    sentences: tuple[str, ...]
    figures: KeyFigures | None = None

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        """Give the answer as Markdown in which markup of the data is inert."""
        first, *others = (text.inert(" ".join(said.split())) for said in self.sentences)
        points = "\n".join(f"- {said}" for said in others)
        forms = {
            "text/markdown": f"{first}\n\n{points}" if points else first,
            "text/plain": str(self),
        }
        if self.figures:
            cards = self.figures.cards
            forms["text/plain"] += f"\n{self.figures}"
            return {CARDS_MIME: cards_data(cards, with_text=True), **forms}
        return forms


@checked
def answer(*results: text.Told | str, figures: KeyFigures | None = None) -> Answer:
    """Return the answer made of results, each of which is a table and a sentence.

    Args:
        results: Results, or sentences of results; the first is the finding.
        figures: Key figures to show with it.

    Raises:
        ParameterError: There is nothing to say.

    >>> print(answer("The log is whole.", "Nobody is lost."))
    The log is whole.
    Nobody is lost.
    """
    said = [said for each in results if (said := each if isinstance(each, str) else each.text)]
    if not said:
        raise ParameterError("an answer needs at least one sentence")
    lead, rest = text.split_lead(said[0])
    return Answer((lead, *([rest] if rest else []), *said[1:]), figures)


def sentences(**results: text.Result) -> pd.DataFrame:
    """Return what results say as a table, for a notebook that comes later.

    Returns:
        A row for each result with ``name``, ``lead``, ``text`` and ``headline``.

    >>> import pandas as pd
    >>> made = text.Result(table=pd.DataFrame(), text="The model holds.")
    >>> sentences(holdout=made).set_index("name")["text"]["holdout"]
    'The model holds.'
    """
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    rows = [(name, each.lead, each.text, each.headline) for name, each in results.items()]
    return pd.DataFrame(rows, columns=["name", "lead", "text", "headline"], dtype="str")
