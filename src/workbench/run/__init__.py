"""Parameters, runs, manifests and the command line. Owns no analysis."""

from workbench.run.lineage import provenance
from workbench.run.results import notebook, record
from workbench.run.tables import read_table, save_table

__all__ = ["notebook", "provenance", "read_table", "record", "save_table"]
