"""Several programme sets over one log, side by side: what each would send, reach and cost.

Owns what is compared, one row a set. What no decision changes is made ready once for all sets that
share it, so a sweep of limits costs a fraction of as many replays and gives the same figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench import text
from workbench.arguments import checked
from workbench.decision.budgets import Ledger
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.state import CoreState
from workbench.decision.written import Value, changed
from workbench.errors import ParameterError, problem
from workbench.params import read_yaml
from workbench.replay.decision_log import Stored
from workbench.replay.drive import Lane, drive
from workbench.replay.job import LogLike, columns_key, job_beside, job_of
from workbench.replay.log_replay import cuts_of, lane_of, told_as_input, workers_of
from workbench.replay.result import Replay, replay_result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep(text.Result):
    """What each of several programme sets would send, reach and cost on the same log.

    Attributes:
        table: A row for each set in the order given: ``label``, ``triggers``, ``delivered``,
            ``persons_reached``, ``contacts_per_customer`` (delivered per customer reached),
            ``committed_cents`` (at the stated redemption rates), ``promised_cents`` (the full cost
            of what was delivered), ``ghosts``, and ``per_more_customer_cents``: what each customer
            costs who is reached beyond the next cheaper set (none where none is).
        text: The range of cost and reach, and the set from which more money reaches nobody.
        programmes: A row for each set and programme with the same figures.
    """

    programmes: pd.DataFrame

    def within(self, committed_cents: int) -> pd.Series[Any]:
        """Return the row that reaches most customers at a committed cost of at most so much.

        Ties go to the cheaper set, then to the one named first.

        Raises:
            ParameterError: Every set costs more.
        """
        affordable = self.table[self.table["committed_cents"] <= committed_cents]
        if affordable.empty:
            least = int(self.table["committed_cents"].min())
            rule = f"must be at least {least}, what the cheapest of them costs"
            raise ParameterError(problem("committed_cents", committed_cents, rule))
        ranked = affordable.sort_values(
            ["persons_reached", "committed_cents"], ascending=[False, True], kind="stable"
        )
        return ranked.iloc[0]


@checked
def vary(
    programmes: Sequence[Programme], key: str, values: Sequence[Value] | NDArray[Any] | str
) -> dict[str, ProgrammeSet]:
    """Return programme sets that differ in one key, by the value that each has.

    Args:
        programmes: The programmes with their house.
        key: Path of the key, such as ``lunch_basket.limits.caps.0.count`` or ``house.slot``.
        values: Its values as a file would write them (NumPy's too), or a text that lists them with
            commas; none (in a text: ``null``) takes the key out.

    Returns:
        The sets by the text of their value, in the order given; a value in cents is told as money.

    Raises:
        ParameterError: There is no value or one twice, no such key, or a value breaks its rule.

    >>> from workbench.decision import load_programmes
    >>> programmes = load_programmes("params/programmes/grocery")
    >>> list(vary(programmes, "lunch_basket.limits.cooldown", ["3 days", "7 days"]))
    ['3 days', '7 days']
    >>> list(vary(programmes, "house.caps.0.count", "1, 2, 3"))
    ['1', '2', '3']
    >>> list(vary(programmes, "house.caps.0.count", np.arange(1, 4)))
    ['1', '2', '3']
    >>> list(vary(programmes, "welcome_back.budget.amount_cents", "50000, 100000, null"))
    ['$500', '$1,000', 'none']
    """
    values = _listed(values) if isinstance(values, str) else _plain(values)
    if not values:
        raise ParameterError("values was empty; name at least one value of the key")
    labels = _labels(key, values)
    if len(set(labels)) < len(labels):
        raise ParameterError(problem("values", ", ".join(labels), "must name each value once"))
    chosen = ProgrammeSet.of(programmes)
    return {
        label: changed(chosen, {key: value}) for label, value in zip(labels, values, strict=True)
    }


def _labels(key: str, values: Sequence[Value]) -> list[str]:
    """Return each value as a reader sees it: amounts as money, with cents where one of them has some.

    >>> _labels("house.budgets.0.amount_cents", [50_000, 50_050, None])
    ['$500.00', '$500.50', 'none']
    """
    cents = [each for each in values if isinstance(each, int)] if key.endswith("_cents") else []
    form = text.money if any(each % 100 for each in cents) else text.whole_money
    return [
        "none" if each is None else form(each) if cents and isinstance(each, int) else str(each)
        for each in values
    ]


def _plain(values: Sequence[Value] | NDArray[Any]) -> list[Value]:
    """Return values as a file would hold them, NumPy's as Python's."""
    return [each.item() if isinstance(each, np.generic) else each for each in values]


def _listed(values: str) -> list[Value]:
    """Read values that a text lists, each as a programme file would be read."""
    words = [word.strip() for word in values.split(",") if word.strip()]
    found = [read_yaml(f"value: {word}", source="values")["value"] for word in words]
    for word, value in zip(words, found, strict=True):
        if isinstance(value, list | dict):
            raise ParameterError(
                problem("values", word, "must be single values with commas between")
            )
    return found


@checked
def sweep(
    log: LogLike,
    variants: Mapping[str, Sequence[Programme]],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Replay a log under several programme sets and compare what they send, reach and cost.

    The figures are those of :func:`workbench.replay` for each set, whatever the others are.

    Args:
        log: The stored log.
        variants: Programme sets by label, from :func:`vary`, or from files by
            :func:`workbench.load_programmes`.
        workers: Parts decided at one time; none: one for each processor.
        progress: Called with the pieces of work done and all pieces.

    Returns:
        A row for each set with what it sends, whom it reaches and what it costs.

    Raises:
        ParameterError: There is no variant, or one of them has no programme.
        InputError: The log cannot be read.

    >>> from workbench.decision import load_programmes
    >>> programmes = load_programmes("params/programmes/grocery")
    >>> swept = sweep(log, vary(programmes, "house.caps.0.count", [1, 2]))
    >>> swept.table["label"].to_list()
    ['1', '2']
    """
    if not variants:
        raise ParameterError("variants was empty; name at least one programme set")
    with told_as_input():
        lanes = _driven(log, variants, lambda: None, workers_of(workers, log), progress)
    return _result(log, lanes)


def side_by_side(
    log: LogLike, variants: Mapping[str, Sequence[Programme]], *, workers: int | None = None
) -> dict[str, Replay]:
    """Replay a log under several programme sets, with the decisions of each kept in memory."""
    with told_as_input():
        lanes = _driven(log, variants, lambda: Stored(None), workers_of(workers, log), None)
    return {
        label: replay_result(
            lane.tally.summary(log, lane.job.budgets, lane.ledger),
            CoreState.empty(lane.job.programmes),
            lane.store or Stored(None),
            digest="",
            rules=lane.job.programmes,
            log=log,
        )
        for label, lane in lanes.items()
    }


def _driven(
    log: LogLike,
    variants: Mapping[str, Sequence[Programme]],
    store: Callable[[], Stored | None],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Lane]:
    """Return the lane of each variant, driven through the log."""
    sets = {label: ProgrammeSet.of(programmes) for label, programmes in variants.items()}
    first = job_of(log, next(iter(sets.values())))
    groups: dict[str, list[str]] = {}
    for label, programmes in sets.items():
        key = columns_key(programmes, answered=first.answered)
        groups.setdefault(key, []).append(label)
    lanes: dict[str, Lane] = {}
    told = _Told(progress, len(groups))
    for labels in groups.values():
        job = first if sets[labels[0]] is first.programmes else job_of(log, sets[labels[0]])
        for label in labels:
            own = job if label == labels[0] else job_beside(job, sets[label])
            lanes[label] = lane_of(log, own, Ledger.empty(), store())
        mine = [lanes[label] for label in labels]
        carried = CoreState.empty(sets[labels[0]])
        cuts = cuts_of(log, carried, None, budgets=any(lane.job.budgets for lane in mine))
        drive(log, mine, carried, cuts, workers=workers, progress=told)
        told.finished += 1
    return {label: lanes[label] for label in sets}


@dataclass
class _Told:
    """Progress over groups of variants, as one count."""

    progress: Callable[[int, int], None] | None
    groups: int
    finished: int = 0

    def __call__(self, done: int, of: int) -> None:
        if self.progress is not None:
            self.progress(self.finished * of + done, self.groups * of)


def _result(log: LogLike, lanes: Mapping[str, Lane]) -> Sweep:
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    rows, programmes = [], []
    for label, lane in lanes.items():
        summary = lane.tally.summary(log, lane.job.budgets, lane.ledger)
        alone = replay_result(
            summary,
            CoreState.empty(lane.job.programmes),
            Stored(None),
            digest="",
            rules=lane.job.programmes,
            log=log,
        )
        by = alone.programmes
        delivered, reached = int(by["delivered"].sum()), alone.persons_reached
        rows.append(
            {
                "label": label,
                "triggers": int(by["triggers"].sum()),
                "delivered": delivered,
                "persons_reached": reached,
                "contacts_per_customer": delivered / reached if reached else None,
                "committed_cents": alone.committed_cost_cents,
                "promised_cents": int(alone.offers["cost_cents"].sum()),
                "ghosts": int(by["ghosts"].sum()),
            }
        )
        columns = ["programme", "triggers", "delivered", "persons", "ghosts"]
        own = by[[*columns, "committed_cost_cents"]].rename(
            columns={"committed_cost_cents": "committed_cents", "persons": "persons_reached"}
        )
        programmes.append(own.assign(label=label))
    table = pd.DataFrame(rows).astype({"contacts_per_customer": "float64"})
    table["per_more_customer_cents"] = _marginal(table)
    return Sweep(
        table=table,
        text=_sentence(table),
        headline=_headline(table),
        programmes=pd.concat(programmes, ignore_index=True)[
            ["label", *[name for name in programmes[0].columns if name != "label"]]
        ],
    )


def _marginal(table: pd.DataFrame) -> pd.Series[float]:
    """Return the cost of each customer reached beyond the next cheaper row."""
    ordered = table.sort_values(["committed_cents", "persons_reached"], kind="stable")
    more = ordered["persons_reached"].diff()
    cents = ordered["committed_cents"].diff()
    return (cents / more).where(more > 0).reindex(table.index)


def _headline(table: pd.DataFrame) -> str:
    least, most = table["persons_reached"].min(), table["persons_reached"].max()
    if least == most:
        return f"Every set reaches {text.plural(int(most), 'customer')}"
    return f"From {text.count(int(least))} to {text.plural(int(most), 'customer')} reached"


def _sentence(table: pd.DataFrame) -> str:
    if not table["delivered"].sum():
        return text.sentence(
            f"{text.NOT_ENOUGH_DATA}: none of {text.plural(len(table), 'programme set')} would "
            "have sent an offer"
        )
    ordered = table.sort_values(["committed_cents", "persons_reached"], kind="stable")
    low, high = ordered.iloc[0], ordered.iloc[-1]
    if len(ordered) == 1:
        return text.sentence(f"{low['label']} {_row(low)}")
    said = (
        f"of {text.plural(len(table), 'programme set')} the cheapest, {low['label']}, {_row(low)}; "
        f"the dearest, {high['label']}, {_row(high)}"
    )
    top = ordered[ordered["persons_reached"] == ordered["persons_reached"].max()].iloc[0]
    if top["committed_cents"] < high["committed_cents"]:
        said += f"; beyond {top['label']} ({text.amount(int(top['committed_cents']))}) more money reaches nobody more"
    return text.sentence(said)


def _row(row: pd.Series[Any]) -> str:
    return (
        f"would have sent {text.plural(int(row['delivered']), 'offer')} to "
        f"{text.plural(int(row['persons_reached']), 'customer')} at a committed cost of "
        f"{text.amount(int(row['committed_cents']))}"
    )


__all__ = ["Sweep", "side_by_side", "sweep", "vary"]
