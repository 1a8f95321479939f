"""What is asked of units: metrics, covariates, populations, and the columns they are made of. Owns no estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from workbench.errors import ParameterError, problem
from workbench.experiment.effect import Parts, Population
from workbench.experiment.metrics import (
    REACHED,
    TRIGGER,
    Covariate,
    Mean,
    Metric,
    Quantile,
    Ratio,
    as_covariate,
    parts_of,
    refuse_outcome,
)
from workbench.experiment.moments import Moments
from workbench.experiment.unit_columns import Layout

BALANCE = "·balance"
"""Name of the block of moments that the balance of covariates is read from."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of units: metrics with their covariates, and how units count."""

    metrics: tuple[Metric, ...]
    covariates: tuple[Covariate, ...]
    layout: Layout
    among: tuple[Covariate, ...] = ()

    def of_metric(self, metric: Mean | Ratio, schema: pl.Schema) -> tuple[Covariate, ...]:
        """Return the covariates of a metric: its own, or those of the read-out."""
        own = tuple(as_covariate(each, schema) for each in metric.covariates)
        return own or self.covariates

    def populations(self, metric: Metric) -> tuple[Population, ...]:
        """Return whom effects on a metric are of."""
        asked: list[Population] = ["all"]
        if isinstance(metric, Quantile):
            return tuple(asked)
        if self.layout.trigger and not self.layout.one_sided:
            asked += ["triggered", "diluted"]
        if self.layout.reached and isinstance(metric, Mean):
            asked.append("compliers")
        return tuple(asked)


def refuse_outcomes(question: Question, schema: pl.Schema) -> None:
    """Refuse a covariate that is the metric itself, or part of it: it would take the effect off.

    Raises:
        ParameterError: There is one.
    """
    for metric in question.metrics:
        if isinstance(metric, Mean | Ratio):
            refuse_outcome(metric, [each.column for each in question.of_metric(metric, schema)])


def refuse_quantiles_of_groups(question: Question) -> None:
    """Refuse a quantile where units have weights or clusters: its error is that of single units.

    Raises:
        ParameterError: There is one.
    """
    for metric in question.metrics:
        if isinstance(metric, Quantile) and question.layout.weighted:
            rule = "must be a mean, a proportion, a count or a ratio with weights or clusters"
            raise ParameterError(problem("metric", metric.name, rule))


def all_covariates(question: Question, schema: pl.Schema) -> tuple[Covariate, ...]:
    """Return every covariate of the read-out once."""
    found = {each.column: each for each in question.covariates}
    for metric in question.metrics:
        if isinstance(metric, Mean | Ratio):
            found |= {each.column: each for each in question.of_metric(metric, schema)}
    return tuple(found.values())


def block_name(metric: Metric, population: str) -> str:
    """Return the name of the block of moments of a metric and population."""
    return f"{metric.name}\0{population}"


def parts_of_question(question: Question, schema: pl.Schema) -> dict[str, Parts]:
    """Return which columns each metric is made of, by population, and those of the balance."""
    weighted, parts = question.layout.weighted, {}
    for metric in question.metrics:
        if isinstance(metric, Quantile):
            continue
        covariates = question.of_metric(metric, schema)
        for population in question.populations(metric):
            indicator = {"all": "", "compliers": REACHED}.get(population, TRIGGER)
            among = population in {"triggered", "diluted"}
            parts[block_name(metric, population)] = parts_of(
                metric,
                (*covariates, *question.among) if among else covariates,
                weighted=weighted,
                indicator=indicator,
                among=among,
            )
    known = all_covariates(question, schema)
    if known:
        anchor = Mean(known[0].column.partition(" / ")[0])
        parts[BALANCE] = parts_of(anchor, known, weighted=weighted)
    return parts


def by_arm(
    moments: Mapping[tuple[object, ...], dict[str, Moments]],
) -> dict[str, dict[str, Moments]]:
    """Return moments that were grouped by arm alone, by its label."""
    return {str(key[0]): found for key, found in moments.items()}
