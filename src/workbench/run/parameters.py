"""One strict model for each notebook: names, types, limits, meaning, and which are paths.

Owns the parameters of notebooks; the order of a run follows from them (who writes what another
reads, see ``plan``). A new notebook needs one new model here with its ``notebook`` name.
"""

from __future__ import annotations

import ast
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from workbench.errors import ParameterError, did_you_mean, problem
from workbench.params import Parameters
from workbench.run import paths
from workbench.run.sources import open_purchases, prior_of

if TYPE_CHECKING:
    import polars as pl

PathRole = Literal["input", "output", "name_or_path"]
Reads = Literal["archive", "mapping", "programmes", "segments", "world"]


@dataclass(frozen=True)
class Role:
    """Marks a text parameter as a path and says what a notebook does with it.

    Attributes:
        role: Whether it is read or written.
        reads: What kind of file it is, when its content is checked before a run.
    """

    role: PathRole
    reads: Reads | None = None


InputPath = Annotated[str, Role("input"), Field(min_length=1, max_length=1024)]
"""A file or folder that the notebook reads; it exists or an earlier notebook writes it."""

OutputPath = Annotated[str, Role("output"), Field(min_length=1, max_length=1024)]
"""A file or folder inside the project that the notebook writes."""

NameOrPath = Annotated[str, Role("name_or_path"), Field(min_length=1, max_length=1024)]
"""The name of something that is shipped, or a path; what holds a ``/`` is a path."""

ArchivePath = Annotated[str, Role("name_or_path", "archive"), Field(min_length=1, max_length=1024)]
"""A table of past experiments, which is read before a run, or none."""

MappingName = Annotated[str, Role("name_or_path", "mapping"), Field(min_length=1, max_length=1024)]
"""The name of a shipped mapping or its file, which is read before a run."""

ProgrammesPath = Annotated[str, Role("input", "programmes"), Field(min_length=1, max_length=1024)]
"""A programme file or a folder of them, all read before a run."""

SegmentsPath = Annotated[str, Role("input", "segments"), Field(min_length=1, max_length=1024)]
"""A file of segments, read before a run."""

