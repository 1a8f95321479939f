"""Quick imports: what jsonschema does at its import, left out. Owns nothing else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

_SLOW = "rfc3987_syntax"


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import without the grammar of international addresses that jsonschema builds.

    Altair and nbformat import jsonschema, which builds that grammar for two seconds to check a
    format that nothing here uses. Inside the block the grammar's module cannot be imported;
    jsonschema then does without, as it does where the module is not installed.
    """
    if _SLOW in sys.modules:
        yield
        return
    sys.modules[_SLOW] = None  # type: ignore[assignment]  # None: not importable
    try:
        yield
    finally:
        sys.modules.pop(_SLOW, None)
