"""Parameters, runs, manifests and the command line. Owns no analysis."""

from workbench.run.lineage import provenance
from workbench.run.results import notebook, record
from workbench.run.sources import open_purchases, open_units
from workbench.run.tables import read_table, save_table

__all__ = [
    "notebook",
    "open_purchases",
    "open_units",
    "provenance",
    "read_table",
    "record",
    "save_table",
]