WorldPath = Annotated[str, Role("input", "world"), Field(min_length=1, max_length=1024)]
"""A file of a world, read before a run."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]

_INJECTED = "# Parameters"


class NotebookParameters(Parameters):
    """Base of the models of notebooks: flat scalars, paths relative to the project root."""

    notebook: ClassVar[str]

    @classmethod
    def from_namespace(cls, namespace: Mapping[str, Any]) -> Self:
        """Check a notebook's own globals: the same rules in JupyterLab, papermill and the runner.

        Values that papermill injected under an unknown name are found too.

        Raises:
            ParameterError: A parameter is missing, unknown or breaks its rule.

        Example:
            >>> ReplayLog.from_namespace({"log": "runs/demo/log", "seed": -1})  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            ...
            workbench.errors.ParameterError: 30_replay_log: ...
        """
        values = {name: namespace[name] for name in cls.model_fields if name in namespace}
        absent = sorted(set(cls.model_fields) - set(values))
        if absent:
            raise ParameterError(
                f"{cls.notebook}: {', '.join(absent)} not set; run the parameters cell first"
            )
        for name in _injected_names(namespace.get("In", ())):
            if name not in cls.model_fields:
                hint = did_you_mean(name, cls.model_fields)
                raise ParameterError(f"{cls.notebook}: {name} is not a parameter{hint}")
        return cls.from_mapping(values, source=cls.notebook)

    @classmethod
    def roles(cls) -> dict[str, PathRole]:
        """Return which parameters are paths, and whether each is read or written.

        >>> ReplayLog.roles()["decisions"]
        'output'
        """
        return {
            name: mark.role
            for name, field in cls.model_fields.items()
            for mark in field.metadata
            if isinstance(mark, Role)
        }

    @classmethod
    def readers(cls) -> dict[str, Reads]:
        """Return which parameters name files whose content is checked before a run.

        >>> ReplayLog.readers()
        {'programmes': 'programmes'}
        """
        return {
            name: mark.reads
            for name, field in cls.model_fields.items()
            for mark in field.metadata
            if isinstance(mark, Role) and mark.reads
        }

    def listed(self, name: str) -> list[str]:
        """Return the entries of a text parameter that has commas between them.

        >>> ReadOutExperiment(metrics="visits, sales_cents / visits").listed("metrics")
        ['visits', 'sales_cents / visits']
        """
        return _split(getattr(self, name))

    def mapped(self, name: str) -> dict[str, str]:
        """Return the entries of a text parameter of names and values, with semicolons between them.

        Raises:
            ParameterError: An entry has no name or no value, or a name stands twice.

        >>> ReadOutExperiment(money="sales_cents: revenue; purchases: visits").mapped("money")
        {'sales_cents': 'revenue', 'purchases': 'visits'}
        """
        found: dict[str, str] = {}
        for entry in filter(None, (each.strip() for each in getattr(self, name).split(";"))):
            key, _, value = (each.strip() for each in entry.partition(":"))
            if not key or not value or key in found:
                rule = "must be 'name: value', with semicolons between, and each name once"
                raise ParameterError(problem(name, getattr(self, name), rule))
            found[key] = value
        return found

    def path(self, name: str) -> Path:
        """Return a path parameter as an absolute path; the name of something shipped stays a name.

        Raises:
            ParameterError: No path parameter has that name.
        """
        roles = self.roles()
        if roles.get(name) == "name_or_path" and "/" not in getattr(self, name):
            return Path(getattr(self, name))
        if name not in roles:
            raise ParameterError(
                f"{self.notebook}: {name} is not a path parameter{did_you_mean(name, roles)}"
            )
        return paths.resolve(getattr(self, name))


class SimulateWorld(NotebookParameters):
    """Parameters of ``05_simulate_world``."""

    notebook: ClassVar[str] = "05_simulate_world"

    world: WorldPath = Field("params/worlds/qsr.yaml", description="file of the world")
    programmes: ProgrammesPath = Field("params/programmes", description="programme file or folder")
    programme: str = Field("nth_purchase", min_length=1, description="the programme looked at")
    holdout_share: float = Field(0.5, gt=0, lt=1, description="its hold-out, a share of customers")
    simulated: OutputPath = Field(
        "runs/demo/world", description="folder of its log, decisions and truth"
    )
    customers: int = Field(4000, ge=1, le=50_000_000, description="customers at the start")
    days: int = Field(56, ge=1, le=3660, description="days the world lasts")
    seed: Seed = Field(1, description="seed of all noise")


class IngestLog(NotebookParameters):
    """Parameters of ``10_ingest_log``."""

    notebook: ClassVar[str] = "10_ingest_log"

    source: NameOrPath = Field("complete_journey", description="shipped data, or a file or folder")
    mapping: MappingName = Field("complete_journey", description="shipped mapping, or its file")
    log: OutputPath = Field("runs/demo/log", description="folder of the stored log")
    parts: int = Field(8, ge=1, le=1024, description="number of parts that persons are split into")


class ProfileCustomers(NotebookParameters):
    """Parameters of ``20_profile_customers``."""

    notebook: ClassVar[str] = "20_profile_customers"

    log: InputPath = Field("runs/demo/log", description="folder of the stored log")
    segments: SegmentsPath = Field("params/segments/grocery.yaml", description="segment names")
    profile: OutputPath = Field("runs/demo/profile", description="folder of the profile")
    bins: int = Field(5, ge=2, le=100, description="bins of each RFM score")
    as_of: str = Field("", max_length=40, description="instant of the profile; empty: end of log")

    @field_validator("as_of")
    @classmethod
    def _is_instant(cls, as_of: str) -> str:
        try:
            _ = as_of and dt.datetime.fromisoformat(as_of)
        except ValueError:
            rule = (
                "must be an instant such as '2017-10-01' or '2017-10-01T09:00:00-04:00', or empty"
            )
            raise ValueError(rule) from None
        return as_of


class CalibrateWorld(NotebookParameters):
    """Parameters of ``06_calibrate_world``."""

    notebook: ClassVar[str] = "06_calibrate_world"

    log: InputPath = Field("runs/demo/log", description="folder of the stored log")
    simulated: OutputPath = Field("runs/demo/calibrated", description="folder of the fitted world")
    seed: Seed = Field(1, description="seed of all noise")


class ReenactClaims(NotebookParameters):
    """Parameters of ``07_reenact_claims``."""

    notebook: ClassVar[str] = "07_reenact_claims"

    world: WorldPath = Field("params/worlds/qsr.yaml", description="file of the world")
    programmes: ProgrammesPath = Field("params/programmes", description="programmes by event")
    weekly: ProgrammesPath = Field(
        "params/programmes/claims/weekly_two_off.yaml", description="the weekly broadcast"
    )
    thanks: ProgrammesPath = Field(
        "params/programmes/nth_purchase.yaml", description="a thank-you, a few times at most"
    )
    coffee: ProgrammesPath = Field(
        "params/programmes/claims/late_coffee.yaml", description="a coffee for who seldom comes"
    )
    customers: int = Field(3000, ge=1, le=50_000_000, description="customers at the start")
    days: int = Field(56, ge=1, le=3660, description="days the world lasts")
    arrivals_per_day: float = Field(
        20.0, ge=0, le=1e6, description="new customers a day, claim one"
    )
    mail_factor: float = Field(3.5, gt=0, le=1000, description="factor on e-mails that are read")
    seed: Seed = Field(1, description="seed of all noise")


class ReplayLog(NotebookParameters):
    """Parameters of ``30_replay_log``."""

    notebook: ClassVar[str] = "30_replay_log"

    log: InputPath = Field("runs/demo/log", description="folder of the stored log")
    profile: InputPath = Field("runs/demo/profile", description="folder of the profile")
    programmes: ProgrammesPath = Field(
        "params/programmes/grocery", description="programme file or folder"
    )
    decisions: OutputPath = Field("runs/demo/decisions", description="folder of the decision log")
    customer: str = Field(
        "", max_length=256, description="customer to explain; empty: one with a telling history"
    )


class CompareProgrammes(NotebookParameters):
    """Parameters of ``31_compare_programmes``."""

    notebook: ClassVar[str] = "31_compare_programmes"

    log: InputPath = Field("runs/demo/log", description="folder of the stored log")
    profile: InputPath = Field("runs/demo/profile", description="folder of the profile")
    programmes: ProgrammesPath = Field(
        "params/programmes/grocery", description="programmes as they are, a file or folder"
    )
    others: ProgrammesPath = Field(
        "params/programmes/grocery_selective", description="programmes to compare with"
    )
    broadcast: ProgrammesPath = Field(
        "params/programmes/grocery_weekly", description="one broadcast, the calendar's way"
    )
    group: str = Field(
        "segment", min_length=1, max_length=64, description="column of the profile to group by"
    )
    vary: str = Field(
        "welcome_back.budget.amount_cents",
        min_length=3,
        max_length=200,
        description="key of the other programmes that is swept",
    )
    values: str = Field(
        "50000, 100000, 200000, 400000, 800000, null",
        min_length=1,
        max_length=1000,
        description="its values, with commas between; null: without it",
    )
    horizon_days: int = Field(
        7, ge=1, le=365, description="days after an offer in which a customer comes anyway"
    )
    comparison: OutputPath = Field("runs/demo/comparison", description="folder of what is found")


class DesignExperiment(NotebookParameters):
    """Parameters of ``40_design_experiment``."""

    notebook: ClassVar[str] = "40_design_experiment"

    log: InputPath = Field("runs/demo/log", description="folder of the log of the past")
    programmes: ProgrammesPath = Field(
        "params/programmes/grocery", description="programme file or folder"
    )
    programme: str = Field("nth_purchase", min_length=1, description="the programme to be tested")
    metric: str = Field("sales_cents", min_length=1, description="column, or a ratio of two")
    covariates: str = Field(
        "sales_before_cents, purchases_before",
        max_length=1000,
        description="known before assignment, with commas between",
    )
    outcome_days: int = Field(28, ge=1, le=3650, description="days behind a trigger that count")
    before_days: int = Field(84, ge=1, le=3650, description="days before it, for covariates")
    lift: float = Field(0.15, gt=-1, le=100, description="smallest relative effect worth finding")
    power: float = Field(0.8, gt=0, lt=1, description="chance of finding it")
    alpha: float = Field(0.05, gt=0, lt=1, description="chance of a false alarm")
    control_share: float = Field(0.5, gt=0, lt=1, description="share of the control")
    margin_share: float = Field(0.25, gt=0, le=1, description="margin as a share of the amount")
    factors: str = Field(
        "content: food, coffee; timing: now, later; value: low, high",
        max_length=1000,
        description="factors of a content test, the base first",
    )
    simulations: int = Field(400, ge=10, le=100_000, description="simulated experiments of a kind")
    design: OutputPath = Field("runs/demo/design", description="folder of the plan")
    seed: Seed = Field(1, description="seed of the simulated experiments")


class ReadOutExperiment(NotebookParameters):
    """Parameters of ``41_read_out_experiment``."""

    notebook: ClassVar[str] = "41_read_out_experiment"

    source: InputPath = Field(
        "runs/demo/world/decisions",
        description="Parquet or CSV, a row a unit; a decision log; or the log of a mailing",
    )
    outcomes: NameOrPath = Field(
        "runs/demo/world/log", description="log of what followed the decisions; none: a table"
    )
    mailing: str = Field(
        "",
        max_length=40,
        description="instant of the mailing in a log, with its zone; empty: none",
    )
    sent: str = Field(
        "offer_received",
        min_length=1,
        max_length=256,
        description="with it: type of the events that say who got it",
    )
    programme: str = Field(
        "nth_purchase", max_length=256, description="programme of the decision log"
    )
    window_days: int = Field(
        0,
        ge=0,
        le=3650,
        description="decision log, mailing: days from it that count; 0: to the end of the log",
    )
    before_days: int = Field(
        28, ge=1, le=3650, description="with them: days before it, for covariates"
    )
    after_days: int = Field(
        0,
        ge=0,
        le=3650,
        description="decision log: days behind the window, where a dip was pulled forward; 0: none",
    )
    customers: NameOrPath = Field(
        "none", description="with them: Parquet of person_id and segments; none: without"
    )
    metrics: str = Field(
        "purchases, spend_cents",
        min_length=1,
        max_length=2000,
        description="columns or ratios, with commas between",
    )
    arm: str = Field("arm", min_length=1, max_length=256, description="column of the arm")
    control: str = Field("control", min_length=1, max_length=256, description="the control")
    factors: str = Field(
        "",
        max_length=1000,
        description="instead of arms, such as content: food, tea; timing: now, later",
    )
    shares: str = Field(
        "", max_length=1000, description="meant sizes, such as control: 1; offer: 9; empty: equal"
    )
    assignment: Literal["randomised", "targeted", "unknown"] = Field(
        "randomised", description="how arms came about: randomised, targeted or unknown"
    )
    unit: str = Field("", max_length=256, description="column of the unit; empty: a row each")
    cluster: str = Field("", max_length=256, description="column of what was assigned as a whole")
    covariates: str = Field("", max_length=2000, description="columns fixed before assignment")
    segments: str = Field("", max_length=2000, description="columns of segments named before")
    day: str = Field("", max_length=256, description="column of the day of entry; empty: none")
    stages: str = Field(
        "",
        max_length=2000,
        description="columns true for who reached a stage, where arms must be alike",
    )
    trigger: str = Field(
        "", max_length=256, description="column true for the triggered; empty: none"
    )
    one_sided: bool = Field(
        False, description="whether treated arms alone show the trigger; covariates tell the rest"
    )
    reached: str = Field(
        "", max_length=256, description="column true for who was reached; empty: none"
    )
    money: str = Field(
        "",
        max_length=1000,
        description="columns of money, such as sales_cents: paid; in whole units: sales: paid",
    )
    margin_share: float = Field(
        0.0, ge=0, le=1, description="margin by price where no column has one; 0: unknown"
    )
    assume: str = Field(
        "", max_length=200, description="of no_halo, no_harm, dip_is_pulled_forward; empty: none"
    )
    reach: int = Field(0, ge=0, description="customers of a launch; 0: those of all arms")
    archive: ArchivePath = Field(
        "none", description="past experiments: profit_cents a customer, standard_error_cents; none"
    )

    @field_validator("mailing")
    @classmethod
    def _is_instant_with_zone(cls, mailing: str) -> str:
        try:
            zoned = not mailing or dt.datetime.fromisoformat(mailing).tzinfo is not None
        except ValueError:
            zoned = False
        if not zoned:
            raise ValueError(
                "must be an instant with its zone, such as '2018-08-08T00:00:00Z', or empty"
            )
        return mailing

    @model_validator(mode="after")
    def _mailing_has_a_window(self) -> Self:
        if self.mailing and not self.window_days:
            raise ValueError("window_days was 0, must be at least 1 with a mailing")
        if self.after_days and (self.mailing or not self.window_days):
            raise ValueError(
                f"after_days was {self.after_days}, needs window_days of a decision log, behind which they are"
            )
        if self.mailing and self.outcomes != "none":
            raise ValueError(
                f"outcomes was {self.outcomes!r}, must be none with a mailing, whose log is the source"
            )
        return self

    def units(self) -> dict[str, Any]:
        """Return how the source becomes units: as it is, or who got a mailing and who did not.

        >>> ReadOutExperiment().units()
        {}
        >>> of = {"mailing": "2018-08-08T00:00:00Z", "outcomes": "none", "window_days": 7}
        >>> ReadOutExperiment(**of).units()["at"].day
        8
        """
        if not self.mailing:
            return {}
        return {
            "at": dt.datetime.fromisoformat(self.mailing),
            "sent": self.sent,
            "outcome_days": self.window_days,
            "before_days": self.before_days,
        }

    def outcomes_path(self) -> Path | None:
        """Return the folder of the log, or None for a table of units."""
        return None if self.outcomes == "none" else self.path("outcomes")

    def design(self) -> dict[str, Any]:
        """Return how units came into arms, as a read-out and its money ask for it.

        >>> ReadOutExperiment(shares="control: 1; offer: 9").design()["shares"]
        {'control': 1.0, 'offer': 9.0}
        """
        levels = self.mapped("factors") if ":" in self.factors else {}
        return {
            "arm": self.arm,
            "control": self.control,
            "factors": {name: _split(each) for name, each in levels.items()}
            or self.listed("factors"),
            "shares": _numbers("shares", self.mapped("shares")) or None,
            "unit": self.unit or None,
            "cluster": self.cluster or None,
            "covariates": self.listed("covariates"),
            "outcomes": self.outcomes_path(),
            "programme": self.programme or None,
            "window_days": self.window_days or None,
            "before_days": self.before_days,
        }

    def question(self) -> dict[str, Any]:
        """Return what a read-out is asked.

        >>> ReadOutExperiment(metrics="visits", outcomes="none").question()["metrics"]
        ['visits']
        >>> of = {"mailing": "2018-08-08T00:00:00Z", "outcomes": "none", "window_days": 7}
        >>> ReadOutExperiment(**of, covariates="purchases_before").question()["covariates"]
        [Covariate(column='purchases_before', window_ends=datetime.date(2018, 8, 8))]
        """
        return self.design() | {
            "metrics": self.listed("metrics"),
            "segments": self.listed("segments"),
            "stages": self.listed("stages"),
            "day": self.day or None,
            "trigger": self.trigger or None,
            "one_sided": self.one_sided,
            "reached": self.reached or None,
            "assignment": self.assignment,
            "customers": None if self.customers == "none" else _rows(self.path("customers")),
            **self._before_the_mailing(),
        }

    def _before_the_mailing(self) -> dict[str, Any]:
        """Return the covariates of a mailing with the day that their windows end; nothing without one."""
        from workbench.experiment import Covariate  # noqa: PLC0415 - the command line's help does without

        if not self.mailing:
            return {}
        day = dt.datetime.fromisoformat(self.mailing).date()
        known = [
            Covariate(name, day if all("_before" in each for each in name.split("/")) else None)
            for name in self.listed("covariates")
        ]
        return {"covariates": known, "assigned_from": day}

    def worth(self) -> dict[str, Any]:
        """Return what is asked of its money.

        >>> ReadOutExperiment(money="sales_cents: revenue_cents").worth()["columns"]
        {'sales_cents': 'revenue_cents'}
        """
        return self.design() | {
            "columns": self.mapped("money"),
            "margin_share": self.margin_share or None,
            "assume": self.listed("assume"),
            "customers": self.reach or None,
            "after_days": self.after_days or None,
            "prior": None if self.archive == "none" else prior_of(self.path("archive")),
        }


def _rows(path: Path) -> pl.LazyFrame:
    """Return a Parquet file that is not read before it is asked for."""
    import polars as pl  # noqa: PLC0415 - the command line's help does without

    return pl.scan_parquet(path)


def _split(said: str) -> list[str]:
    return [each.strip() for each in said.split(",") if each.strip()]


def _numbers(name: str, found: Mapping[str, str]) -> dict[str, float]:
    """Return values as numbers.

    Raises:
        ParameterError: One is none.
    """
    try:
        return {key: float(each) for key, each in found.items()}
    except ValueError:
        said = "; ".join(f"{key}: {each}" for key, each in found.items())
        rule = "must be numbers by arm, such as 'control: 1; offer: 9'"
        raise ParameterError(problem(name, said, rule)) from None


class MonitorExperiment(NotebookParameters):
    """Parameters of ``42_monitor_experiment``."""

    notebook: ClassVar[str] = "42_monitor_experiment"

    log: InputPath = Field("runs/demo/world/log", description="folder of the log")
    decisions: InputPath = Field(
        "runs/demo/world/decisions", description="folder of the decision log"
    )
    programmes: ProgrammesPath = Field("params/programmes", description="programmes as they ran")
    programme: str = Field("nth_purchase", min_length=1, description="the programme under test")
    metric: str = Field("purchases", min_length=1, description="column, or a ratio of two")
    covariates: str = Field(
        "purchases_before, sales_before_cents",
        max_length=1000,
        description="known before assignment, with commas between",
    )
    guardrail: str = Field("sales_cents", max_length=200, description="must not fall; empty: none")
    margin: float = Field(0.3, gt=0, lt=1, description="relative loss of it that is accepted")
    outcome_days: int = Field(14, ge=1, le=3650, description="days behind a trigger that count")
    before_days: int = Field(28, ge=1, le=3650, description="days before it, for covariates")
    lift: float = Field(0.1, gt=0, le=100, description="smallest relative effect worth finding")
    planned: int = Field(4000, ge=2, description="units that are planned")
    first: int = Field(100, ge=1, description="units before which nothing is said")
    alpha: float = Field(0.05, gt=0, lt=1, description="chance of ever claiming what is not there")
    largest_loss: float = Field(
        0.002, gt=0, description="relative loss on average that a decision may cost"
    )
    monitoring: OutputPath = Field("runs/demo/monitoring", description="folder of the daily table")


class TrustTheReadOut(NotebookParameters):
    """Parameters of ``43_trust_the_read_out``."""

    notebook: ClassVar[str] = "43_trust_the_read_out"

    experiments: int = Field(
        30, ge=20, le=1_000_000, description="simulated experiments of each estimator"
    )
    calibration: OutputPath = Field("runs/demo/calibration", description="folder of the table")
    seed: Seed = Field(1, description="seed of all of them; none is tried twice")


class SimulateOffers(NotebookParameters):
    """Parameters of ``45_simulate_offers``."""

    notebook: ClassVar[str] = "45_simulate_offers"

    world: InputPath = Field("params/worlds/app_offers.yaml", description="file of the world")
    programmes: ProgrammesPath = Field(
        "params/programmes/app_offers", description="the programme with its arms"
    )
    dimensions: InputPath = Field(
        "params/dimensions/app_offers.yaml", description="levels that effects may depend on"
    )
    experiment: OutputPath = Field(
        "runs/demo/offer_experiment", description="folder of the units and their truth"
    )
    customers: int = Field(20_000, ge=1, le=50_000_000, description="customers of the world")
    days: int = Field(56, ge=2, le=3660, description="days the world lasts")
    window_days: int = Field(
        14, ge=1, le=3650, description="days of the outcomes, from the trigger"
    )
    seed: Seed = Field(1, description="seed of all noise")


class FitUplift(NotebookParameters):
    """Parameters of ``50_fit_uplift``."""

    notebook: ClassVar[str] = "50_fit_uplift"

    units: InputPath = Field(
        "runs/demo/offer_experiment/units.parquet", description="Parquet, one row a customer"
    )
    truth: NameOrPath = Field(
        "runs/demo/offer_experiment/truth.parquet", description="what a world knows; none: nothing"
    )
    by: str = Field(
        "frequency, basket, moment",
        max_length=1000,
        description="columns that effects may depend on, with commas between",
    )
    profit: str = Field(
        "profit_cents", min_length=1, max_length=256, description="column of the profit, in cents"
    )
    converted: str = Field(
        "", max_length=256, description="column of a conversion, 0 or 1; empty: none"
    )
    cost: str = Field(
        "offer_cost_cents", max_length=256, description="column of what the offer cost; empty: none"
    )
    covariate: str = Field(
        "spend_28d_cents", max_length=256, description="number known before; empty: none"
    )
    arm: str = Field("arm", min_length=1, max_length=256, description="column of the arm")
    control: str = Field("control", min_length=1, max_length=256, description="the control")
    unit: str = Field(
        "customer_id", max_length=256, description="column of the customer; empty: a row each"
    )
    effect_spread: float = Field(
        0.25, gt=0, le=100, description="how much effects may differ, as a prior"
    )
    draws: int = Field(4000, ge=100, le=100_000, description="draws of each chain")
    uplift: OutputPath = Field("runs/demo/uplift", description="folder of the draws for a policy")
    seed: Seed = Field(1, description="seed of the sampler")

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcomes with their kinds."""
        converted = {self.converted: "conversion"} if self.converted else {}
        return {self.profit: "amount", **converted}


