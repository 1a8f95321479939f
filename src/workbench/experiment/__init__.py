"""Experiments: design, read-out, triggered and micro-randomised effects, monitoring, money.

Takes frames, decision logs and moments; knows no truth and draws nothing.
"""

from workbench.experiment.effect import Comparison, Estimate, Parts, compare
from workbench.experiment.moments import Moments

__all__ = ["Comparison", "Estimate", "Moments", "Parts", "compare"]
