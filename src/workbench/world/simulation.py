"""A world simulated: its log, its decisions and, apart from them, its truth. Owns no rule."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench import text
from workbench.arguments import checked
from workbench.decision.assignment import draw_32_column
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.errors import InputError, ParameterError, problem
from workbench.files import locked
from workbench.log import Log
from workbench.replay.part import DECISIONS_SCHEMA
from workbench.replay.windows import FIRST_SEQ
from workbench.world.dirt import RECORD, Soil
from workbench.world.loop import UTC, Loop
from workbench.world.parameters import World
from workbench.world.people import traits_frame
from workbench.world.stretch import Stretch, Told
from workbench.world.truth import (
    OUTCOMES,
    Outcomes,
    Purchases,
    Truth,
    customers_frame,
)
from workbench.world.writing import Writer

if TYPE_CHECKING:
    import pandas as pd

BYTES_A_CUSTOMER = 6_000
"""What the memory of one customer comes to while a world goes on: traits, life, and the core's."""

BYTES_A_PURCHASE = 500
"""What one purchase comes to in the truth, with the copy that is made when it is put together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulation(text.Result):
    """A simulated world.

    Attributes:
        table: A row a programme: offers delivered, redeemed purchases by class, discount.
        text: What the programmes did, in truth.
        log: The event log with its reference tables, as a real one.
        truth: What no log carries.
        world: The world.
        programmes: What decided; none: nobody.
        seed: Seed of all noise.
        midnights_us: Instants of the midnights of the world, one more than days.
        until: The end of the world: replay up to here to decide what the loop decided.
        folder: Where everything lies: ``log``, ``decisions`` and ``truth``.
    """

    log: Log
    truth: Truth
    world: World
    programmes: ProgrammeSet | None
    seed: int
    midnights_us: NDArray[np.int64]
    until: tuple[int, int]
    folder: Path

    def decisions(self) -> pl.LazyFrame:
        """Return the decision log, in the contract of a replay's."""
        files = sorted((self.folder / "decisions").glob("*.parquet"))
        if not files:
            return pl.LazyFrame(schema=DECISIONS_SCHEMA)
        return pl.scan_parquet(files, schema=DECISIONS_SCHEMA)

    def events(self, event_type: str, columns: Sequence[str]) -> pl.DataFrame:
        """Return columns of the events of one type; no row where it never happened."""
        frame = self.log.to_polars([*columns, "type"])
        return frame.filter(pl.col("type") == event_type).select(columns)


@checked
def simulate(
    world: World,
    programmes: Sequence[Programme] = (),
    *,
    seed: int,
    out: str | Path | None = None,
    withhold: int = 0,
    workers: int | None = None,
) -> Simulation:
    """Let customers live in a world, decide on what happens, and let them respond.

    Day by day the decision core sees what happened; what it delivers changes what happens next.
    All noise is keyed by seed, customer, day and purpose, so that a customer whom nothing reaches
    lives the identical life under any programmes, and the same seed gives the same bytes whatever
    the number of workers.

    Args:
        world: From :func:`workbench.load_world`.
        programmes: From :func:`workbench.load_programmes`; none: nobody decides.
        seed: Seed of all noise.
        out: Folder for ``log``, ``decisions`` and ``truth``; none: a temporary folder that is
            removed with the log.
        withhold: For how many decisions that went out, at most one a customer and drawn by key, to
            find what this decision changed: its customer lives once more without it.
        workers: Parts that live at one time; none: one for each processor.

    Returns:
        The log, the decisions and the truth, with a sentence.

    Raises:
        ParameterError: A programme names a feature that no store of the world has, or the world is
            too large for the memory of this machine.
        InputError: ``out`` holds something else.

    >>> from workbench.decision import load_programmes
    >>> from workbench.world import load_world
    >>> tiny = load_world("params/worlds/tiny.yaml").sized(customers=40, days=10)
    >>> points = load_programmes("params/programmes/check_in_points.yaml")
    >>> simulate(tiny, points, seed=1).table["programme"].to_list()
    ['check_in_points']
    """
    if workers is not None and workers < 1:
        raise ParameterError(problem("workers", workers, "must be at least 1"))
    if withhold < 0:
        raise ParameterError(problem("withhold", withhold, "must be at least 0"))
    check_memory(world)
    chosen = ProgrammeSet.of(programmes) if programmes else None
    loop = Loop(world, chosen, seed)
    folder = _folder(out)
    count = workers or os.cpu_count() or 1
    with locked(folder):
        writer = Writer(folder / "log", len(loop.parts))
        bought = Purchases(loop.books, world.response.margin)
        decided = folder / "decisions"
        decided.mkdir(exist_ok=True)
        for old in decided.glob("decisions-*.parquet"):
            old.unlink()

        def keep(number: int, told: list[Told]) -> None:
            bought.add(np.vstack([its.purchases for its in told]))
            writer.add([its.events for its in told])
            path = decided / f"decisions-{number:05d}.parquet"
            _keep_decisions([its.decisions for its in told], path)

        _behind(keep, loop.stretches(count, Stretch.told))
        tables = {**loop.books.frames, "consent": loop.consent_frame()}
        loop.parts.clear()  # nobody lives on: room for the parts of the log
        soil = _soil(loop, decided) if world.dirt.any else None
        log = writer.finish(replace(loop.books, frames=tables), soil)
        withheld = withheld_effects(loop, bought.mine, decided, withhold)
        truth = _truth(loop, bought, soil, withheld)
        truth.write(folder / "truth")
    if out is None:
        weakref.finalize(log, shutil.rmtree, folder, ignore_errors=True)
    table = _table(truth, folder, chosen)
    return Simulation(
        table=table,
        text=_sentence(truth, world, chosen),
        headline=_headline(truth),
        log=log,
        truth=truth,
        world=world,
        programmes=chosen,
        seed=seed,
        midnights_us=loop.places.starts,
        until=(int(loop.places.starts[-1]), FIRST_SEQ),
        folder=folder,
    )