class LearnUplift(NotebookParameters):
    """Parameters of ``51_learn_uplift``."""

    notebook: ClassVar[str] = "51_learn_uplift"

    units: InputPath = Field(
        "runs/demo/offer_experiment/units.parquet", description="Parquet, one row a customer"
    )
    truth: NameOrPath = Field(
        "runs/demo/offer_experiment/truth.parquet", description="what a world knows; none: nothing"
    )
    outcome: str = Field(
        "profit_cents", min_length=1, max_length=256, description="column of the outcome"
    )
    features: str = Field(
        "visits_28d, spend_28d_cents, days_since_visit, mean_basket_cents, app_opens_28d, baskets_28d, "
        "hour, weekday",
        min_length=1,
        max_length=5000,
        description="columns known before, with commas between",
    )
    learners: str = Field(
        "x, dr, t",
        min_length=1,
        max_length=40,
        description="s, t, x, r or dr, with commas between; the first one answers",
    )
    propensity: str = Field(
        "p_arm", max_length=256, description="column of the chance of the arm; empty: estimated"
    )
    cost: float = Field(
        0.0,
        ge=0,
        le=1e12,
        description="cost of an offer in the unit of the outcome; 0: the outcome has it off",
    )
    arm: str = Field("arm", min_length=1, max_length=256, description="column of the arm")
    control: str = Field("control", min_length=1, max_length=256, description="the control")
    unit: str = Field(
        "customer_id", max_length=256, description="column of the customer; empty: a row each"
    )
    folds: int = Field(3, ge=2, le=20, description="folds that are predicted in turn")
    seed: Seed = Field(1, description="seed of folds and trees")

    @property
    def in_cents(self) -> list[str]:
        """The columns of results that hold cents because the outcome does."""
        names = ["effect", "low", "high", "value", "at_random", "toc", "autoc", "autoc_error"]
        return names if self.outcome.endswith("_cents") else []


