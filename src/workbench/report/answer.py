"""The answer of a notebook: sentences of its results. Owns no number and no sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench import text
from workbench.errors import ParameterError


@dataclass(frozen=True)
class Answer:
    """Sentences that a notebook shows as a paragraph and a page puts under its question."""

    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.sentences)

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        """Give the answer as Markdown in which markup of the data is inert."""
        return {"text/markdown": text.inert(str(self)), "text/plain": str(self)}


def answer(*results: text.Result | str) -> Answer:
    """Return the answer made of results, each of which is a table and a sentence.

    Args:
        results: Results, or sentences of results.

    Raises:
        ParameterError: There is nothing to say.

    >>> str(answer("The log is whole.", "Nobody is lost."))
    'The log is whole. Nobody is lost.'
    """
    sentences = tuple(
        said for each in results if (said := each if isinstance(each, str) else each.text)
    )
    if not sentences:
        raise ParameterError("an answer needs at least one sentence")
    return Answer(sentences)
