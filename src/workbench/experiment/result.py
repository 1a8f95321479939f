"""What a read-out hands back: trust, effects and what follows, or a refusal. Owns no estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from workbench import text
from workbench.errors import InputError
from workbench.experiment import said
from workbench.experiment import trust as trusting
from workbench.experiment.balance import Balance
from workbench.experiment.effect import Comparison, Estimate, Population
from workbench.experiment.effects import EffectKey
from workbench.experiment.outliers import Outliers
from workbench.experiment.sample_ratio import SampleRatio
from workbench.experiment.segments import Heterogeneity, Novelty
from workbench.experiment.trust import Trust
from workbench.experiment.weekdays import Weekdays


@dataclass(frozen=True, kw_only=True, eq=False)
class CarryOver(text.Result):
    """The effects with and without the units that another programme reached in their window.

    Attributes:
        table: A row a metric and arm: ``metric``, ``arm``, ``effect``, ``standard_error``,
            ``effect_without``, ``standard_error_without`` (empty when that may not be read).
        text: The effects without those units, or why they may not be read.
    """


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadOut(text.Result):
    """What an experiment did, or why that cannot be said.

    Attributes:
        table: A row for each metric, arm and population: ``metric``, ``arm``, ``population``,
            ``control`` and ``treatment`` (levels), ``effect``, ``standard_error``, ``low``, ``high``,
            ``relative``, ``relative_low``, ``relative_high``, ``p_value``, ``p_adjusted``,
            ``variance_kept``, ``units`` and ``verdict``: ``"more"``, ``"less"``, ``"open"`` or why there
            is no effect. Empty when the experiment as a whole is refused.
        text: Trust, effect, worth and next step in sentences; the finding first.
        trust: Every check that stands before an effect.
        sample_ratio: The check of the sizes of the arms; None when there is no control.
        balance: Covariates before the experiment; None without any.
        comparisons: The effects by metric, arm and population.
        segments: Effects on the first metric by segment, for each dimension and arm.
        novelty: The effect of the first arm on the first metric by day of entry; None without days.
        weekdays: The effect on the first metric by day of the week of entry and its trend apart from
            that, for each arm; empty without more than a week of dates.
        outliers: How much hangs on single units; None without a mean.
        level: Level of the intervals.
        worth: What the effects come to in all, in sentences.
        next_step: What to do with it, in sentences.
        carry_over: What other programmes have to do with it; None when they reached nobody, or for
            units that are no decision log with a fixed window.
    """

    trust: Trust
    sample_ratio: SampleRatio | None
    balance: Balance | None
    comparisons: Mapping[EffectKey, Comparison]
    segments: Mapping[tuple[str, str], Heterogeneity]
    novelty: Novelty | None
    weekdays: Mapping[str, Weekdays]
    outliers: Outliers | None
    level: float
    worth: str
    next_step: str
    carry_over: CarryOver | None = None

    @property
    def verdict(self) -> trusting.Verdict:
        """``"identified"``, ``"not identified"`` or ``"not enough data"``."""
        return self.trust.verdict

    @property
    def passed(self) -> bool:
        """Whether there are effects to read."""
        return self.trust.passed

    @property
    def page(self) -> pd.DataFrame:
        """The table as a reader sees it: every number written with its unit."""
        return said.page(self.table, self.level)

    def comparison(
        self, metric: str, arm: str | None = None, population: Population | None = None
    ) -> Comparison:
        """Return the effect on a metric; the arm may be left out when there is one.

        Without a population it is the effect on all units, or where those are the triggered of a fixed
        window the effect among them.

        Raises:
            InputError: There is no such effect; the reason is named.
        """
        there = {whom for _, _, whom in self.comparisons}
        asked = population or ("all" if "all" in there or not there else "triggered")
        for (name, label, whom), found in self.comparisons.items():
            if name == metric and whom == asked and arm in {None, label}:
                return found
        reasons = "; ".join(self.trust.reasons) or "it was not asked for, or has not enough data"
        raise InputError(f"there is no effect on {metric!r} ({asked}): {reasons}")

    def estimate(
        self, metric: str, arm: str | None = None, population: Population | None = None
    ) -> Estimate:
        """Return the absolute effect on a metric: value, error and units, as a sequence takes it.

        Raises:
            InputError: There is no such effect; the reason is named.
        """
        return self.comparison(metric, arm, population).absolute


def refused(
    trust: Trust,
    ratio: SampleRatio | None,
    level: float,
    alike: Balance | None = None,
    *,
    stated: bool = True,
) -> ReadOut:
    """Return a read-out without any effect; sizes that were taken for equal are said to have been."""
    hint = ""
    if ratio is not None and not ratio.passed and not stated:
        hint = (
            "Equal sizes were taken for granted; if the arms were meant to differ, name their shares, such as "
            "{'control': 1, 'offer': 9}. "
        )
    return ReadOut(
        table=pd.DataFrame(columns=list(said.COLUMNS)),
        text=f"{trust.text} {hint}No effect is given.",
        headline=text.sentence(trust.verdict).rstrip("."),
        trust=trust,
        sample_ratio=ratio,
        balance=alike,
        comparisons={},
        segments={},
        novelty=None,
        weekdays={},
        outliers=None,
        level=level,
        worth="Nothing can be said of what it is worth.",
        next_step=said.after_refusal(trust),
    )
