"""What the examples in docstrings call `log`, `replayed`, `summary` and `fit`: CDNOW, made when asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from workbench.clv.fit import ClvFit
    from workbench.clv.summary import RfmSummary
    from workbench.log import Log
    from workbench.replay import Replay

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has a processor; threads of small frames would only wait for one another.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")

PROGRAMMES = Path(__file__).parent / "params" / "programmes" / "grocery"


@pytest.fixture(scope="session")
def example_log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """The sample of CDNOW inside the installed lifetimes package, ingested and opened."""
    from workbench.log import ingest, open_log  # noqa: PLC0415 - loaded for an example, not for every test

    folder = tmp_path_factory.mktemp("example") / "log"
    ingest("cdnow_sample", "cdnow_sample", folder)
    return open_log(folder)


@pytest.fixture(scope="session")
def example_replayed(example_log: Log) -> Replay:
    """The shipped programmes over that log."""
    from workbench.decision import load_programmes  # noqa: PLC0415 - same
    from workbench.replay import replay  # noqa: PLC0415 - same

    return replay(example_log, load_programmes(PROGRAMMES))


@pytest.fixture(scope="session")
def example_summary(example_log: Log) -> RfmSummary:
    """Its purchases up to 1997-09-30, the rest held out."""
    from workbench.clv import rfm_summary  # noqa: PLC0415 - same

    return rfm_summary(example_log, holdout_days=273, unit="week")


@pytest.fixture(scope="session")
def example_fit(example_summary: RfmSummary) -> ClvFit:
    """BG/NBD and Gamma-Gamma fitted to them."""
    from workbench.clv import fit_clv  # noqa: PLC0415 - same

    return fit_clv(example_summary)


@pytest.fixture(autouse=True)
def _examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """Give an example the values that it names, and make none that it does not name."""
    if not isinstance(request.node, pytest.DoctestItem):
        return
    source = "".join(example.source for example in request.node.dtest.examples)
    given: Callable[[str], Any] = request.getfixturevalue
    for name in ("log", "replayed", "summary", "fit"):
        if re.search(rf"\b{name}\b", source) and not re.search(
            rf"^{name} = ", source, re.MULTILINE
        ):
            doctest_namespace[name] = given(f"example_{name}")
        else:
            doctest_namespace.pop(name, None)
