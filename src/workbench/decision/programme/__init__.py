"""A programme's schema: one model a noun, strict and frozen. Evaluates nothing."""

from workbench.decision.programme.budget import Budget
from workbench.decision.programme.checked import Conditions, conditions_of
from workbench.decision.programme.choose import (
    Cell,
    Choose,
    ContextWeight,
    Draws,
    Levers,
    Policy,
)
from workbench.decision.programme.experiment import CONTROL, TREATMENT, Experiment, Layer
from workbench.decision.programme.feature import FeatureRule
from workbench.decision.programme.limits import RESPONSES, WHAT_IF, AfterRejections, Cap, Limits
from workbench.decision.programme.offer import Offer, Points, Variant
from workbench.decision.programme.programme import Programme
from workbench.decision.programme.quiet import QuietHours
from workbench.decision.programme.trigger import Every, First, Nth, Then, Trigger, Unless

__all__ = [
    "CONTROL",
    "RESPONSES",
    "TREATMENT",
    "WHAT_IF",
    "AfterRejections",
    "Budget",
    "Cap",
    "Cell",
    "Choose",
    "Conditions",
    "ContextWeight",
    "Draws",
    "Every",
    "Experiment",
    "FeatureRule",
    "First",
    "Layer",
    "Levers",
    "Limits",
    "Nth",
    "Offer",
    "Points",
    "Policy",
    "Programme",
    "QuietHours",
    "Then",
    "Trigger",
    "Unless",
    "Variant",
    "conditions_of",
]
