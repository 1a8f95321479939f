"""A small stored log for tests, from a list of rows, by the real writer. Owns no check of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from workbench.log import Log, open_log
from workbench.log.schema import CONTRACT, INSTANT, Kind
from workbench.log.store import LogWriter, publish, write_table


def small_log(
    tmp_path: Path,
    rows: Sequence[Mapping[str, Any]],
    zone: str = "UTC",
    *,
    parts: int = 2,
    tables: Mapping[str, pl.DataFrame] | None = None,
    name: str = "log",
) -> Log:
    """Build and open a log in `tmp_path / name`.

    Each row needs `ts` (a datetime, or ISO text; naive is UTC) and `person_id` or `customer_id`;
    `type` is `purchase` and `event_id` is `e0`, `e1`, … unless given. Other keys are decoded
    columns of the contract (`amount_cents`, `store_id`, `category` …); any other key becomes a
    column of its own (whole number, number, truth value or text with codes).
    """
    full = []
    for n, row in enumerate(rows):
        new = {"event_id": f"e{n}", "type": "purchase", **row}
        new.setdefault("person_id", new.get("customer_id") or f"anonymous:{new['event_id']}")
        new.setdefault("customer_id", row.get("person_id"))
        for key in ("ts", "received_at"):
            if new.get(key) is not None:
                value = new[key]
                instant = (
                    value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
                )
                new[key] = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        full.append(new)
    known = {c.decoded: c.decoded_type for c in CONTRACT}
    extra: dict[str, Kind] = {}
    for new in full:
        for key, value in new.items():
            if key not in known and value is not None:
                extra[key] = _kind(value)
    names = list(dict.fromkeys(key for new in full for key in new))
    schema: dict[str, pl.DataType] = {
        "event_id": pl.String(),
        "person_id": pl.String(),
        "type": pl.String(),
        "ts": INSTANT,
    }
    for key in names:
        if key in known or key in extra:
            schema[key] = known.get(key) or _TYPES[extra[key]]
    frame = pl.DataFrame(
        [{key: new.get(key) for key in schema} for new in full], schema=schema, orient="row"
    ).with_columns(
        ordinal=pl.int_range(len(full), dtype=pl.Int64),
        content=pl.int_range(len(full), dtype=pl.Int64).cast(pl.UInt64),
    )
    folder = tmp_path / name
    generation = folder / "generation-test"
    writer = LogWriter(generation, parts=parts, extra=extra)
    writer.add(frame)
    manifest = writer.finish()
    entries = {
        table: write_table(values, generation / f"table-{table}.parquet")
        for table, values in (tables or {}).items()
    }
    publish(folder, generation, {**manifest, "zone": zone, "tables": entries})
    return open_log(folder)


_TYPES: dict[Kind, pl.DataType] = {
    "boolean": pl.Boolean(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "code": pl.String(),
}


def _kind(value: object) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "code"