def check_memory(world: World) -> None:
    """Check that a world fits into the memory of this machine.

    Raises:
        ParameterError: It does not; the error has the figure.
    """
    needed = needed_bytes(world)
    with contextlib.suppress(ValueError, OSError):
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > there:
            rule = f"needs about {text.size(needed)} of memory, this machine has {text.size(there)}"
            raise ParameterError(problem("customers", world.customers, rule, where=world.name))


def needed_bytes(world: World) -> int:
    """Return about how much memory a world needs: its customers, and their purchases in the truth."""
    people = world.customers + world.arrivals
    a_week = sum(each.share * each.visits_per_week.mean for each in world.segments)
    purchases = people * world.days * a_week / 7
    return int(people * BYTES_A_CUSTOMER + purchases * BYTES_A_PURCHASE)


def _folder(out: str | Path | None) -> Path:
    if out is None:
        return Path(tempfile.mkdtemp(prefix="workbench-world-"))
    folder = Path(out)
    known = {"log", "decisions", "truth", ".lock"}
    if folder.exists() and not folder.is_dir():
        raise InputError(problem("out", str(out), "must be a folder and is a file"))
    others = [] if not folder.exists() else sorted({f.name for f in folder.iterdir()} - known)
    if others:
        rule = f"holds {others[0]} and must be empty or hold a simulation; choose another folder"
        raise InputError(problem("out", str(out), rule))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _behind(keep: Callable[[int, list[Told]], None], told: Iterable[list[Told]]) -> None:
    """Keep what is told of some days while the next ones are lived, in their order."""
    with ThreadPoolExecutor(1) as behind:
        kept: Future[None] | None = None
        for number, its in enumerate(told):
            if kept is not None:
                kept.result()
            kept = behind.submit(keep, number, its)
        if kept is not None:
            kept.result()


def _keep_decisions(frames: Sequence[pl.DataFrame], path: Path) -> None:
    whole = pl.concat([pl.DataFrame(schema=DECISIONS_SCHEMA), *frames])
    if whole.height:
        ordered = whole.sort("known_at", "decision_id", "kind")
        ordered.write_parquet(path, compression="zstd", compression_level=1)


def _soil(loop: Loop, decided: Path) -> Soil:
    """Return what makes the log of a world dirty."""
    zones = loop.books.books["tz"].to_list()

    def arms() -> pl.DataFrame:
        files = sorted(decided.glob("*.parquet"))
        rows = pl.scan_parquet(files, schema=DECISIONS_SCHEMA).filter("delivered")
        return rows.select("decision_id", "arm").collect()

    return Soil(
        loop.world.dirt,
        loop.seed,
        loop.population.ids,
        loop.places.starts,
        arms,
        zones.index(UTC) if UTC in zones else -1,
    )


