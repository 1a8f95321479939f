"""What drives the core: a log, or one event at a time. Owns no rule of any kind."""

from workbench.replay.decision_log import load_state
from workbench.replay.one_event import DecisionCore
from workbench.replay.replay import replay
from workbench.replay.result import Replay

__all__ = ["DecisionCore", "Replay", "load_state", "replay"]
