"""What some rules would have decided in the state that another replay was in. Owns no rule.

The core runs over the log with these rules, but each memory follows the decisions of the other
replay: after every decision set, what the rules said is written down and forgotten, and what the
other replay decided is entered instead. So what a rule changes at one decision is seen apart from
what changes because the state has evolved.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from workbench.buckets import fnv1a32_column
from workbench.decision.budgets import Ledger, Place, Reserves
from workbench.decision.core import SLOTS
from workbench.decision.desk import (
    G_ACTION,
    G_AT,
    G_KEY,
    G_KNOWN,
    G_MADE,
    G_MADE_TS,
    G_SEQ,
    G_UNTIL,
    G_WIDTH,
    KIND_COLLECTED,
    KIND_EVENT,
    KINDS,
    NEVER_US,
    O_ACTION,
    O_KEY,
    O_KIND,
    O_KNOWN,
    O_REASON,
    O_SEQ,
    O_WIDTH,
    P_QUEUE,
    TIMER_SEQ,
)
from workbench.decision.grouping import grouped
from workbench.decision.house import ProgrammeSet
from workbench.decision.state import CoreState
from workbench.errors import InputError
from workbench.records import (
    AWARDED,
    GLOBAL_HOLDOUT,
    HELD_OUT,
    OFFERED,
    QUEUED,
    REASON_OF_CODE,
)
from workbench.replay import part as kernel
from workbench.replay.events import scan
from workbench.replay.job import Job, job_of
from workbench.replay.log_replay import cuts_of, told_as_input
from workbench.replay.part import Given, PartState
from workbench.replay.reserves import reserves_of
from workbench.replay.result import Replay
from workbench.replay.touches import answers_of
from workbench.replay.windows import Window

_TOOK = (OFFERED, HELD_OUT, GLOBAL_HOLDOUT, QUEUED, AWARDED)
_CODE_OF = {REASON_OF_CODE[code].name: code for code in _TOOK}
_DECIDED = ("decision_id", "person", "programme", "reason", "offer_id")


def in_the_state_of(replayed: Replay, programmes: ProgrammeSet) -> pl.DataFrame:
    """Decide every set of a log by other rules, in the state that a replay was in at that set.

    What the replay delivered, held out or queued of programmes and offers that the rules have too
    counts towards their limits. Budgets that both have alike close where they closed in the replay;
    others where what the replay reserved exceeds them.

    Args:
        replayed: The replay whose decisions the state follows, with its log.
        programmes: The rules that decide.

    Returns:
        A row for each decision with ``decision_id``, ``person``, ``programme``, ``reason`` and
        ``offer_id``.

    Raises:
        InputError: The replay was opened without its log, or the log cannot be read.

    >>> followed = in_the_state_of(replayed, replayed.rules)
    >>> same = replayed.decisions().select("decision_id", "reason").collect()
    >>> followed.select("decision_id", "reason").equals(same)
    True
    """
    log = replayed.log
    if log is None:
        raise InputError(
            "the replay was opened without its log; open it with wb.open_replay(folder, log=log)"
        )
    with told_as_input():
        job = job_of(log, programmes)
        carried = CoreState.empty(programmes)
        cuts = cuts_of(log, carried, None, budgets=False)
        took = _took(replayed, job)
        ledger = _ledger(replayed, job, took)
        found = [pl.DataFrame(schema=dict.fromkeys(_DECIDED, pl.String()))]
        for path in log.parts:
            found += _decided(path, job, carried, cuts, took, ledger)
    return pl.concat(found)


def _decided(  # noqa: PLR0917 - what one part is decided with
    path: Path,
    job: Job,
    carried: CoreState,
    cuts: tuple[Window, ...],
    took: pl.DataFrame,
    ledger: Ledger,
) -> list[pl.DataFrame]:
    """Return what the rules say of the decisions of one part, window after window."""
    state = kernel.start_part(path, job, carried)
    of_part = took.filter(pl.col("person").is_in(state.ids.implode()))
    found = []
    for window in cuts:
        prepared = kernel.prepare_part(path, job, state, since=window.since, until=window.until)
        known = pl.col("known_us")
        inside = known < window.until[0] if window is not cuts[-1] else pl.lit(value=True)
        if window.since is not None:
            inside &= known >= window.since[0]
        outcome = kernel.decide_part(
            prepared,
            job,
            state,
            ledger=ledger,
            candidates=False,
            given=_given(of_part.filter(inside), state),
        )
        state = outcome.state
        found.append(outcome.decisions.select(_DECIDED))
    return found


def _took(replayed: Replay, job: Job) -> pl.DataFrame:
    """Return the decisions that took slots, in their order, by the numbers of other rules.

    Columns: ``person``, ``event_id``, ``programme`` (position), ``action``, ``reason`` (code),
    ``kind`` (number), ``known_us``, ``seq`` and ``key`` (its place), ``ts_us``, ``made`` and
    ``made_ts_us`` (by which a response finds it; -1 when it was not delivered), ``until_us`` (of
    what waits, its release; never when the replay ended before).
    """
    kinds = {name: code for code, name in enumerate(KINDS)}
    decisions = replayed.decisions().select(
        "decision_id",
        "event_id",
        "person",
        "offer_id",
        "delivered",
        pl.col("programme").alias("name"),
        pl.col("reason").replace_strict(_CODE_OF, default=0, return_dtype=pl.Int64),
        pl.col("kind").replace_strict(kinds, return_dtype=pl.Int64),
        pl.col("set_id")
        .str.split(":")
        .list.first()
        .replace_strict(kinds, return_dtype=pl.Int64)
        .alias("of_set"),
        pl.col("ts").to_physical().alias("ts_us"),
        pl.col("known_at").to_physical().alias("known_us"),
    )
    released = decisions.filter(pl.col("kind") == kinds["release"]).select(
        "person", "name", "known_us", until_us="known_us"
    )
    actions = job.rules.action_list
    numbers = pl.DataFrame(
        {
            "name": [job.programmes[each.programme].name for each in actions],
            "offer_id": [each.offer.id if each.offer else None for each in actions],
            "programme": [each.programme for each in actions],
            "action": list(range(len(actions))),
            "queues": [
                bool(job.rules.programmes[each.programme, P_QUEUE] >= 0) for each in actions
            ],
        },
        schema_overrides={"offer_id": pl.String, "programme": pl.Int64, "action": pl.Int64},
    )
    found = (
        decisions.filter(pl.col("reason") > 0)
        .join(numbers.lazy(), on=["name", "offer_id"], nulls_equal=True)
        .filter((pl.col("reason") != QUEUED) | pl.col("queues"))
        .sort("known_us")
        .join_asof(
            released.sort("known_us"),
            on="known_us",
            by=["person", "name"],
            strategy="forward",
            check_sortedness=False,  # each side is sorted just above
        )
        .join(_seqs(replayed), on="event_id", how="left")
        .collect()
    )
    _, _, made_ts_us, key = answers_of(found["decision_id"], [])
    at_event, of_set = pl.col("of_set") == KIND_EVENT, pl.col("of_set")
    p = pl.when(of_set == KIND_COLLECTED).then(0).otherwise("programme")
    who = pl.Series(fnv1a32_column(found["person"]), dtype=pl.Int64)
    later = ((of_set * 1024 + p) * (1 << 32) + who) * SLOTS
    return found.with_columns(
        seq=pl.when(at_event).then("seq").otherwise(TIMER_SEQ),
        key=pl.when(at_event).then(0).otherwise(later),
        made=pl.when("delivered").then(pl.Series(key) * 8 + pl.col("kind")).otherwise(-1),
        made_ts_us=pl.Series(made_ts_us),
        until_us=pl.when(pl.col("reason") == QUEUED)
        .then(pl.col("until_us").fill_null(NEVER_US - 1))
        .otherwise(-1),
    ).sort("known_us", "seq", "key", maintain_order=True)


def _seqs(replayed: Replay) -> pl.LazyFrame:
    """Return the ``seq`` of every event."""
    parts = replayed.log.parts if replayed.log is not None else []
    return pl.concat([scan(part).select("event_id", "seq") for part in parts])


def _ledger(replayed: Replay, job: Job, took: pl.DataFrame) -> Ledger:
    """Return where the budgets of the rules close by what the replay reserved."""
    before = job_of(replayed.log, replayed.rules) if replayed.log is not None else job
    same = {
        ours: theirs
        for ours, account in enumerate(job.rules.accounts)
        for theirs, other in enumerate(before.rules.accounts)
        if account == other
    }
    ledger = Ledger.empty()
    for ours, theirs in same.items():
        for (number, period), place in replayed.state.ledger.closings.items():
            if number == theirs:
                ledger.closings[ours, period] = place
    reserved = _reserved(job, took)
    amounts = [amount for _, amount in job.budgets]
    for account, total in reserved.by_account().items():
        if account[0] not in same and total > amounts[account[0]]:
            ledger.closings[account] = _exceeded(reserved.of(account), amounts[account[0]])
    return ledger


def _reserved(job: Job, took: pl.DataFrame) -> Reserves:
    """Return what decisions reserve of the budgets of the rules."""
    out = np.zeros((took.height, O_WIDTH), dtype=np.int64)
    columns = {
        O_KNOWN: "known_us",
        O_SEQ: "seq",
        O_KEY: "key",
        O_KIND: "kind",
        O_ACTION: "action",
        O_REASON: "reason",
    }
    for column, name in columns.items():
        out[:, column] = took[name].to_numpy()
    return reserves_of(out, job.rules, job.zone_table, job.changes)


def _exceeded(reserved: Reserves, amount: int) -> Place:
    """Return the place of the first reserve that exceeds an amount."""
    order = np.lexsort((reserved.key, reserved.seq, reserved.known_at_us))
    at = order[int(np.argmax(np.cumsum(reserved.amount[order]) > amount))]
    return int(reserved.known_at_us[at]), int(reserved.seq[at]), int(reserved.key[at])


def _given(took: pl.DataFrame, state: PartState) -> Given:
    """Return decisions as the core follows them, person by person."""
    local = pl.DataFrame({"person": state.ids}).with_row_index("local")
    mine = took.join(local, on="person", maintain_order="left")
    starts, order = grouped(mine["local"].to_numpy().astype(np.int64), len(state.codes))
    if not mine.height:  # an empty table would mean that nobody is followed
        return np.full((1, G_WIDTH), -1, dtype=np.int64), starts
    rows = np.zeros((mine.height, G_WIDTH), dtype=np.int64)
    for column, name in _GIVEN.items():
        rows[:, column] = mine[name].to_numpy()
    return rows[order], starts


_GIVEN = {
    G_KNOWN: "known_us",
    G_SEQ: "seq",
    G_KEY: "key",
    G_ACTION: "action",
    G_AT: "ts_us",
    G_MADE: "made",
    G_MADE_TS: "made_ts_us",
    G_UNTIL: "until_us",
}
