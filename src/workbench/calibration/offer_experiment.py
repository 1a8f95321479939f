"""An experiment with event-triggered offers in a simulated world, beside what each arm would have done.

Owns the table of units and its truth. Owns no response: every arm is a world of its own, in which the
same customers live with the same noise and all get the offer of that arm.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.programme.choose import Cell
from workbench.decision.written import written
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment import sample_ratio
from workbench.files import whole_file
from workbench.replay import label_triggers
from workbench.world import Simulation, World, simulate

CONTROL = "control"
OUTCOMES = (
    "converted",
    "visits",
    "spend_cents",
    "offer_cost_cents",
    "margin_cents",
    "profit_cents",
)
FEATURES = (
    "visits_28d",
    "spend_28d_cents",
    "days_since_visit",
    "mean_basket_cents",
    "app_opens_28d",
    "baskets_28d",
    "hour",
    "weekday",
)
"""What is known of a customer before the trigger: numbers that a learner may use."""

_DAY = 28
_LEAST_UNITS = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class OfferExperiment(text.Result):
    """An offer experiment in a simulated world.

    Attributes:
        table: A row an arm: ``arm``, ``customers``, ``share``, ``expected_share``, and the mean of
            each outcome.
        text: How many customers were triggered and assigned, and whether the shares are as planned.
        units: A row a triggered customer: ``customer_id``, ``triggered_at``, ``arm``, ``p_arm`` (the
            chance of that arm), a column a dimension, :data:`FEATURES`, and of the days since the
            trigger ``converted``, ``visits``, ``spend_cents`` (paid), ``offer_cost_cents`` (taken
            off), ``margin_cents`` (before what was taken off) and ``profit_cents`` (margin less
            cost).
        triggers: A row a trigger, early enough to see what followed, in the order of time:
            ``customer_id``, ``triggered_at`` and a column a dimension. A customer may have several.
        truth: A row a customer and arm: ``customer_id``, ``arm``, a column a dimension, and the
            same outcomes as that customer has in the world where all get that arm.
        simulated: The world in which the arms were drawn, with its log and its decision log.
        programmes: The programme.
        dimensions: The levels of each dimension.
        window_days: Days of the outcomes, from the trigger.
        offer_costs_cents: What each arm costs when its offer is used.
    """

    units: pl.DataFrame
    triggers: pl.DataFrame
    truth: pl.DataFrame
    simulated: Simulation
    programmes: ProgrammeSet
    dimensions: Mapping[str, Sequence[Cell]]
    window_days: int
    offer_costs_cents: Mapping[str, int]

    def true_uplift(self) -> pd.DataFrame:
        """Return what each offer does in truth, as :func:`workbench.report.figures.uplift_by_cell` draws it.

        Returns:
            A row a cell and offer: ``cell`` (its levels), ``offer``, ``uplift_cents`` (of profit),
            ``low`` and ``high`` (the same: nothing is estimated) and ``truth`` (missing: it is the point).
        """
        by = list(self.dimensions)
        means = self.truth.group_by([*by, "arm"]).agg(pl.col("profit_cents").mean())
        control = means.filter(pl.col("arm") == CONTROL).select(*by, without="profit_cents")
        uplift = pl.col("profit_cents") - pl.col("without")
        return (
            means.filter(pl.col("arm") != CONTROL)
            .join(control, on=by)
            .sort(*by, "arm")
            .select(
                cell=pl.concat_str(by, separator=" · "),
                offer="arm",
                uplift_cents=uplift,
                low=uplift,
                high=uplift,
                truth=pl.lit(None, pl.Float64),
            )
            .to_pandas()
        )

    def write(self, folder: str | Path) -> None:
        """Write ``units.parquet``, ``triggers.parquet``, and apart from them ``truth.parquet``."""
        for name in ("units", "triggers", "truth"):
            with whole_file(Path(folder) / f"{name}.parquet") as temporary:
                getattr(self, name).write_parquet(temporary)


@checked
def simulate_offer_experiment(
    world: World,
    programmes: Sequence[Programme],
    dimensions: Mapping[str, Sequence[Cell]],
    *,
    seed: int,
    window_days: int = 14,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> OfferExperiment:
    """Simulate an experiment with several offers, and what each of its arms would have done.

    The experiment takes place once, with arms drawn by the decision core. Then every arm is a world
    of its own in which all customers get it: noise is keyed by customer, day and purpose, so a
    customer who got an arm has the same outcome in the experiment and in the world of that arm.

    Args:
        world: From :func:`workbench.load_world`.
        programmes: One programme with ``experiment.arms``, of which ``control`` is one and every
            other has one offer (``offers_by_arm``), that makes one offer a customer (``once``).
        dimensions: From :func:`workbench.load_dimensions`: what may matter for the effect.
        seed: Seed of all noise.
        window_days: Days of the outcomes, from the trigger; who was triggered later than that before
            the end of the world is no unit.
        workers: Parts that live at one time; none: one for each processor.
        progress: Called with the worlds done and all worlds.

    Returns:
        The units, and apart from them the truth.

    Raises:
        ParameterError: There is not one such programme, or the window is not 1 to the world's days.
        InputError: Fewer than 30 customers were triggered early enough.

    >>> from workbench.decision import load_programmes
    >>> from workbench.replay import load_dimensions
    >>> from workbench.world import load_world
    >>> made = simulate_offer_experiment(
    ...     load_world("params/worlds/app_offers.yaml").sized(customers=200, days=40),
    ...     load_programmes("params/programmes/app_offers"),
    ...     load_dimensions("params/dimensions/app_offers.yaml"),
    ...     seed=1,
    ... )
    >>> made.units["arm"].unique().sort().to_list()
    ['control', 'dessert', 'three_off']
    """
    whole = ProgrammeSet.of(programmes)
    arms = _arms(whole)
    if not 1 <= window_days < world.days:
        rule = f"must be at least 1 and below the days of the world, {world.days}"
        raise ParameterError(problem("window_days", window_days, rule))
    count = workers or os.cpu_count() or 1
    told = progress or (lambda _done, _of: None)
    simulated = simulate(world, whole, seed=seed, workers=count)
    told(1, len(arms) + 1)
    units = _units(simulated, whole, window_days)
    if units.height < _LEAST_UNITS:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: {text.plural(units.height, 'customer')} triggered at least "
            f"{window_days} days before the end, needs {_LEAST_UNITS}; simulate more customers or days"
        )
    labels = label_triggers(simulated.log, whole, whole[0].name, dimensions)
    triggers = (
        labels.rename({"person": "customer_id", "ts": "triggered_at"})
        .drop("set_id")
        .filter(pl.col("triggered_at") <= _last(simulated, window_days))
        .join(units.select("customer_id"), on="customer_id", how="semi", maintain_order="left")
    )
    units = units.join(labels.drop("person", "ts"), on="set_id", how="left")
    units = units.join(_features(simulated, units), on="customer_id", how="left")
    observed = outcomes_of(simulated, units, window_days)
    truth = []
    for done, arm in enumerate(arms, start=2):
        alone = simulate(world, _only(whole, arm), seed=seed, workers=count)
        truth.append(outcomes_of(alone, units, window_days).with_columns(arm=pl.lit(arm)))
        told(done, len(arms) + 1)
    known = ["customer_id", "triggered_at", "arm", "p_arm", *dimensions, *FEATURES]
    found = units.join(observed, on="customer_id", how="left").select(*known, *OUTCOMES)
    beside = pl.concat(truth).join(units.select("customer_id", *dimensions), on="customer_id")
    beside = beside.select("customer_id", "arm", *dimensions, *OUTCOMES).sort("customer_id", "arm")
    table = _table(found, arms)
    return OfferExperiment(
        table=table,
        text=_sentence(found, table, arms),
        headline=f"{text.plural(found.height, 'customer')} in {len(arms)} arms",
        units=found,
        triggers=triggers,
        truth=beside,
        simulated=simulated,
        programmes=whole,
        dimensions=dimensions,
        window_days=window_days,
        offer_costs_cents={arm: _offer_cost(whole, arm) for arm in arms},
    )


def _arms(programmes: ProgrammeSet) -> dict[str, float]:
    """Return the share of each arm of the one programme, control first.

    Raises:
        ParameterError: It is not one programme with a control, an offer an arm, and one decision.
    """
    if len(programmes) != 1:
        rule = "must be one: the truth of an arm is that of this programme alone"
        raise ParameterError(problem("programmes", len(programmes), rule))
    programme = programmes[0]
    arms = dict(programme.experiment.arms or {})
    by_arm = programme.experiment.offers_by_arm
    if CONTROL not in arms or any(len(by_arm.get(arm, ())) != 1 for arm in set(arms) - {CONTROL}):
        raise ParameterError(
            f"{programme.name} has the arms {', '.join(arms) or 'none'}; it needs experiment.arms with "
            f"{CONTROL}, and one offer for each other arm in experiment.offers_by_arm"
        )
    if not programme.limits.once:
        raise ParameterError(
            f"{programme.name} may decide more than once for a customer; set limits.once: true, so "
            "that a customer has one trigger"
        )
    return {CONTROL: arms.pop(CONTROL), **dict(sorted(arms.items()))}


def _offer_cost(programmes: ProgrammeSet, arm: str) -> int:
    """Return what the offer of an arm costs when it is used; nothing in the control."""
    names = programmes[0].experiment.offers_by_arm.get(arm, ())
    costs = {offer.id: offer.cost_cents for offer in programmes[0].offers}
    return costs[names[0]] if names else 0


def _only(programmes: ProgrammeSet, arm: str) -> Sequence[Programme]:
    """Return the programme as it is where everybody gets one arm; nobody decides for the control."""
    if arm == CONTROL:
        return ()
    plain = written(programmes)["programmes"][0]
    plain["experiment"] = {
        "salt": plain["experiment"]["salt"],
        "arms": {arm: 1.0},
        "offers_by_arm": {arm: list(programmes[0].experiment.offers_by_arm[arm])},
    }
    columns = dict(programmes.columns)
    made = Programme.from_mapping(plain, source=f"arm {arm}", columns=columns)
    return ProgrammeSet.of([made], programmes.house, source=f"arm {arm}", columns=columns)


def _units(simulated: Simulation, programmes: ProgrammeSet, window_days: int) -> pl.DataFrame:
    """Return who was offered something or would have been, early enough to see what followed."""
    reason = pl.col("reason").cast(pl.String)
    return (
        simulated.decisions()
        .filter(pl.col("programme").cast(pl.String) == programmes[0].name)
        .filter(pl.col("delivered") | (reason == "held_out"))
        .filter(pl.col("ts") <= _last(simulated, window_days))
        .select(
            "set_id",
            customer_id=pl.col("person"),
            triggered_at=pl.col("ts"),
            arm=pl.col("arm").cast(pl.String),
            p_arm=pl.col("p_assignment"),
        )
        .sort("customer_id")
        .collect()
    )


def _last(simulated: Simulation, window_days: int) -> pl.Expr:
    """Return the last instant of which the whole window is seen."""
    end = pl.lit(int(simulated.midnights_us[-1])).cast(pl.Datetime("us", "UTC"))
    return end - pl.duration(days=window_days)


def outcomes_of(simulated: Simulation, units: pl.DataFrame, window_days: int) -> pl.DataFrame:
    """Return what customers bought in the days since their trigger."""
    columns = ["person_id", "ts", "amount_cents", "discount_cents", "margin_cents"]
    bought = simulated.events("purchase", columns).rename({"person_id": "customer_id"})
    since = units.select("customer_id", "triggered_at").join(bought, on="customer_id")
    window = pl.duration(days=window_days)
    inside = since.filter(
        pl.col("ts") > pl.col("triggered_at"), pl.col("ts") <= pl.col("triggered_at") + window
    )
    sums = inside.group_by("customer_id").agg(
        visits=pl.len().cast(pl.Int64),
        spend_cents=pl.col("amount_cents").sum(),
        offer_cost_cents=pl.col("discount_cents").sum(),
        profit_cents=pl.col("margin_cents").sum(),
    )
    return (
        units.select("customer_id")
        .join(sums, on="customer_id", how="left")
        .with_columns(pl.exclude("customer_id").fill_null(0))
        .with_columns(
            converted=pl.col("visits") > 0,
            margin_cents=pl.col("profit_cents") + pl.col("offer_cost_cents"),
        )
        .select("customer_id", *OUTCOMES)
    )


def _features(simulated: Simulation, units: pl.DataFrame) -> pl.DataFrame:
    """Return what was known of each customer before the trigger, as numbers."""
    columns = ["person_id", "ts", "type", "amount_cents"]
    kinds = [k for k in ("purchase", "app_open", "basket_add") if simulated.log.counts.get(k)]
    events = simulated.log.to_polars(columns, types=kinds).rename({"person_id": "customer_id"})
    local = pl.col("triggered_at").dt.convert_time_zone(simulated.world.zone)
    before = (
        units.select("customer_id", "triggered_at")
        .join(events, on="customer_id")
        .filter(pl.col("ts") < pl.col("triggered_at"))
        .with_columns(
            bought=pl.col("type").cast(pl.String) == "purchase",
            near=pl.col("ts") >= pl.col("triggered_at") - pl.duration(days=_DAY),
        )
    )
    kind = pl.col("type").cast(pl.String)
    days = (pl.col("triggered_at") - pl.col("ts")).dt.total_seconds() / 86_400
    sums = before.group_by("customer_id").agg(
        visits_28d=(pl.col("bought") & pl.col("near")).sum().cast(pl.Int64),
        spend_28d_cents=pl.col("amount_cents").filter("bought", "near").sum(),
        days_since_visit=days.filter("bought").min().round(2),
        mean_basket_cents=pl.col("amount_cents").filter("bought").mean().round(0),
        app_opens_28d=((kind == "app_open") & pl.col("near")).sum().cast(pl.Int64),
        baskets_28d=((kind == "basket_add") & pl.col("near")).sum().cast(pl.Int64),
    )
    moment = units.select(
        "customer_id",
        hour=local.dt.hour().cast(pl.Int64),
        weekday=local.dt.weekday().cast(pl.Int64),
    )
    return moment.join(sums, on="customer_id", how="left").select("customer_id", *FEATURES)


def _table(units: pl.DataFrame, arms: Mapping[str, float]) -> pd.DataFrame:
    """Return size, share and mean outcomes of each arm."""
    planned = pl.DataFrame({"arm": list(arms), "expected_share": list(arms.values())})
    means = units.group_by("arm").agg(pl.len().alias("customers"), pl.col(OUTCOMES).mean())
    return (
        planned.join(means, on="arm", how="left", maintain_order="left")
        .with_columns(pl.col("customers").fill_null(0))
        .with_columns(share=pl.col("customers") / units.height)
        .select("arm", "customers", "share", "expected_share", *OUTCOMES)
        .to_pandas()
    )


def _sentence(units: pl.DataFrame, table: pd.DataFrame, arms: Mapping[str, float]) -> str:
    counts = dict(zip(table["arm"], table["customers"].astype(int), strict=True))
    verdict = sample_ratio(counts, shares=dict(arms))
    return text.sentence(
        f"{text.plural(units.height, 'customer')} met their trigger early enough and got one of "
        f"{len(arms)} arms by chance; {verdict.text[0].lower()}{verdict.text[1:].rstrip('.')}"
    )


__all__ = ["FEATURES", "OfferExperiment", "simulate_offer_experiment"]
