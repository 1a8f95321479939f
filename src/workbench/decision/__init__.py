"""The decision core: programmes, features, assignment, state, ``decide`` and ``fold``.

It reads no clock, no random source and no environment, and has no loop over a log.
"""

from workbench.decision.core import SPEC_VERSION
from workbench.decision.features import FEATURES, Feature
from workbench.decision.house import House, ProgrammeSet
from workbench.decision.load import load_programmes
from workbench.decision.overview import programme_table
from workbench.decision.programme import Programme
from workbench.decision.state import CoreState

__all__ = [
    "FEATURES",
    "SPEC_VERSION",
    "CoreState",
    "Feature",
    "House",
    "Programme",
    "ProgrammeSet",
    "load_programmes",
    "programme_table",
]
