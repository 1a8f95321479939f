"""The calibration table: simulated experiments against what estimators promise. Owns no estimator.

A figure passes inside the band in which 999 of 1,000 whole tables would lie: exact binomial for a rate,
Student's t for a mean, Bonferroni over the table. A method that may be conservative is judged on the
side on which it promises something. What fails is shown; no seed is tried twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from workbench import text
from workbench.arguments import checked
from workbench.calibration import uplift_cells, watching, worlds  # noqa: F401 - their studies join the others
from workbench.calibration.studies import STUDIES, About, Figure, Study
from workbench.errors import ParameterError, did_you_mean, problem
from workbench.files import write_text
from workbench.streams import stream

EXPERIMENTS = 2_000
FALSE_FAILURES = 0.001
"""Chance that any figure of a table fails although every estimator keeps its promise."""

_FEWEST = 20
_FEWEST_WORLDS = 5
_DIGITS = 4


class Row(NamedTuple):
    """One figure of one estimator, as it stands in the table and in the file."""

    estimator: str
    figure: str
    experiments: int
    rate: float
    nominal: float
    low: float
    high: float
    passed: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationTable(text.Result):
    """What estimators promise beside what simulated experiments found.

    Attributes:
        table: A row a figure: ``estimator``, ``figure``, ``experiments``, ``rate`` (a share of the
            experiments, or a mean over them), ``nominal``, ``low`` and ``high`` (the band) and
            ``passed``.
        text: How many figures lie inside their band, and each that does not.
        passed: Whether all do.
    """

    passed: bool

    @property
    def page(self) -> pd.DataFrame:
        """The table as a reader sees it: rates and bands written, and a verdict for each."""
        written = self.table.rename(columns={"passed": "verdict"}).astype({"verdict": object})
        for name in ("rate", "nominal"):
            written[name] = [text.number(each, _DIGITS) for each in self.table[name]]
        written["band"] = [
            _band(low, high)
            for low, high in zip(self.table["low"], self.table["high"], strict=True)
        ]
        written["verdict"] = ["holds" if each else "FAILS" for each in self.table["passed"]]
        names = ["estimator", "figure", "experiments", "rate", "nominal", "band", "verdict"]
        return written[names]

    def write(self, path: str | Path) -> None:
        """Write the table as a list of JSON objects, one a figure."""
        rows = [
            {key: _finite(each) for key, each in row.items()}
            for row in self.table.to_dict("records")
        ]
        write_text(Path(path), json.dumps(rows, indent=2, ensure_ascii=False) + "\n")


@checked
def calibration_table(
    *,
    seed: int,
    experiments: int = EXPERIMENTS,
    only: Sequence[str] | None = None,
    about: About | None = None,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> CalibrationTable:
    """Simulate experiments with known truth, read each as a user does, and judge what was promised.

    Args:
        seed: Seed of all of them; each estimator has a stream of its own.
        experiments: Experiments of each estimator; of those in a simulated world, one for each ten.
        only: Estimators to look at; none: all.
        about: Only those for a ``read-out``, or for ``uplift`` by cell, whose models are compiled first.
        workers: Processes.
        progress: Called with the name of each estimator that is done.

    Returns:
        A row a figure with its band and the verdict.

    Raises:
        ParameterError: ``experiments`` is below 20, ``workers`` below 1, or an estimator is not known.

    >>> found = calibration_table(seed=1, experiments=200, only=["mean"])
    >>> found.table["figure"].to_list(), found.passed
    (['coverage at 95 %', 'A/A rejection at 5 %'], True)
    """
    check_experiments(experiments)
    if workers < 1:
        raise ParameterError(problem("workers", workers, "must be at least 1"))
    every = [name for name, each in STUDIES.items() if about in (each.about, None)]
    names = every if only is None else list(dict.fromkeys(only))
    for name in names:
        if name not in STUDIES:
            hint = did_you_mean(name, STUDIES)
            raise ParameterError(problem("only", name, "must be an estimator", hint=hint))
    tell = progress or (lambda _: None)
    values: dict[str, NDArray[np.float64]] = {}
    if workers == 1:
        for name in names:
            values[name] = simulated(STUDIES[name], experiments, seed)
            tell(name)
    else:
        # Spawned, not forked: Polars' threads do not survive a fork.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            # Those that take long begin first, so that no process works alone at the end.
            longest = sorted(names, key=lambda name: -STUDIES[name].every)
            running = {name: pool.submit(_by_name, name, experiments, seed) for name in longest}
            for name, each in running.items():
                values[name] = each.result()
                tell(name)
    return judged([(STUDIES[name], values[name]) for name in names])


def check_experiments(experiments: int) -> None:
    """Check that there are enough experiments to say anything.

    Raises:
        ParameterError: There are fewer than 20.
    """
    if experiments < _FEWEST:
        raise ParameterError(problem("experiments", experiments, f"must be at least {_FEWEST}"))


def simulated(study: Study, experiments: int, seed: int) -> NDArray[np.float64]:
    """Return the values of a study's figures: a row an experiment, a column a figure."""
    rng = stream(seed, f"calibration/{study.estimator}")
    count = max(experiments // study.every, _FEWEST_WORLDS)
    return np.array([study.run(rng) for _ in range(count)], dtype=np.float64)


def _by_name(name: str, experiments: int, seed: int) -> NDArray[np.float64]:
    """Return the same in another process, to which a name can be sent."""
    return simulated(STUDIES[name], experiments, seed)


def judged(studies: Sequence[tuple[Study, NDArray[np.float64]]]) -> CalibrationTable:
    """Return the table of what studies found, with the verdict on each figure."""
    total = sum(len(study.figures) for study, _ in studies)
    rows = [
        _judge(study.estimator, figure, values[:, k], FALSE_FAILURES / total)
        for study, values in studies
        for k, figure in enumerate(study.figures)
    ]
    failed = [row for row in rows if not row.passed]
    held = f"{text.count(len(rows) - len(failed))} of {text.plural(len(rows), 'figure')}"
    said = [
        f"{held} {'lies' if len(rows) == 1 else 'lie'} inside the band that 999 of 1,000 tables keep"
    ]
    said += [
        f"{row.estimator}: {row.figure} was {text.number(row.rate, _DIGITS)}, promised "
        f"{text.number(row.nominal, _DIGITS)}, band {_band(row.low, row.high)}"
        for row in failed
    ]
    return CalibrationTable(
        table=pd.DataFrame(rows, columns=list(Row._fields)),
        text=" ".join(text.sentence(each) for each in said),
        headline=f"{held} hold what they promise",
        passed=not failed,
    )


def _judge(estimator: str, figure: Figure, values: NDArray[np.float64], alpha: float) -> Row:
    """Return the verdict on one figure at its share of the false failures."""
    n, rate = len(values), float(np.mean(values))
    low, high = rate_band(figure, n, alpha) if figure.is_rate else _mean_band(figure, values, alpha)
    passed = bool(low <= rate <= high)
    return Row(estimator, figure.name, n, rate, figure.nominal, low, high, passed)


def _finite(value: object) -> object:
    """Return a value as JSON has it: an end that is open is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _band(low: float, high: float) -> str:
    """Return a band as it is said; an end at infinity is open."""
    if math.isinf(low):
        return f"at most {text.number(high, _DIGITS)}"
    if math.isinf(high):
        return f"at least {text.number(low, _DIGITS)}"
    return text.span(text.number(low, _DIGITS), text.number(high, _DIGITS))


def rate_band(figure: Figure, n: int, alpha: float) -> tuple[float, float]:
    """Return the least and the largest rate of n experiments that pass: exact binomial.

    >>> rate_band(Figure("coverage", 0.95), 2000, 0.001)
    (0.9335, 0.9655)
    """
    tail = alpha if figure.side != "both" else alpha / 2
    law = stats.binom(n, figure.nominal)
    low = 0.0 if figure.side == "at most" else float(law.ppf(tail)) / n
    high = 1.0 if figure.side == "at least" else float(law.isf(tail)) / n
    return low, high


def _mean_band(figure: Figure, values: NDArray[np.float64], alpha: float) -> tuple[float, float]:
    """Return where the mean of values lies when its expectation is the nominal one."""
    tail = alpha if figure.side != "both" else alpha / 2
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = float(stats.t.isf(tail, len(values) - 1)) * error
    low = -math.inf if figure.side == "at most" else figure.nominal - reach
    high = math.inf if figure.side == "at least" else figure.nominal + reach
    return low, high
