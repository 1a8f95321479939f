"""What an ingestion counted, as a table, a sentence and JSON. Counts nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.text import count, listing, plural, words

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Counts of one ingestion; every source row is in exactly one of the three outcomes.

    Attributes:
        log: Folder of the log.
        mapping: Name of the mapping.
        rows_in: Source rows; reference tables are not counted.
        accepted: Source rows that became events.
        duplicates: Source rows equal to an earlier one with the same event id.
        quarantined: Source rows set apart with a reason.
        derived: Events made from others (baskets); not source rows.
        events: Stored events: accepted + derived.
        persons: Persons in the log.
        by_source: Source rows by source and outcome.
        by_type_in: Source rows by event type, before anything is set apart.
        by_source_type_in: The same by the source's own names of the types.
        by_type: Stored events by event type.
        by_reason: Quarantined rows by reason.
        tables: Rows of the reference tables.
        digest: Digest of the stored log.
        up_to_date: Whether the log held this input already and nothing was written.
    """

    log: Path
    mapping: str
    rows_in: int
    accepted: int
    duplicates: int
    quarantined: int
    derived: int
    events: int
    persons: int
    by_source: dict[str, dict[str, int]]
    by_type_in: dict[str, int]
    by_source_type_in: dict[str, int]
    by_type: dict[str, int]
    by_reason: dict[str, int]
    tables: dict[str, int] = field(default_factory=dict)
    digest: str = ""
    up_to_date: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the counts as one object of JSON."""
        names = [n for n in self.__slots__ if n != "log"]
        return {"log": str(self.log), **{n: getattr(self, n) for n in names}}

    @classmethod
    def from_json(cls, values: dict[str, Any], *, log: Path, up_to_date: bool) -> IngestReport:
        """Return the report that `as_json` gave."""
        return cls(**{**values, "log": log, "up_to_date": up_to_date})

    @property
    def table(self) -> pd.DataFrame:
        """One row a source: rows, accepted, duplicates, quarantined; the last row is the total."""
        import pandas as pd  # noqa: PLC0415 - pandas at the door only

        total = {
            "rows": self.rows_in,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "quarantined": self.quarantined,
        }
        rows = [{"source": n, **c} for n, c in self.by_source.items()]
        return pd.DataFrame([*rows, {"source": "total", **total}])

    @property
    def reasons(self) -> pd.DataFrame:
        """One row a reason of the quarantine, the most frequent first; one row of 0 without any."""
        import pandas as pd  # noqa: PLC0415 - pandas at the door only

        rows = sorted(self.by_reason.items(), key=lambda item: (-item[1], item[0]))
        return pd.DataFrame(
            rows or [("no row was set apart", 0)], columns=["reason", "rows"]
        ).astype({"rows": "int64"})

    @property
    def headline(self) -> str:
        """The finding as the title of a figure."""
        return f"{plural(self.events, 'event')} of {plural(self.persons, 'customer')}"

    @property
    def text(self) -> str:
        """The counts as sentences."""
        accounted = (
            f"Every source row is accounted for: {plural(self.rows_in, 'row')} = {count(self.accepted)} accepted + "
            f"{count(self.duplicates)} duplicates + {count(self.quarantined)} quarantined"
        )
        if self.by_reason:
            most = sorted(self.by_reason.items(), key=lambda item: (-item[1], item[0]))[:3]
            said = listing([f"{words(reason)} {count(n)}" for reason, n in most])
            accounted += f" ({'mostly ' if len(self.by_reason) > len(most) else ''}{said})"
        derived = (
            f", {count(self.derived)} of them made from others, as a basket is from its lines"
            if self.derived
            else ""
        )
        return (
            f"{accounted}. The log holds {plural(self.events, 'event')} of "
            f"{plural(self.persons, 'customer')}{derived}."
        )
