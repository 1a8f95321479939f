"""The event log: sources and mappings, checks and quarantine, the stored log. No business rules."""

from workbench.log.log import Log, open_log

__all__ = ["Log", "open_log"]
