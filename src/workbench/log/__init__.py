"""The event log: sources and mappings, checks and quarantine, the stored log. No business rules."""

from workbench.log.activity import hourly_share, table_sizes, weekly_events
from workbench.log.ingestion import ingest
from workbench.log.log import Log, open_log
from workbench.log.mapping import Mapping, load_mapping, shipped_mappings
from workbench.log.report import IngestReport

__all__ = [
    "IngestReport",
    "Log",
    "Mapping",
    "hourly_share",
    "ingest",
    "load_mapping",
    "open_log",
    "shipped_mappings",
    "table_sizes",
    "weekly_events",
]
