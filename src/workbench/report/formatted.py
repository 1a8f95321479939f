"""A table as a reader sees it: columns named in words, values written by name. Owns no number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, did_you_mean, problem

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 60
_WHOLE_MONEY_FROM_CENTS = 10_000
_ONE_DIGIT_FROM = 100
_EACH_BY_ITSELF = ("value", "standard_error", "p_value")
_ENDS = ("low", "high")  # of an interval: written as the value beside them
_SHARE = "share of customers"


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


@checked
def table(
    shown: pd.DataFrame | text.Result,
    columns: tuple[str, ...] | list[str] | None = None,
    *,
    cents: tuple[str, ...] | list[str] = (),
) -> FormattedTable:
    """Return a table for readers: whole numbers in groups, money, percentages, names as words.

    Args:
        shown: A frame of at most 60 rows, or a result that has one.
        columns: The columns to show, in this order; all by default.
        cents: Columns that hold cents though their names do not say so, such as ``effect`` of a profit.

    Raises:
        InputError: There are more rows than a reader looks at; aggregate or choose some.
        ParameterError: A column is not there.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"segment": ["at_risk"], "customers": [1126], "spend_cents": [55346]})
    >>> print(table(frame))
    segment customers spend
    at risk     1,126  $553
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
    apart = (*_EACH_BY_ITSELF, *_ENDS) if "value" in chosen else _EACH_BY_ITSELF
    return FormattedTable(
        pd.DataFrame(
            {
                _SHARE
                if name == "share" and "customers" in frame.columns
                else text.heading(name): (
                    _written(
                        f"{name}_cents" if name in cents else name, frame[name].tolist(), apart
                    )
                )
                for name in chosen
            },
            dtype="str",
        )
    )


def _written(name: str, values: list[Any], apart: tuple[str, ...] = _EACH_BY_ITSELF) -> list[str]:
    """Return the values of a column, written so that they can be compared down the column, or each by itself.

    >>> _written("spend_cents", [55_346, 434_565_754]), _written("clv_cents", [4_381])
    (['$553', '$4,345,658'], ['$43.81'])
    >>> _written("mean_purchases", [2.17, 67.234]), _written("value", [2.17, 67.234])
    (['2.17', '67.23'], ['2.170', '67.23'])
    """
    numbers = [
        abs(float(value))
        for value in values
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    ]
    largest = max(numbers, default=0.0)
    if name.endswith("_cents") and largest >= _WHOLE_MONEY_FROM_CENTS:
        return [text.whole_money(value) for value in values]
    plain = name not in apart and not name.endswith("_cents") and not text.is_share(name)
    if plain and any(not number.is_integer() for number in numbers):
        digits = 1 if largest >= _ONE_DIGIT_FROM else 2
        return [value if isinstance(value, str) else text.number(value, digits) for value in values]
    return [text.cell(name, value) for value in values]