class ChoosePolicy(NotebookParameters):
    """Parameters of ``52_choose_policy``."""

    notebook: ClassVar[str] = "52_choose_policy"

    uplift: InputPath = Field("runs/demo/uplift", description="folder of the draws of a fit")
    triggers: NameOrPath = Field(
        "runs/demo/offer_experiment/triggers.parquet",
        description="Parquet, a row a trigger with its levels; none: a customer triggers once",
    )
    programmes: ProgrammesPath = Field(
        "params/programmes/app_offers", description="the programme whose offers are chosen"
    )
    dimensions: InputPath = Field(
        "params/dimensions/app_offers.yaml", description="levels with their conditions"
    )
    world: NameOrPath = Field(
        "params/worlds/app_offers.yaml", description="world to try the policy in; none: not tried"
    )
    policy: OutputPath = Field("runs/demo/policy/policy.yaml", description="the policy file")
    budget_cents: float = Field(500_000.0, gt=0, description="budget for offers, in cents")
    customers: float = Field(16_000.0, gt=0, description="triggered customers of the plan")
    risk: float = Field(
        0.5, gt=0, lt=1, description="quantile of profit that counts; 0.5: the mean"
    )
    least_effect_cents: float = Field(20.0, ge=0, description="what counts as an effect, in cents")
    world_customers: int = Field(12_000, ge=1, le=50_000_000, description="customers of the world")
    world_days: int = Field(56, ge=2, le=3660, description="days the world lasts")
    seed: Seed = Field(2, description="seed of the world; another one than the experiment's")


