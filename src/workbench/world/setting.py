"""Where and when a world takes place: stores, weather, calendar, shocks, dirt. Draws nothing."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from workbench.decision.durations import TimeOfDay
from workbench.decision.programme.types import Label, Name, Rate, Weekday
from workbench.params import Parameters
from workbench.world.segment import Amount, Positive, Weight


def _end_of_day(value: object) -> object:
    """Read ``24:00``, which no clock shows, as the end of the day."""
    return TimeOfDay(24 * 60) if value == "24:00" else value


class Store(Parameters):
    """One store.

    Attributes:
        id: What the log calls it.
        city: Where it is.
        x_km: Place, eastwards from the middle of the world.
        y_km: Place, northwards.
        opens: When it opens, on the clock of its customers.
        closes: When it closes; ``24:00`` is the end of the day.
        has_cafe: Whether it has a café.
        weight: How many customers it has, against the others.
    """

    id: Label
    city: Label = "here"
    x_km: Annotated[float, Field(ge=-1000, le=1000)] = 0.0
    y_km: Annotated[float, Field(ge=-1000, le=1000)] = 0.0
    opens: TimeOfDay
    closes: Annotated[TimeOfDay, BeforeValidator(_end_of_day)]
    has_cafe: bool = False
    weight: Positive = 1.0

    @model_validator(mode="after")
    def _open_at_all(self) -> Self:
        if self.closes <= self.opens:
            raise ValueError(f"has closes {self.closes}, must be later than opens {self.opens}")
        return self


class WeatherRule(Parameters):
    """Hourly weather by store, with seasons and persistence.

    Attributes:
        mean_c: Mean temperature of the year, degrees Celsius.
        season_c: How much warmer July is than the mean.
        day_c: How much warmer the afternoon is than the mean of the day.
        spread_c: Standard deviation around it.
        persistence: Share of the deviation that is left an hour later.
        rain_share: Share of hours with rain (snow below freezing).
        rain_visits: Factor on visits in rain or snow.
        cold_visits: Factor on visits below 5 °C.
    """

    mean_c: Annotated[float, Field(ge=-50, le=50)] = 11.0
    season_c: Annotated[float, Field(ge=-40, le=40)] = 10.0
    day_c: Annotated[float, Field(ge=0, le=20)] = 4.0
    spread_c: Amount = 4.0
    persistence: Annotated[float, Field(ge=0, lt=1)] = 0.95
    rain_share: Rate = 0.2
    rain_visits: Amount = 1.0
    cold_visits: Amount = 1.0


class CalendarRule(Parameters):
    """Days that differ.

    Attributes:
        holidays: Dates.
        holiday_visits: Factor on visits on a holiday.
        pay_days: Days of the month on which wages are paid.
        pay_day_visits: Factor on visits on a pay-day and on the day after it.
        weekdays: Factor on visits by weekday; those left out have 1.
        hours: Weight of the 24 hours of a day within their parts; none: all alike.
        season: How many more visits in July than in the mean, as a share.
    """

    holidays: tuple[str, ...] = ()
    holiday_visits: Amount = 1.0
    pay_days: tuple[Annotated[int, Field(ge=1, le=31)], ...] = ()
    pay_day_visits: Amount = 1.0
    weekdays: dict[Weekday, Amount] = Field(default_factory=dict)
    hours: tuple[Weight, ...] = ()
    season: Annotated[float, Field(ge=-1, le=1)] = 0.0

    @field_validator("holidays")
    @classmethod
    def _dates(cls, holidays: tuple[str, ...]) -> tuple[str, ...]:
        for each in holidays:
            iso_date(each)
        return holidays

    @model_validator(mode="after")
    def _whole_day(self) -> Self:
        if self.hours and (len(self.hours) != 24 or not sum(self.hours) > 0):  # noqa: PLR2004
            raise ValueError(f"has {len(self.hours)} hours, must be 24 weights, one above 0")
        return self


class Shock(Parameters):
    """Something from outside, for some days.

    Attributes:
        kind: ``outage``: the app is down; ``competitor``: another's campaign draws visits away.
        from_day: First day, from 0.
        days: How many days.
        visits: Factor on visits (of an outage: on those in the app).
    """

    kind: Literal["outage", "competitor"]
    from_day: Annotated[int, Field(ge=0)]
    days: Annotated[int, Field(ge=1)]
    visits: Amount = 0.0


class Dirt(Parameters):
    """What is wrong with the written log; the decisions were made on the clean one.

    Attributes:
        duplicates: Share of events that stand in the log twice, under two ids.
        late: Share of events that were learnt late.
        late_hours: Mean delay of those.
        lost: Share of events that are missing.
        clock_skew: Share of customers whose device is off by up to an hour.
        shared_devices: Share of customers whose events carry another customer's id.
        bots: Share of customers on whose account a script opens the app every hour of three days.
        zone_errors: Share of events whose zone says UTC.
        outage_arm: An arm in which responses are not tracked for :attr:`outage_days`; none: none.
        outage_from_day: First day of that outage.
        outage_days: How long it lasts.
    """

    duplicates: Rate = 0.0
    late: Rate = 0.0
    late_hours: Positive = 6.0
    lost: Rate = 0.0
    clock_skew: Rate = 0.0
    shared_devices: Rate = 0.0
    bots: Rate = 0.0
    zone_errors: Rate = 0.0
    outage_arm: Name | None = None
    outage_from_day: Annotated[int, Field(ge=0)] = 0
    outage_days: Annotated[int, Field(ge=0)] = 0

    @property
    def any(self) -> bool:
        """Whether there is any."""
        rates = (self.duplicates, self.late, self.lost, self.clock_skew, self.shared_devices)
        return max(*rates, self.bots, self.zone_errors) > 0 or self.outage_arm is not None


def iso_date(text: str) -> date:
    """Return a date that is written as 2024-01-31.

    Raises:
        ValueError: It is written otherwise, or there is no such day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date such as '2024-01-31'") from None
