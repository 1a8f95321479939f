"""A table as a reader sees it: columns named in words, values written by name. Owns no number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench import text
from workbench.errors import InputError, ParameterError, did_you_mean, problem

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 60


@dataclass(frozen=True)
class FormattedTable:
    """A table whose values are written out; JupyterLab and a page show it the same."""

    written: pd.DataFrame

    def __str__(self) -> str:
        return self.written.to_string(index=False)

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        """Give the table as escaped HTML and as plain text."""
        return {
            "text/html": self.written.to_html(index=False, border=0),
            "text/plain": str(self),
        }


def table(
    shown: pd.DataFrame | text.Result, columns: tuple[str, ...] | list[str] | None = None
) -> FormattedTable:
    """Return a table for readers: whole numbers in groups, money, percentages, names as words.

    Args:
        shown: A frame of at most 60 rows, or a result that has one.
        columns: The columns to show, in this order; all by default.

    Raises:
        InputError: There are more rows than a reader looks at; aggregate or choose some.
        ParameterError: A column is not there.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"segment": ["at_risk"], "customers": [1126], "spend_cents": [55346]})
    >>> print(table(frame))
    segment customers   spend
    at risk     1,126 $553.46
    """
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    frame = shown.table if isinstance(shown, text.Result) else shown
    if len(frame) > _MOST_ROWS:
        raise InputError(
            problem("the number of rows", len(frame), f"must be at most {_MOST_ROWS} to be read")
        )
    for name in columns or ():
        if name not in frame.columns:
            hint = did_you_mean(name, [str(column) for column in frame.columns])
            raise ParameterError(problem("column", name, "must be in the table", hint=hint))
    chosen = list(columns) if columns else [str(name) for name in frame.columns]
    return FormattedTable(
        pd.DataFrame(
            {
                text.heading(name): [text.cell(name, value) for value in frame[name].tolist()]
                for name in chosen
            },
            dtype="str",
        )
    )
