"""The simulated world beside what logs say: readings of effects, marginals, claims of the field."""

from workbench.calibration.effects import Readings, readings

__all__ = ["Readings", "readings"]
