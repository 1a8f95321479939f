"""What is the same for all parts of a log: programmes made ready, codes, buckets. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.buckets import BUCKETS, bucket_10000_column
from workbench.decision.core import Limits, limits_of
from workbench.decision.features import FEATURE_NAMES
from workbench.decision.plan import Plan
from workbench.log.schema import CONTRACT

Position = tuple[int, int]
"""``(known_at_us, seq)``: events before it were seen, an event at it was not."""

COLUMN_OF = {column.decoded: column for column in CONTRACT}


class LogLike(Protocol):
    """What a replay needs of a stored log."""

    @property
    def digest(self) -> str: ...  # noqa: D102 - the contract of the log says it
    @property
    def zone(self) -> str: ...  # noqa: D102 - same
    @property
    def counts(self) -> Mapping[str, int]: ...  # noqa: D102 - same
    @property
    def persons(self) -> int: ...  # noqa: D102 - same
    @property
    def parts(self) -> list[Path]: ...  # noqa: D102 - same
    def codes(self, column: str) -> pl.Series: ...  # noqa: D102 - same


@dataclass(frozen=True, eq=False)
class Job:
    """What is the same for all parts of a replay.

    Attributes:
        plans: The programmes made ready.
        limits: Their limits.
        zone: Zone of days and day-parts.
        type_codes: Code of each event type.
        person_ids: Position = code.
        buckets: For each programme the bucket of each person (position = code).
        books: Code book of each coded column that a condition reads.
        programmes: One row a programme: what a decision repeats of it.
        since: Events before it are not decided again.
        until: Events from it on are not yet decided.
    """

    plans: tuple[Plan, ...]
    limits: Limits
    zone: str
    type_codes: Mapping[str, int]
    person_ids: pl.Series
    buckets: tuple[NDArray[np.int32], ...]
    books: Mapping[str, pl.Series]
    programmes: pl.DataFrame
    since: Position | None
    until: Position | None

    @property
    def columns(self) -> frozenset[str]:
        """Names that any condition reads."""
        return frozenset(name for plan in self.plans for name in plan.columns)

    @property
    def needs_features(self) -> bool:
        """Whether any condition reads the logged past."""
        return bool(self.columns & set(FEATURE_NAMES))


def job_of(
    log: LogLike, plans: tuple[Plan, ...], since: Position | None, until: Position | None
) -> Job:
    """Collect what is the same for all parts: codes, buckets by salt, figures of the programmes."""
    person_ids = log.codes("person")
    by_salt: dict[str, NDArray[np.int32]] = {}
    for plan in plans:
        salt = plan.programme.experiment.salt
        if salt not in by_salt:
            by_salt[salt] = np.array(bucket_10000_column(salt, person_ids), dtype=np.int32)
    coded = [
        COLUMN_OF[name]
        for name in sorted({name for plan in plans for name in plan.columns})
        if name in COLUMN_OF and COLUMN_OF[name].is_code
    ]
    return Job(
        plans=plans,
        limits=limits_of([plan.programme for plan in plans]),
        zone=log.zone,
        type_codes={name: code for code, name in enumerate(log.codes("type").to_list())},
        person_ids=person_ids,
        buckets=tuple(by_salt[plan.programme.experiment.salt] for plan in plans),
        books={column.decoded: log.codes(column.stored) for column in coded},
        programmes=pl.DataFrame([_repeated(plan) for plan in plans]),
        since=since,
        until=until,
    )


def _repeated(plan: Plan) -> dict[str, str | int | float]:
    """Return what every decision of a programme repeats."""
    programme, offer = plan.programme, plan.programme.offer
    control = programme.experiment.holdout_end
    return {
        "programme": programme.name,
        "offer_id": offer.id,
        "channel": offer.channel,
        "p_control": control / BUCKETS,
        "p_treatment": (BUCKETS - control) / BUCKETS,
        "score": expected_value_cents(plan),
        "cost_cents": offer.cost_cents,
        "programme_digest": programme.digest,
        "holdout_end": control,
    }


def expected_value_cents(plan: Plan) -> float:
    """Return what one delivered offer is expected to be worth, net of its cost, in cents."""
    offer = plan.programme.offer
    return offer.redemption_rate * (offer.value_cents - offer.cost_cents)
