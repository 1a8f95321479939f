"""What drives the core: a log, or one event at a time. Owns no rule of any kind."""

from workbench.replay.anyway import CameAnyway, came_anyway
from workbench.replay.broadcast import broadcast_at_cost
from workbench.replay.cause import Causes, causes
from workbench.replay.compare import Diff, diff
from workbench.replay.contacts import Contacts, UnderServed, contacts_per_week, under_served
from workbench.replay.decision_log import load_state
from workbench.replay.explaining import Explanation, explain
from workbench.replay.factors import Sensitivity, sensitivity
from workbench.replay.gains import Gains
from workbench.replay.labels import label_triggers, load_dimensions
from workbench.replay.log_replay import replay
from workbench.replay.one_event import DecisionCore
from workbench.replay.reach import Reach, reach_by
from workbench.replay.result import Replay
from workbench.replay.stored import open_replay
from workbench.replay.timeline import Story, story, telling_customer
from workbench.replay.variants import Sweep, sweep, vary
from workbench.replay.views import (
    funnel_rows,
    refusals,
    weekly_committed_cost,
    weekly_decisions,
)

__all__ = [
    "CameAnyway",
    "Causes",
    "Contacts",
    "DecisionCore",
    "Diff",
    "Explanation",
    "Gains",
    "Reach",
    "Replay",
    "Sensitivity",
    "Story",
    "Sweep",
    "UnderServed",
    "broadcast_at_cost",
    "came_anyway",
    "causes",
    "contacts_per_week",
    "diff",
    "explain",
    "funnel_rows",
    "label_triggers",
    "load_dimensions",
    "load_state",
    "open_replay",
    "reach_by",
    "refusals",
    "replay",
    "sensitivity",
    "story",
    "sweep",
    "telling_customer",
    "under_served",
    "vary",
    "weekly_committed_cost",
    "weekly_decisions",
]
