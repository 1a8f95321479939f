"""What is known of each person as of an instant, RFM scores, and segments named in a file."""

from workbench.profile.features import COLUMNS, Profile, profile
from workbench.profile.grid import rfm_grid
from workbench.profile.lifecycle import STAGES, LifecycleRules, lifecycle_stage
from workbench.profile.rfm import RfmScores, rfm_scores
from workbench.profile.segments import (
    SEGMENT_COLUMNS,
    Segmented,
    SegmentRule,
    Segments,
    load_segments,
    segment,
)

__all__ = [
    "COLUMNS",
    "SEGMENT_COLUMNS",
    "STAGES",
    "LifecycleRules",
    "Profile",
    "RfmScores",
    "SegmentRule",
    "Segmented",
    "Segments",
    "lifecycle_stage",
    "load_segments",
    "profile",
    "rfm_grid",
    "rfm_scores",
    "segment",
]
