"""Micro-randomised trials: what an offer does just after a decision point. Owns no log and no window.

The unit is the decision point, the cluster is the person. Means: weighted and centred least squares
(Boruvka, Almirall, Witkiewitz and Murphy 2018, JASA 113). Binary outcomes: the log relative risk of
Qian, Yoo, Klasnja, Almirall and Murphy (2021, Biometrika 108). Errors: the sandwich over persons with
the correction of Mancl and DeRouen (2001, Biometrics 57), and t with persons less coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.effect import Estimate
from workbench.frames import Frame, as_polars, need_columns

Floats: TypeAlias = NDArray[np.float64]

EFFECT = "effect"
_MOST_STEPS = 50
_HALVINGS = 30
_SOLVED = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class ProximalEffect(text.Result):
    """The effect of treating at a decision point on what follows it.

    Attributes:
        table: A row a term: ``term`` (``effect``, then one for each moderator), ``estimate``,
            ``standard_error``, ``low``, ``high`` and ``p_value``; for a binary outcome these are
            log relative risks, and ``ratio``, ``ratio_low`` and ``ratio_high`` are relative risks.
        text: The effect, over how many decision points and persons, and what was assumed.
        estimates: Of the terms, in the order of the table; degrees of freedom are persons less
            coefficients, and the counts are decision points treated and not.
        points: Decision points at which the person was available.
        unavailable: Decision points left out because the person was not.
        persons: Persons with an available decision point.
        covariance: Of the terms, in the order of the table.
    """

    estimates: tuple[Estimate, ...]
    points: int
    unavailable: int
    persons: int
    covariance: Floats


@dataclass(frozen=True, eq=False)
class Trial:
    """The available decision points as arrays, sorted by person.

    Attributes:
        starts: Where each person's points begin.
        treated: 1 where treated, else 0.
        weight: (p̃/p) where treated, else (1−p̃)/(1−p).
        centred: ``treated`` less p̃.
        outcome: What followed.
        controls: 1 and what predicts the outcome, a column each.
        moderators: 1 and what the effect may depend on, a column each.
    """

    starts: NDArray[np.int64]
    treated: Floats
    weight: Floats
    centred: Floats
    outcome: Floats
    controls: Floats
    moderators: Floats

    @property
    def instruments(self) -> Floats:
        """What residuals are orthogonal to: controls, and moderators times the centred treatment."""
        return np.hstack([self.controls, self.moderators * self.centred[:, None]])


@checked
def proximal_effect(
    points: Frame,
    *,
    outcome: str,
    treated: str = "treated",
    probability: str = "probability",
    person: str = "person",
    available: str | None = None,
    controls: Sequence[str] = (),
    moderators: Sequence[str] = (),
    binary: bool = False,
    reference: float | None = None,
    level: float = 0.95,
) -> ProximalEffect:
    """Estimate what treating at a decision point does to the outcome that follows it.

    The effect is marginal over everything that is not a moderator, the person's past included; it
    holds even where the controls describe the outcome badly, because the treatment is centred.

    Args:
        points: A row a decision point: pandas, Polars or lazy.
        outcome: Column of the proximal outcome, of a window that has closed.
        treated: Column that says whether the person was treated, true or 1.
        probability: Column of the probability of being treated then, strictly between 0 and 1.
        person: Column of the person: the cluster.
        available: Column that says whether treatment was possible; none: always.
        controls: Columns known before the decision that predict the outcome.
        moderators: Columns known before the decision that the effect may depend on, linearly; they
            are controls too.
        binary: The outcome is 0 or 1, and the effect is a log relative risk.
        reference: The constant probability p̃ that decision points are weighted to; none: the mean
            of ``probability`` where available.
        level: Level of the intervals.

    Returns:
        A row a term with its interval.

    Raises:
        ParameterError: ``level`` or ``reference`` is not strictly between 0 and 1.
        InputError: A column is missing, has nulls or is not a number; a probability is 0 or 1; all
            or none were treated; columns are collinear; there are too few persons or events.

    >>> import polars as pl
    >>> points = pl.DataFrame({"person": [k // 4 for k in range(32)], "probability": [0.5] * 32,
    ...                        "treated": [0, 1, 1, 0] * 8, "bought": [0, 1, 0, 0, 1, 1, 1, 0] * 4})
    >>> proximal_effect(points, outcome="bought").table["estimate"].round(3).to_list()
    [0.5]
    """
    for name, value in (("level", level), ("reference", reference)):
        if value is not None and not 0 < value < 1:
            raise ParameterError(problem(name, value, "must be strictly between 0 and 1"))
    names = list(dict.fromkeys([*controls, *moderators]))
    frame = as_polars(points, "points")
    used = [person, treated, probability, outcome, *names, *([available] if available else [])]
    need_columns(frame.columns, used, "points")
    there = frame.filter(_flag(frame, available)) if available else frame
    trial = _trial(
        there, names, list(moderators), (person, treated, probability, outcome), reference
    )
    terms = [EFFECT, *moderators]
    size = trial.controls.shape[1] + len(terms)
    persons = len(trial.starts)
    if persons <= size + 1:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: {text.plural(persons, 'person')} for {size} coefficients; "
            f"needs at least {size + 2}"
        )
    estimate, covariance = relative_risk(trial) if binary else least_squares(trial)
    ours = slice(size - len(terms), size)
    treated_points = int(trial.treated.sum())
    estimates = tuple(
        Estimate(
            value=float(value),
            standard_error=math.sqrt(variance),
            df=persons - size,
            n_treatment=treated_points,
            n_control=there.height - treated_points,
        )
        for value, variance in zip(estimate[ours], np.diag(covariance)[ours], strict=True)
    )
    table = _table(terms, estimates, level)
    if binary:
        for name, column in (("ratio", "estimate"), ("ratio_low", "low"), ("ratio_high", "high")):
            table[name] = np.exp(table[column])
    left_out = frame.height - there.height
    return ProximalEffect(
        table=table,
        text=_sentence(table, outcome, (there.height, left_out, persons), level, binary=binary),
        headline=_headline(table, outcome, binary=binary),
        estimates=estimates,
        points=there.height,
        unavailable=left_out,
        persons=persons,
        covariance=covariance[ours, ours],
    )


def least_squares(trial: Trial) -> tuple[Floats, Floats]:
    """Return coefficients and covariance of weighted and centred least squares.

    The coefficients solve Σ W (Y − g'α − (A − p̃) f'β) (g, (A − p̃) f) = 0.
    """
    design = trial.instruments
    weighted = design * trial.weight[:, None]
    theta = _solve(weighted.T @ design, weighted.T @ trial.outcome)
    return theta, sandwich(trial, weighted, design, trial.outcome - design @ theta)


def relative_risk(trial: Trial) -> tuple[Floats, Floats]:
    """Return coefficients and covariance of the estimator for binary outcomes.

    The coefficients solve Σ W (exp(−A f'β) Y − exp(g'α)) (g, (A − p̃) f) = 0, by Newton steps that
    are halved until they come nearer.

    Raises:
        InputError: The outcome never happens in an arm, or no step comes nearer: β is infinite.
    """
    if not np.isin(trial.outcome, (0, 1)).all():
        raise InputError("a binary outcome must be 0 or 1 everywhere")
    for arm, name in ((1, "where treated"), (0, "where not treated")):
        if not trial.outcome[trial.treated == arm].any():
            raise InputError(f"{text.NOT_ENOUGH_DATA}: the outcome never happens {name}")
    weighted = trial.instruments * trial.weight[:, None]
    count = trial.controls.shape[1]
    theta = np.zeros(weighted.shape[1])
    theta[0] = np.log(trial.outcome.mean())

    def residual_and_slope(at: Floats) -> tuple[Floats, Floats]:
        with np.errstate(over="ignore", invalid="ignore"):
            blip = np.exp(-trial.treated * (trial.moderators @ at[count:])) * trial.outcome
            base = np.exp(trial.controls @ at[:count])
        slope = np.hstack(
            [trial.controls * base[:, None], trial.moderators * (trial.treated * blip)[:, None]]
        )
        return blip - base, slope

    residual, slope = residual_and_slope(theta)
    for _ in range(_MOST_STEPS):
        score = weighted.T @ residual
        if np.abs(score).max() <= _SOLVED * len(residual):
            return theta, sandwich(trial, weighted, slope, residual)
        step = _solve(weighted.T @ slope, score)
        for halving in range(_HALVINGS):
            nearer = theta + step / 2**halving
            residual, slope = residual_and_slope(nearer)
            if np.linalg.norm(weighted.T @ residual) < np.linalg.norm(score):
                break
        else:
            break
        theta = nearer
    raise InputError(
        f"{text.NOT_ENOUGH_DATA}: no finite relative risk solves the equations; the outcome is too "
        "rare for these controls and moderators"
    )


def sandwich(trial: Trial, instruments: Floats, slope: Floats, residual: Floats) -> Floats:
    """Return the covariance over persons with the correction of Mancl and DeRouen.

    With Z the weighted instruments of a person, J the slope and r the residual, the corrected score
    Z'(I − J K⁻¹ Z')⁻¹ r equals (I − Z'J K⁻¹)⁻¹ Z'r, K being the sum of Z'J: no matrix is larger
    than the coefficients, however many decision points a person has.

    Args:
        trial: Whose points lie where.
        instruments: Z, a row a point.
        slope: J, minus the derivative of the residual.
        residual: r.

    Raises:
        InputError: One person decides a coefficient alone.
    """
    parts = np.stack(
        [np.add.reduceat(instruments[:, [k]] * slope, trial.starts) for k in range(slope.shape[1])],
        axis=1,
    )
    scores = np.add.reduceat(instruments * residual[:, None], trial.starts)
    bread = np.linalg.inv(parts.sum(axis=0))
    without = np.eye(slope.shape[1]) - parts @ bread
    if np.linalg.cond(without).max() > 1 / np.sqrt(np.finfo(float).eps):
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: one person alone decides a coefficient; drop the control or "
            "moderator that only this person has"
        )
    corrected = np.linalg.solve(without, scores[:, :, None])[:, :, 0]
    covariance: Floats = bread @ (corrected.T @ corrected) @ bread.T
    return covariance


def _trial(
    there: pl.DataFrame,
    controls: list[str],
    moderators: list[str],
    columns: tuple[str, str, str, str],
    reference: float | None,
) -> Trial:
    """Return the available points as arrays, checked."""
    person, treated, probability, outcome = columns
    if there.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: there is no available decision point")
    if nulls := there[person].null_count():
        raise InputError(f"{person} has {text.plural(nulls, 'null')}; each point needs its person")
    ordered = there.sort(person, maintain_order=True)
    chance = _numbers(ordered, probability)
    if ((chance <= 0) | (chance >= 1)).any():
        count = int(((chance <= 0) | (chance >= 1)).sum())
        raise InputError(
            f"not identified: {probability} is not strictly between 0 and 1 at "
            f"{text.plural(count, 'available decision point')}; name them as not available"
        )
    took = _flag(ordered, treated).to_numpy().astype(float)
    if took.all() or not took.any():
        raise InputError(f"not identified: {treated} is the same at every available decision point")
    to = float(chance.mean()) if reference is None else reference
    ones = np.ones((ordered.height, 1))
    g = np.hstack([ones, *(_numbers(ordered, name)[:, None] for name in controls)])
    f = np.hstack([ones, *(_numbers(ordered, name)[:, None] for name in moderators)])
    if np.ptp(_numbers(ordered, outcome)) == 0:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: {outcome} is the same at every available decision point"
        )
    trial = Trial(
        starts=np.flatnonzero(ordered[person].rle_id().diff().fill_null(1).to_numpy() != 0),
        treated=took,
        weight=np.where(took > 0, to / chance, (1 - to) / (1 - chance)),
        centred=took - to,
        outcome=_numbers(ordered, outcome),
        controls=g,
        moderators=f,
    )
    if np.linalg.matrix_rank(trial.instruments) < trial.instruments.shape[1]:
        raise InputError(
            f"not identified: {text.listing([*controls]) if controls else treated} carry the same "
            "information twice or none; drop a column that is constant or follows from the others"
        )
    return trial


def _flag(frame: pl.DataFrame, column: str) -> pl.Series:
    """Return a column of truth values, or of 0 and 1, as truth values."""
    values = _numbers(frame, column)
    if not np.isin(values, (0, 1)).all():
        raise InputError(f"{column} must be true or false, or 1 or 0, at every decision point")
    return pl.Series(column, values == 1)


def _numbers(frame: pl.DataFrame, column: str) -> Floats:
    """Return a column as numbers; a null, a text or an infinity is an error."""
    values = frame[column]
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        raise InputError(f"{column} must hold numbers, holds {values.dtype}")
    numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    if bad := int((~np.isfinite(numbers)).sum()):
        raise InputError(
            f"{column} is null or infinite at {text.plural(bad, 'decision point')}; set it, or name "
            "these points as not available"
        )
    return numbers


def _solve(matrix: Floats, right: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise InputError("not identified: the columns carry the same information twice") from None


def _table(terms: list[str], estimates: Sequence[Estimate], level: float) -> pd.DataFrame:
    rows = []
    for term, each in zip(terms, estimates, strict=True):
        low, high = each.interval(level)
        rows.append((term, each.value, each.standard_error, low, high, each.p_value))
    columns = ["term", "estimate", "standard_error", "low", "high", "p_value"]
    return pd.DataFrame(rows, columns=columns)


def _said(row: pd.Series, outcome: str, *, binary: bool) -> tuple[str, str, str]:
    """Return the estimate and its ends as a reader sees them."""
    if binary:
        names = ("ratio", "ratio_low", "ratio_high")
        return text.number(row[names[0]]), text.number(row[names[1]]), text.number(row[names[2]])
    one, low, high = (text.cell(outcome, row[name]) for name in ("estimate", "low", "high"))
    return one, low, high


def _sentence(
    table: pd.DataFrame, outcome: str, counts: tuple[int, int, int], level: float, *, binary: bool
) -> str:
    points, left_out, persons = counts
    one, low, high = _said(table.iloc[0], outcome, binary=binary)
    what = f"multiplies the chance of {text.words(outcome)} by" if binary else "changes it by"
    subject = "" if binary else f" for {text.words(outcome.removesuffix('_cents'))}"
    where = " where every moderator is 0" if len(table) > 1 else ""
    said = [
        f"treating at a decision point{subject} {what} {one}{where} "
        f"({text.interval(low, high, level)}; {text.plural(points, 'decision point')} of "
        f"{text.plural(persons, 'person')})"
    ]
    for _, row in table.iloc[1:].iterrows():
        one, low, high = _said(row, outcome, binary=binary)
        verb = "multiplied by" if binary else "changed by"
        said.append(
            f"for each unit of {text.words(row['term'])} the effect is {verb} {one} "
            f"({text.interval(low, high, level)})"
        )
    if left_out:
        said.append(f"{text.plural(left_out, 'point')} without availability say nothing")
    return " ".join(text.sentence(each) for each in said)


def _headline(table: pd.DataFrame, outcome: str, *, binary: bool) -> str:
    one, low, high = _said(table.iloc[0], outcome, binary=binary)
    name = text.words(outcome.removesuffix("_cents"))
    how = f"times {one}" if binary else f"by {one}"
    return f"An offer changes {name} {how} ({text.span(low, high)})"