def withheld_effects(
    loop: Loop, outcomes: NDArray[np.int64], decided: Path, count: int
) -> pl.DataFrame:
    """Return what a sample of decisions changed: their customers live once more without them.

    Shared budgets close where they closed, so that the other customers need not live again.
    """
    sample = _sample(decided, count, loop.seed)
    people, ids = loop.population.people, loop.population.ids
    rows = np.searchsorted(ids.to_numpy(), sample["person_id"].to_numpy()).astype(np.int64)
    mine = outcomes[rows]
    without = mine
    if loop.programmes is not None and len(rows):
        again = Loop(
            loop.world,
            loop.programmes,
            loop.seed,
            withheld=frozenset(sample["decision_id"]),
            only=frozenset(people.number[rows].tolist()),
        )
        again.ledger.closings.update(loop.ledger.closings)
        without = outcomes_under(again, 1)[rows]
    effects = {f"effect_{name}": (mine - without)[:, k] for k, name in enumerate(OUTCOMES)}
    return sample.with_columns(**{name: pl.Series(values) for name, values in effects.items()})


def _sample(decided: Path, count: int, seed: int) -> pl.DataFrame:
    """Return decisions that went out, at most one a customer, drawn by a key."""
    names = {"decision_id": pl.String(), "person_id": pl.String(), "programme": pl.String()}
    files = sorted(decided.glob("*.parquet"))
    if not files or not count:
        return pl.DataFrame(schema=names)
    rows = (
        pl.scan_parquet(files, schema=DECISIONS_SCHEMA)
        .filter(pl.col("delivered") & pl.col("offer_id").is_not_null())
        .select("decision_id", "programme", person_id="person")
        .collect()
    )
    keys = pl.Series("key", draw_32_column(f"{seed}:withheld:" + rows["decision_id"]))
    drawn = rows.with_columns(keys).sort("key", "decision_id")
    drawn = drawn.unique("person_id", keep="first", maintain_order=True).head(count)
    return drawn.select(*names).sort("decision_id")


def _truth(loop: Loop, bought: Purchases, soil: Soil | None, withheld: pl.DataFrame) -> Truth:
    """Put the truth together."""
    return Truth(
        traits=traits_frame(loop.population.people, loop.population.ids, loop.world),
        purchases=bought.made,
        missed=bought.missed,
        customers=customers_frame(loop.population.ids, bought.mine, bought.twin),
        withheld=withheld,
        dirt=pl.DataFrame(schema=RECORD) if soil is None else soil.record(),
    )


def outcomes_under(loop: Loop, workers: int) -> NDArray[np.int64]:
    """Let a world go on to its end and return the outcomes of its customers."""
    outcomes = Outcomes(len(loop.population.ids), loop.world.response.margin)
    for several in loop.stretches(workers, Stretch.purchases):
        for purchases in several:
            outcomes.add(purchases)
    return outcomes.mine


def _table(truth: Truth, folder: Path, programmes: ProgrammeSet | None) -> pd.DataFrame:
    """Return a row a programme: what was delivered, and what came of it in truth."""
    files = sorted((folder / "decisions").glob("*.parquet"))
    names = pl.DataFrame(
        {"programme": [each.name for each in programmes or ()]}, schema={"programme": pl.String}
    )
    delivered = pl.DataFrame(schema={"programme": pl.String, "delivered": pl.UInt32})
    if files:
        rows = pl.scan_parquet(files, schema=DECISIONS_SCHEMA).filter("delivered")
        delivered = rows.group_by("programme").agg(pl.len().alias("delivered")).collect()
    classes = ("incremental", "cannibalised", "pulled_forward")
    redeemed = (
        truth.purchases.filter("redeemed")
        .group_by("programme")
        .agg(
            *((pl.col("class") == name).sum().alias(name) for name in classes),
            pl.col("discount_cents").sum(),
        )
    )
    whole = names.join(delivered, on="programme", how="left", maintain_order="left")
    whole = whole.join(redeemed, on="programme", how="left", maintain_order="left")
    return whole.with_columns(pl.exclude("programme").fill_null(0)).to_pandas()


def _headline(truth: Truth) -> str:
    effect = int(truth.customers["effect_purchases"].sum())
    return f"In truth the programmes made {text.more(effect, text.count, 'fewer')} purchases"


def _sentence(truth: Truth, world: World, programmes: ProgrammeSet | None) -> str:
    made = truth.purchases.height
    lived = f"{text.count(world.customers + world.arrivals)} customers made {text.count(made)} purchases in {text.count(world.days)} days"
    if programmes is None:
        return f"{lived}; no programme decided."
    redeemed = truth.purchases.filter("redeemed")
    anyway = redeemed.filter(pl.col("class") == "cannibalised").height
    effect = truth.customers.sum()
    purchases, margin = effect["effect_purchases"][0], effect["effect_margin_cents"][0]
    return (
        f"{lived}. Compared with their twins, whom no programme reached, that is "
        f"{text.more(purchases, text.count, 'fewer')} purchases and "
        f"{text.more(margin, text.money)} margin. "
        f"Of {text.count(redeemed.height)} redeemed purchases {text.count(anyway)} would have "
        "happened anyway."
    )
