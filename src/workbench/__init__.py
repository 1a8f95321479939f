"""The workbench for event-triggered offers."""