class OfPurchases(NotebookParameters):
    """Parameters of every notebook that reads purchases: from a stored log, or from a table and its columns."""

    log: InputPath = Field("runs/demo/log", description="folder of the stored log, or a table")
    customer: str = Field("", description="column of the customer of a table; empty for a log")
    date: str = Field("", description="column of the day of a table; empty for a log")
    amount: str = Field("", description="column of the amount of a table; empty for a log")
    cents_per_unit: float = Field(100.0, gt=0, description="cents in a unit of a table's amount")
    date_format: str = Field(
        "", description="form of a table's dates, such as %d.%m.%Y; empty: ISO"
    )
    zone: str = Field("", description="zone in which an instant gets its day; empty: its own")
    separator: str = Field(",", description="what stands between the columns of a CSV file")
    decimal_comma: bool = Field(
        default=False, description="whether its numbers are written as 1,99"
    )
    refunds: Literal["refuse", "leave_out", "net"] = Field(
        "refuse", description="what negative amounts are: an error, left out, or netted"
    )

    @model_validator(mode="after")
    def _table_has_its_columns(self) -> Self:
        names = ("customer", "date", "amount")
        empty = [name for name in names if not getattr(self, name)]
        if 0 < len(empty) < len(names):
            raise ValueError(
                f"{empty[0]} was '', must name a column of the table: customer, date and amount go together"
            )
        return self

    @property
    def file(self) -> dict[str, Any]:
        """How a CSV file is written, for ``open_purchases``."""
        return {"separator": self.separator, "decimal_comma": self.decimal_comma}

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of a table for ``rfm_summary``, none of a log; and what refunds are.

        >>> ValueCustomers(customer="id", date="day", amount="usd").columns["amount"]
        'usd'
        >>> ValueCustomers(refunds="net", zone="Europe/Berlin").columns
        {'refunds': 'net', 'zone': 'Europe/Berlin'}
        """
        names = [name for name in ("zone", "date_format") if getattr(self, name)]
        names += ["customer", "date", "amount", "cents_per_unit"] if self.customer else []
        return {name: getattr(self, name) for name in ("refunds", *names)}


class ValueCustomers(OfPurchases):
    """Parameters of ``60_value_customers``."""

    notebook: ClassVar[str] = "60_value_customers"

    profile: InputPath = Field("runs/demo/profile", description="folder of the profile of a log")
    clv: OutputPath = Field("runs/demo/clv", description="folder of the customer values")
    purchases: Literal["bg_nbd", "mbg_nbd", "pareto_nbd"] = Field(
        "bg_nbd", description="model of the purchases"
    )
    holdout_days: int = Field(90, ge=1, le=3650, description="last days, kept from the fit")
    horizon_days: int = Field(365, ge=1, le=3650, description="days ahead that are valued")
    margin_share: float = Field(0.25, gt=0, le=1, description="margin as a share of the amount")
    discount_annual: float = Field(0.10, ge=0, lt=1, description="discount rate, a year")


class ValueOffer(OfPurchases):
    """Parameters of ``61_value_of_an_offer``."""

    notebook: ClassVar[str] = "61_value_of_an_offer"

    purchases: Literal["bg_nbd", "mbg_nbd", "pareto_nbd"] = Field(
        "pareto_nbd", description="model of the purchases"
    )
    horizon_days: int = Field(365, ge=1, le=3650, description="days ahead that are valued")
    margin_share: float = Field(0.25, gt=0, le=1, description="margin as a share of the amount")
    discount_annual: float = Field(0.10, ge=0, lt=1, description="discount rate, a year")
    cost_cents: float = Field(500.0, gt=0, description="cost of the offer, a customer")
    kept: int = Field(460, ge=0, description="customers with the offer who stayed")
    offered: int = Field(1000, ge=1, description="customers with the offer")
    kept_control: int = Field(430, ge=0, description="customers without it who stayed")
    control: int = Field(1000, ge=1, description="customers without it")
    units: NameOrPath = Field("none", description="table of who was assigned; none: the counts")
    unit: str = Field("person_id", description="with it: column of who it is")
    arm: str = Field("arm", description="with it: column of the arm")
    control_arm: str = Field("control", description="with it: the arm without the offer")
    reach: int = Field(0, ge=0, description="with it: customers of a launch; 0: those of all arms")

    def experiment(self) -> dict[str, Any]:
        """Return what ``clv_by_arm`` takes of the table of who was assigned; nothing without one.

        >>> ValueOffer().experiment()
        {}
        """
        if self.units == "none":
            return {}
        units = open_purchases(self.path("units"), **self.file).purchases
        named = {"unit": self.unit, "arm": self.arm, "purchases": self.purchases}
        return {"units": units, **named}


class Report(NotebookParameters):
    """Parameters of ``90_report``."""

    notebook: ClassVar[str] = "90_report"

    log: InputPath = Field("runs/demo/log", description="folder of the stored log")
    profile: InputPath = Field("runs/demo/profile", description="folder of the profile")
    decisions: InputPath = Field("runs/demo/decisions", description="folder of the decision log")
    clv: InputPath = Field("runs/demo/clv", description="folder of the customer values")


def models() -> dict[str, type[NotebookParameters]]:
    """Return the model of each notebook, found by its ``notebook`` attribute.

    >>> models()["10_ingest_log"].__name__
    'IngestLog'
    """
    return {model.notebook: model for model in _subclasses(NotebookParameters)}


def model_of(notebook: str) -> type[NotebookParameters]:
    """Return the model of one notebook.

    Raises:
        ParameterError: No model has that notebook's name.
    """
    known = models()
    if notebook not in known:
        raise ParameterError(
            f"notebook {notebook} has no parameter model{did_you_mean(notebook, known)}"
        )
    return known[notebook]


def _subclasses(model: type[NotebookParameters]) -> Iterator[type[NotebookParameters]]:
    for inner in model.__subclasses__():
        if "notebook" in inner.__dict__:
            yield inner
        yield from _subclasses(inner)


def _injected_names(history: object) -> Iterator[str]:
    """Yield the names that papermill's injected cell assigned, read from IPython's history."""
    if not isinstance(history, list | tuple):
        return
    for source in history:
        if not isinstance(source, str) or not source.startswith(_INJECTED):
            continue
        try:
            body = ast.parse(source).body
        except SyntaxError:
            continue
        for statement in body:
            if isinstance(statement, ast.Assign):
                yield from (node.id for node in statement.targets if isinstance(node, ast.Name))
