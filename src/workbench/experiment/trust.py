"""What must hold before an effect may be read: each check with its value, and a verdict. Owns no effect.

A check that blocks ends the read-out with its reason: *not identified* when the arms are not alike by
design, *not enough data* when they are too small to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import pandas as pd

from workbench import text
from workbench.experiment.balance import Balance
from workbench.experiment.effect import Comparison
from workbench.experiment.metrics import Covariate, spoken
from workbench.experiment.sample_ratio import SampleRatio

Verdict: TypeAlias = Literal["identified", "not identified", "not enough data"]

NOT_IDENTIFIED: Verdict = "not identified"
FEWEST_UNITS = 30
"""Fewer units in an arm carry no normal approximation."""

FEWEST_EVENTS = 10
"""Fewer events in an arm carry no interval of a share or a count."""

UNITS_A_COVARIATE = 10
"""Further units an arm that each covariate asks for."""

VALIDITY_ALPHA = 0.001


class TrustCheck(NamedTuple):
    """One check: what was looked at, what was found, whether it holds, and what it blocks."""

    check: str
    finding: str
    holds: bool
    blocks: Verdict | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Trust(text.Result):
    """Whether a read-out may be believed.

    Attributes:
        table: A row a check: ``check``, ``finding``, ``holds``, ``blocks``.
        text: The verdict with its reasons.
        verdict: ``"identified"``, ``"not identified"`` or ``"not enough data"``.
        reasons: Why not; empty when it is identified.
        warnings: What does not block and should be known.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether effects may be read."""
        return self.verdict == "identified"


def trust(checks: Sequence[TrustCheck]) -> Trust:
    """Return the verdict over some checks.

    >>> trust([TrustCheck("control", "nobody is in “control”", False, "not identified")]).text
    'Not identified: nobody is in “control”.'
    """
    failed = [each for each in checks if not each.holds and each.blocks]
    warned = tuple(each.finding for each in checks if not each.holds and not each.blocks)
    verdict: Verdict = "identified"
    if failed:
        kinds = [each.blocks for each in failed]
        verdict = NOT_IDENTIFIED if NOT_IDENTIFIED in kinds else "not enough data"
        said = f"{verdict}: {'; '.join(each.finding.rstrip('.') for each in failed)}"
    else:
        held = "; ".join(each.finding.rstrip(".") for each in checks if each.holds)
        said = f"the comparison can be trusted: {held}"
    sentences = [text.sentence(said), *(text.sentence(each) for each in warned)]
    return Trust(
        table=pd.DataFrame(checks, columns=list(TrustCheck._fields)),
        text=" ".join(sentences),
        verdict=verdict,
        reasons=tuple(each.finding for each in failed),
        warnings=warned,
    )


def of_design(assignment: str, control: str, counts: Mapping[str, int]) -> list[TrustCheck]:
    """Check that somebody drew lots, and that there is a control with enough units."""
    checks = []
    if assignment == "targeted":
        finding = (
            "the offers went to customers who were chosen, not drawn, so those without one are other "
            "customers, and no comparison of the two is the effect"
        )
        checks.append(TrustCheck("assignment", finding, holds=False, blocks=NOT_IDENTIFIED))
    if control not in counts or len(counts) == 1:
        missing = (
            f"nobody is in the control {text.named(control)}"
            if control not in counts
            else f"nobody is in another arm than {text.named(control)}"
        )
        checks.append(TrustCheck("control", missing, holds=False, blocks=NOT_IDENTIFIED))
    small = {arm: n for arm, n in counts.items() if n < FEWEST_UNITS}
    if small:
        parts = [f"{text.plural(n, 'unit')} in {text.named(arm)}" for arm, n in small.items()]
        finding = f"{text.listing(parts)}, needs {FEWEST_UNITS} in each arm"
        checks.append(TrustCheck("units", finding, holds=False, blocks="not enough data"))
    return checks


def of_segments(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[TrustCheck]:
    """Check by dimension and segment that no arm stands in one segment while others are in more."""
    checks = []
    for dimension, segments in counts.items():
        arms = {arm for each in segments.values() for arm in each}
        places = {
            arm: [name for name, each in segments.items() if each.get(arm)] for arm in sorted(arms)
        }
        if len(segments) > 1:
            for arm, each in places.items():
                if len(each) == 1:
                    finding = (
                        f"all of {text.named(arm)} have {text.words(dimension)} {text.named(each[0])}, and "
                        "other arms are elsewhere too: the arms are other customers"
                    )
                    checks.append(
                        TrustCheck("segments", finding, holds=False, blocks=NOT_IDENTIFIED)
                    )
    return checks


def of_ratio(ratio: SampleRatio) -> TrustCheck:
    """Check the sample ratio, which blocks."""
    return TrustCheck("sample ratio", _inner(ratio.text), ratio.passed, NOT_IDENTIFIED)


def of_balance(found: Balance) -> TrustCheck:
    """Check the balance of covariates, which blocks."""
    return TrustCheck("balance", _inner(found.text), found.passed, NOT_IDENTIFIED)


def of_unknown(found: Balance | None) -> TrustCheck:
    """Say what can be said of arms of which nobody knows how they came about.

    It blocks without a covariate; with some, their balance does.
    """
    if found is None:
        finding = (
            "nobody says how units came into their arms, and without a covariate nothing tests whether "
            "it was by lot"
        )
        return TrustCheck("assignment", finding, holds=False, blocks=NOT_IDENTIFIED)
    finding = (
        "how units came into their arms is not known; what was known before is consistent with "
        "randomisation, which is no proof of it"
        if found.passed
        else "how units came into their arms is not known, and it was not by lot"
    )
    return TrustCheck("assignment", finding, holds=False, blocks=None)


def _inner(sentences: str) -> str:
    """Return sentences as the inside of one: no capital and no full stop."""
    return f"{sentences[:1].lower()}{sentences[1:].rstrip('.')}".replace(". The ", "; the ")


def of_windows(covariates: Sequence[Covariate], assigned_from: object) -> list[TrustCheck]:
    """Check that each covariate says when its window ended, and that this was before assignment."""
    open_ = [each.column for each in covariates if each.window_ends is None]
    checks = []
    if open_:
        names = text.listing([spoken(each) for each in open_])
        finding = (
            f"{names} {'does' if len(open_) == 1 else 'do'} not say when the window ended; what treatment "
            "can reach is no covariate"
        )
        checks.append(TrustCheck("covariate windows", finding, holds=False, blocks=None))
    late = [
        each.column
        for each in covariates
        if each.window_ends is not None
        and assigned_from is not None
        and str(each.window_ends) > str(assigned_from)[:10]
    ]
    if late:
        names = text.listing([spoken(each) for each in late])
        finding = f"the window of {names} ends after the first assignment, so treatment can have reached it"
        checks.append(TrustCheck("covariate windows", finding, holds=False, blocks=NOT_IDENTIFIED))
    return checks


def of_untriggered(found: Mapping[tuple[str, str], Comparison]) -> TrustCheck:
    """Check that what came before or without a trigger shows no effect, over metrics and arms.

    It blocks: an effect where none can be means that the trigger was logged differently by arm.
    """
    worst, p_value = min(
        ((name, each.absolute.p_value) for name, each in found.items()), key=lambda each: each[1]
    )
    p_value = min(1.0, p_value * len(found))
    holds = p_value >= VALIDITY_ALPHA
    said = text.p_value(p_value)
    said = f"p {said}" if said.startswith("<") else f"p = {said}"
    shows = "shows no effect" if holds else f"shows an effect on {spoken(worst[0])}"
    finding = f"what came without a trigger {shows} ({said})"
    return TrustCheck("trigger", finding, holds, NOT_IDENTIFIED)
