"""Everyone who entered a programme's experiment, triggered or not, and effects diluted to them. Owns no estimator.

A window behind a trigger has closed only for triggers up to an instant, so the population is who had
entered by then. Who was triggered by then counts from the first trigger on. Who was not counts for as
many days from entry, and never beyond a later trigger: so nothing that an arm can have changed is in it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from workbench import text
from workbench.decision.assignment import assigned_column, holdout_columns
from workbench.decision.house import ProgrammeSet
from workbench.experiment import trust as trusting
from workbench.experiment.cohort import SETTLED, Cohort, around
from workbench.experiment.effect import Comparison
from workbench.experiment.effects import EffectKey, check_untriggered, compare_arms
from workbench.experiment.question import Question, by_arm, parts_of_question
from workbench.experiment.sample_ratio import sample_ratio
from workbench.experiment.trust import TrustCheck
from workbench.experiment.unit_columns import Layout, moments_of
from workbench.experiment.units import take_units
from workbench.log import Log
from workbench.records import GLOBAL_HOLDOUT, REASON_OF_CODE

_GLOBAL = REASON_OF_CODE[GLOBAL_HOLDOUT].name
_TRIGGERED = "triggered"


@dataclass(frozen=True, kw_only=True, eq=False)
class Diluted:
    """Effects over everyone who entered, beside those among the triggered.

    Attributes:
        comparisons: The effects.
        thin: Why one is not there.
        counts: Units that entered, by arm.
        checks: That they are as many as was meant, alike without a trigger, and how many there are.
    """

    comparisons: Mapping[EffectKey, Comparison]
    thin: Mapping[EffectKey, str]
    counts: Mapping[str, int]
    checks: tuple[TrustCheck, ...]


def entered_units(
    log: Log,
    rows: pl.LazyFrame,
    programme: str,
    cohort: Cohort,
    *,
    programmes: ProgrammeSet | None,
    outcome_days: int,
) -> pl.DataFrame:
    """Return a row a customer who had entered when the last window of the cohort opened.

    Args:
        log: The log that the decisions were made on.
        rows: The decision log.
        programme: Name of the programme.
        cohort: Its triggered units whose window has closed.
        programmes: The programmes as they ran; with them every customer of the log who has an arm
            entered: at the first decision, or where there is none at the first event since the
            programme decided anything. None: only who has a decision entered.
        outcome_days: Length of the window.

    Returns:
        ``person_id``, ``arm``, ``triggered`` and the outcomes of the cohort; of who was not triggered
        covariates of the days before a trigger are 0.
    """
    reason = pl.col("reason").cast(pl.String)
    mine = rows.filter(pl.col("programme").cast(pl.String) == programme)
    people = (
        mine.group_by(person=pl.col("person").cast(pl.String))
        .agg(
            arm=pl.col("arm").cast(pl.String).drop_nulls().first(),
            entered_at=pl.col("ts").min(),
            until=pl.col("ts").filter(reason.is_in(SETTLED)).min(),
            held=(reason == _GLOBAL).any(),
        )
        .collect()
    )
    start = people["entered_at"].min()
    people = people.filter(~pl.col("held"), pl.col("arm").is_in(list(cohort.shares))).drop("held")
    if programmes is not None:
        seen = log.to_polars(["person_id", "ts"]).lazy().filter(pl.col("ts") >= start)
        first_seen = seen.group_by("person_id").agg(seen=pl.col("ts").min()).collect()
        people = (
            with_everyone(people, log, programmes, programme)
            .join(first_seen, left_on="person", right_on="person_id", how="left")
            .with_columns(pl.coalesce("entered_at", "seen", pl.lit(start)))
        )
    last: Any = log.last_ts
    people = people.filter(pl.col("entered_at") <= last - dt.timedelta(days=outcome_days))
    rest = people.select(pl.col("person").alias("person_id"), "arm", "entered_at", "until").join(
        cohort.frame.select("person_id"), on="person_id", how="anti"
    )
    sums = around(log, rest, (1, outcome_days))
    outcomes = [name for name in sums.columns if not name.endswith(("_before", "_before_cents"))]
    untriggered = rest.join(sums.select(outcomes), on="person_id", how="left")
    both = pl.concat(
        [
            cohort.frame.drop("bought").with_columns(pl.lit(value=True).alias(_TRIGGERED)),
            untriggered.with_columns(pl.lit(value=False).alias(_TRIGGERED)),
        ],
        how="diagonal_relaxed",
    )
    numbers = [name for name, kind in both.schema.items() if kind.is_numeric()]
    return (
        both.drop("entered_at", "until", "entered", "closed")
        .with_columns(pl.col(numbers).fill_null(0))
        .with_columns(bought=pl.col("purchases") > 0)
        .sort("person_id")
    )


def with_everyone(
    people: pl.DataFrame, log: Log, rules: ProgrammeSet, programme: str
) -> pl.DataFrame:
    """Return every customer of the log who is in the experiment, with or without a decision.

    Who is in the global hold-out is in no arm.
    """
    experiment: Any = next(each for each in rules if each.name == programme).experiment
    persons = log.codes("person").rename("person")
    _, arms = assigned_column(experiment, persons)
    names = [name for name, _, _ in experiment.ranges]
    held, _ = holdout_columns(rules.house.holdout, persons)
    everyone = pl.DataFrame({"person": persons, "place": arms, "held": held})
    inside = everyone.filter(~pl.col("held") & (pl.col("place") < len(names)))
    labels = pl.Series(names, dtype=pl.String).gather(inside["place"].cast(pl.UInt32))
    assigned = inside.select("person").with_columns(arm=labels)
    return assigned.join(people.drop("arm"), on="person", how="left")


def dilute(
    frame: pl.DataFrame, question: Question, shares: Mapping[str, float], outcome_days: int
) -> Diluted | None:
    """Return the effects over everyone who entered, or none where everyone was triggered.

    Args:
        frame: From :func:`entered_units`.
        question: The metrics and covariates of the triggered.
        shares: Meant share of each arm.
        outcome_days: Length of the window.
    """
    triggered = int(frame[_TRIGGERED].sum())
    if triggered == frame.height:
        return None
    units = take_units(frame, arm="arm", control="control", unit="person_id")
    layout = Layout(trigger=_TRIGGERED)
    asked = Question(metrics=question.metrics, covariates=question.covariates, layout=layout)
    parts = parts_of_question(asked, units.frame.collect_schema())
    moments = by_arm(moments_of(units, parts, layout))
    found, thin = compare_arms(units, asked, parts, moments)
    sizes = trusting.of_ratio(sample_ratio(units.counts, shares=shares))
    many = (
        f"of {text.plural(frame.height, 'unit')} that entered {text.share(triggered / frame.height)} were "
        f"triggered while a window of {text.days(outcome_days)} could close; the others count for as long "
        "from entry"
    )
    return Diluted(
        comparisons={key: each for key, each in found.items() if key[2] == "diluted"},
        thin={key: each for key, each in thin.items() if key[2] == "diluted"},
        counts=units.counts,
        checks=(
            sizes._replace(check="entered", finding=f"over all that entered {sizes.finding}"),
            check_untriggered(units, asked, parts, moments),
            TrustCheck("dilution", many, holds=True, blocks=None),
        ),
    )
