"""What a notebook calls: set up its display and record its results. Owns no statistics."""

from __future__ import annotations

import math
from typing import Any

from workbench.arguments import checked
from workbench.errors import ParameterError, problem
from workbench.imports import quick_imports

RESULT_MIME = "application/vnd.workbench.result+json"
_LONGEST_TEXT = 1_000


@checked
def record(name: str, value: Any) -> None:
    """Record one result of a notebook, so that its run's manifest carries it.

    The cell's output holds the result itself; a notebook that was run by hand carries it too.

    Args:
        name: Name of the result with its unit, such as ``customers`` or ``spend_cents``.
        value: A number, a text or a Boolean; a NumPy scalar counts as its Python value.

    Raises:
        ParameterError: The name is not an identifier, or the value is not a finite scalar.

    Example:
        >>> record("customers", [1, 2])
        Traceback (most recent call last):
        ...
        workbench.errors.ParameterError: customers was [1, 2], must be a number, a text or true or false
    """
    if not name.isidentifier():
        raise ParameterError(
            problem("the name of a result", name, "must be a word such as customers")
        )
    scalar = _plain(name, value)
    bundle = {RESULT_MIME: {"name": name, "value": scalar}, "text/plain": f"{name} = {scalar}"}
    if _in_notebook():
        from IPython.display import display  # noqa: PLC0415 - a script need not load it

        display(bundle, raw=True)  # type: ignore[no-untyped-call, unused-ignore]  # IPython's display is untyped in some versions


def notebook() -> None:
    """Set up a notebook: figures that draw without a network, and tables of a stable width.

    Called once, in the setup cell. Nothing is silenced.
    """
    import pandas as pd  # noqa: PLC0415 - heavy, and only a notebook needs it

    with quick_imports():
        from workbench.report import renderer  # noqa: PLC0415 - same

    renderer.enable()
    for option, value in (
        ("display.max_rows", 30),
        ("display.max_columns", 30),
        ("display.width", 100),
        ("display.max_colwidth", 60),
        ("display.precision", 4),
        ("display.show_dimensions", False),
        ("display.html.use_mathjax", False),  # a $ in a table is money, not mathematics
    ):
        pd.set_option(option, value)


def _plain(name: str, value: Any) -> bool | int | float | str:
    """Return a value as a JSON scalar."""
    item = getattr(value, "item", None)
    plain = item() if callable(item) and getattr(value, "ndim", 1) == 0 else value
    if not isinstance(plain, bool | int | float | str):
        raise ParameterError(problem(name, value, "must be a number, a text or true or false"))
    if isinstance(plain, float) and not math.isfinite(plain):
        raise ParameterError(problem(name, plain, "must be a finite number"))
    if isinstance(plain, str) and len(plain) > _LONGEST_TEXT:
        raise ParameterError(problem(name, plain, f"must have at most {_LONGEST_TEXT} characters"))
    return plain


def _in_notebook() -> bool:
    """Say whether a kernel or an IPython shell is there to show an output."""
    try:
        from IPython.core.getipython import get_ipython  # noqa: PLC0415 - a script need not load it
    except ImportError:
        return False
    return get_ipython() is not None
