"""What a notebook's numbers rest on: versions and digests. Owns no manifest."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from workbench.arguments import checked
from workbench.errors import ParameterError, problem
from workbench.run.parameters import NotebookParameters

if TYPE_CHECKING:
    import pandas as pd

_PACKAGES = ("event-offer-workbench", "polars", "pandas", "numpy", "numba", "lifetimes", "altair")
_DIGEST_CHARACTERS = 16


@checked
def provenance(parameters: NotebookParameters, **digests: str) -> pd.DataFrame:
    """Return a table of versions, the digest of the parameters, and named digests of data.

    Args:
        parameters: The notebook's checked parameters.
        digests: Name of a log, programme, … → its digest.

    Raises:
        ParameterError: A digest is empty, so it would prove nothing.

    >>> from workbench.run.parameters import IngestLog
    >>> provenance(IngestLog(), log="9f" * 32).loc["log", "value"]
    '9f9f9f9f9f9f9f9f'
    """
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    for name, digest in digests.items():
        if not digest:
            raise ParameterError(problem(name, digest, "must be a digest; store the data first"))
    rows = {"parameters": parameters.digest[:_DIGEST_CHARACTERS]}
    rows |= {name: digest[:_DIGEST_CHARACTERS] for name, digest in digests.items()}
    rows |= {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
    return pd.DataFrame({"value": rows}).rename_axis("name")
