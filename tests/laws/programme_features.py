"""The features of programmes, each put into a small programme at the edge of the tiny domain.

A feature is a name and a function that puts it into a programme, the house or the shape of the
events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from domain import (
    CHANGE,
    DAYS,
    HOURS,
    MONTHS,
    NIGHTS,
    RESPONSES,
    WEEKS,
)
from draft import SALT, Draft
from hypothesis import strategies as st

LAYERS = ({"from": 0.475, "to": 0.809}, {"from": 0.0, "to": 0.655}, {"from": 0.655, "to": 1.0})
"""The persons lie at 0.475, 0.655, 0.905 and 0.809 of the layer "o"."""

Feature = Callable[[Draft, st.DrawFn], None]
FEATURES: dict[str, Feature] = {}


def feature(function: Feature) -> Feature:
    FEATURES[function.__name__] = function
    return function


@feature
def cap_rolling(draft: Draft, draw: st.DrawFn) -> None:
    count, window = draw(st.sampled_from([(1, "1 h"), (2, "2 h"), (1, "1 day"), (2, "2 days")]))
    scope = draw(st.sampled_from(["programme", "offer", "channel", "everything"]))
    draft.cap(count=count, window=window, scope=scope)


@feature
def cap_day(draft: Draft, draw: st.DrawFn) -> None:
    zone = draw(st.sampled_from([{}, {}, {"zone": "utc"}]))
    draft.cap(count=draw(st.sampled_from([1, 1, 2])), calendar="day", **zone)
    draft.shape = replace(draft.shape, spans=(CHANGE,))


@feature
def cap_week(draft: Draft, draw: st.DrawFn) -> None:
    zone = draw(st.sampled_from([{}, {"zone": "utc"}]))
    draft.cap(count=1, calendar="week", **zone)
    draft.shape = replace(draft.shape, spans=(WEEKS, DAYS))


@feature
def cap_month(draft: Draft, draw: st.DrawFn) -> None:
    zone = draw(st.sampled_from([{}, {"zone": "utc"}]))
    draft.cap(count=1, calendar="month", **zone)
    draft.shape = replace(draft.shape, spans=(MONTHS,))


@feature
def cap_delivered(draft: Draft, draw: st.DrawFn) -> None:
    draft.cap(count=1, window="1 day", counts="delivered", scope="channel")


@feature
def cap_of_responses(draft: Draft, draw: st.DrawFn) -> None:
    draft.without_control()
    counts = draw(st.sampled_from(["viewed", "redeemed", "rejected"]))
    scope = draw(st.sampled_from(["programme", "offer", "channel"]))
    draft.cap(count=1, window="2 days", counts=counts, scope=scope)
    draft.shape = replace(draft.shape, answers=RESPONSES)


@feature
def cooldown(draft: Draft, draw: st.DrawFn) -> None:
    draft.limits["cooldown"] = draw(st.sampled_from(["1 h", "1 day", "10 min"]))


@feature
def once(draft: Draft, draw: st.DrawFn) -> None:
    draft.limits["once"] = True


@feature
def concurrency(draft: Draft, draw: st.DrawFn) -> None:
    draft.limits["concurrency"] = draw(st.sampled_from([1, 2]))
    for place, each in enumerate(draft.programme["offers"]):
        each["validity"] = ("1 day", "2 h", "1 h")[place % 3]


@feature
def after_rejections(draft: Draft, draw: st.DrawFn) -> None:
    draft.without_control()
    draft.limits["after_rejections"] = {
        "count": draw(st.sampled_from([1, 2])),
        "within": draw(st.sampled_from(["1 h", "1 day"])),
        "hold": draw(st.sampled_from(["1 h", "2 h", "1 day"])),
    }
    draft.shape = replace(
        draft.shape, spans=(HOURS, DAYS), answers=("offer_rejected",), types=("purchase",)
    )


@feature
def quiet(draft: Draft, draw: st.DrawFn) -> None:
    rule = {
        "from": "21:00",
        "to": "08:00",
        "then": draw(st.sampled_from(["queue", "queue", "discard"])),
        "without_zone": draw(st.sampled_from(["log", "log", "send", "refuse"])),
    }
    expire = draw(st.sampled_from(["8 h", "9 h", "10 h", None]))
    if rule["then"] == "queue" and expire is not None:
        rule["expire"] = expire
    where = draw(st.sampled_from([draft.programme, draft.house]))
    where["quiet_hours"] = rule
    draft.shape = replace(draft.shape, spans=(NIGHTS, NIGHTS, DAYS))


@feature
def consent(draft: Draft, draw: st.DrawFn) -> None:
    draft.programme["consent"] = "required"
    draft.consent = True


@feature
def budget(draft: Draft, draw: st.DrawFn) -> None:
    rule: dict[str, Any] = {
        "amount_cents": draw(st.sampled_from([299, 300, 100])),
        "per": draw(st.sampled_from(["total", "day", "week", "month"])),
        "zone": draw(st.sampled_from(["utc", "log"])),
    }
    if draw(st.booleans()):
        draft.house.setdefault("budgets", []).append({"name": "shared", **rule})
        draft.programme["budget"] = {"name": "shared"}
    else:
        draft.programme["budget"] = rule
    draft.shape = replace(draft.shape, spans=(DAYS, WEEKS, HOURS))


@feature
def inventory(draft: Draft, draw: st.DrawFn) -> None:
    draft.programme["offers"][0]["inventory"] = draw(st.sampled_from([1, 2]))


@feature
def audience(draft: Draft, draw: st.DrawFn) -> None:
    draft.programme["audience"] = "amount_cents >= 500"


@feature
def declared(draft: Draft, draw: st.DrawFn) -> None:
    rule, condition = draw(
        st.sampled_from(
            [
                ({"of": "purchase", "measure": "count", "window_days": 1}, "f >= 1"),
                ({"of": "app_open", "measure": "count", "window_days": 2}, "f < 1"),
                (
                    {"of": "purchase", "measure": "sum", "column": "amount_cents"},
                    "f >= 1000",
                ),
                ({"of": "basket_add", "measure": "days_since"}, "f >= 1"),
                (
                    {
                        "of": "purchase",
                        "measure": "share_daypart",
                        "value": "night",
                        "window_days": 30,
                    },
                    "f <= 0.5",
                ),
            ]
        )
    )
    draft.programme["features"] = [{"name": "f", **rule}]
    draft.programme["audience"] = condition


@feature
def suppress(draft: Draft, draw: st.DrawFn) -> None:
    draft.programme["suppress"] = ["discount_cents >= 100", "amount_cents = 499"][
        : draw(st.sampled_from([1, 2]))
    ]


@feature
def offers(draft: Draft, draw: st.DrawFn) -> None:
    draft.several_offers()


@feature
def offer_when(draft: Draft, draw: st.DrawFn) -> None:
    draft.several_offers()
    draft.programme["offers"][0]["when"] = "amount_cents >= 500"
    draft.programme["offers"][1]["when"] = "discount_cents < 100"
    if draw(st.booleans()):
        del draft.programme["offers"][2]


@feature
def variants(draft: Draft, draw: st.DrawFn) -> None:
    draft.programme["offers"][0]["variants"] = [
        {"id": "plain", "weight": 1},
        {"id": "many", "weight": 3, "when": "amount_cents >= 500"},
        {"id": "few", "weight": 1, "when": "amount_cents < 500"},
    ]


@feature
def by_priority(draft: Draft, draw: st.DrawFn) -> None:
    draft.several_offers()
    draft.choose["by"] = "priority"
    draft.programme["offers"][1]["priority"] = draw(st.sampled_from([0.5, 1.0, 2.0]))


@feature
def by_softmax(draft: Draft, draw: st.DrawFn) -> None:
    draft.several_offers()
    draft.choose.update(by="softmax", temperature_cents=draw(st.sampled_from([1.0, 10.0, 50.0])))


@feature
def by_epsilon(draft: Draft, draw: st.DrawFn) -> None:
    draft.several_offers()
    draft.choose.update(by="epsilon", epsilon=draw(st.sampled_from([0.1, 0.5, 1.0])))


@feature
def by_thompson(draft: Draft, draw: st.DrawFn) -> None:
    draft.several_offers()
    draws = {
        each["id"]: draw(st.sampled_from([(0.1, 0.5, 0.3), (0.2, 0.2, 0.4), (0.4, 0.1, 0.2)]))
        for each in draft.programme["offers"]
    }
    draft.choose.update(by="thompson", draws={"propensity": draws})


@feature
def by_policy(draft: Draft, draw: st.DrawFn) -> None:
    draft.several_offers()
    draft.choose.update(
        by="policy",
        policy={
            "cells": [
                {"name": "large", "when": "amount_cents >= 500"},
                {"name": "known", "when": "amount_cents IS NOT NULL"},
            ],
            "scores_cents": {"large": {"coffee": 100.0, "tea": 50.0}, "known": {"tea": 20.0}},
            "shadow_price": draw(st.sampled_from([0.0, 0.5, 1.0])),
        },
    )


@feature
def context(draft: Draft, draw: st.DrawFn) -> None:
    draft.several_offers()
    draft.choose["context"] = [
        {"when": "amount_cents >= 500", "percent": 100},
        {"when": "discount_cents < 100", "percent": -50},
    ]
    draft.choose["levers_percent"] = {"programme": 50, "offers": {"tea": 150}}


@feature
def mandatory(draft: Draft, draw: st.DrawFn) -> None:
    draft.several_offers()
    draft.programme["offers"][1]["mandatory"] = True


@feature
def arms(draft: Draft, draw: st.DrawFn) -> None:
    draft.experiment.pop("holdout_share", None)
    draft.experiment["arms"] = {"control": 0.25, "a": 0.25, "b": 0.5}


@feature
def offers_by_arm(draft: Draft, draw: st.DrawFn) -> None:
    draft.several_offers()
    draft.experiment.pop("holdout_share", None)
    draft.experiment["arms"] = {"a": 0.5, "b": 0.5}
    draft.experiment["offers_by_arm"] = {"a": ["coffee"], "b": ["tea", "cake"]}


@feature
def coverage(draft: Draft, draw: st.DrawFn) -> None:
    draft.experiment["coverage"] = draw(st.sampled_from([0.5, 0.25, 0.75]))


@feature
def layer(draft: Draft, draw: st.DrawFn) -> None:
    draft.experiment["layer"] = {"name": "o", **draw(st.sampled_from(LAYERS))}


@feature
def unit_decision(draft: Draft, draw: st.DrawFn) -> None:
    draft.experiment["unit"] = "decision"


@feature
def global_holdout(draft: Draft, draw: st.DrawFn) -> None:
    draft.house["holdout"] = {"share": 0.5, "salt": SALT}


@feature
def house_cap(draft: Draft, draw: st.DrawFn) -> None:
    scope = draw(st.sampled_from(["everything", "channel", "programme", "offer"]))
    draft.house["caps"] = [{"name": "most", "count": 1, "window": "1 day", "scope": scope}]


@feature
def bypass(draft: Draft, draw: st.DrawFn) -> None:
    house_cap(draft, draw)
    if draw(st.booleans()):
        draft.limits["bypass"] = ["most"]


@feature
def count_towards(draft: Draft, draw: st.DrawFn) -> None:
    house_cap(draft, draw)
    draft.limits["count_towards"] = False


@feature
def slot(draft: Draft, draw: st.DrawFn) -> None:
    draft.house["slot"] = 2


@feature
def then(draft: Draft, draw: st.DrawFn) -> None:
    draft.trigger["then"] = {
        "event": draw(st.sampled_from(["purchase", "basket_add"])),
        "when": draw(st.sampled_from([None, "amount_cents >= 500"])),
        "within": draw(st.sampled_from(["1 h", "2 h", "1 day"])),
    }


@feature
def unless(draft: Draft, draw: st.DrawFn) -> None:
    draft.trigger["unless"] = {
        "event": draw(st.sampled_from(["purchase", "app_open"])),
        "when": draw(st.sampled_from([None, "amount_cents >= 500"])),
        "within": draw(st.sampled_from(["1 h", "2 h", "1 day"])),
        "rearm": draw(st.booleans()),
    }


@feature
def nth(draft: Draft, draw: st.DrawFn) -> None:
    draft.trigger["nth"] = {"n": draw(st.sampled_from([2, 3])), "within": "2 days"}
    draft.trigger["when"] = None


@feature
def silence(draft: Draft, draw: st.DrawFn) -> None:
    draft.trigger["silence"] = draw(st.sampled_from(["1 h", "1 day"]))
    draft.trigger["when"] = draw(st.sampled_from([None, None, "amount_cents >= 500"]))


@feature
def first(draft: Draft, draw: st.DrawFn) -> None:
    after = draw(st.sampled_from(["registration", "purchase", "app_open"]))
    draft.trigger["first"] = {"days": draw(st.sampled_from([1, 2])), "after": after}


@feature
def every(draft: Draft, draw: st.DrawFn) -> None:
    draft.programme["kind"] = "broadcast"
    weekday = draw(st.sampled_from([None, "monday", "sunday"]))
    at = draw(st.sampled_from(["09:00", "02:30", "00:00"]))
    draft.programme["trigger"] = {"every": {"at": at, "weekday": weekday}}
    draft.shape = replace(draft.shape, spans=(DAYS, WEEKS, NIGHTS))


@feature
def collect(draft: Draft, draw: st.DrawFn) -> None:
    draft.trigger["collect_for"] = draw(st.sampled_from(["10 min", "1 h", "1 day"]))


@feature
def listening(draft: Draft, draw: st.DrawFn) -> None:
    draft.programme["kind"] = "listening"
    for key in ("offers", "budget", "quiet_hours", "choose", "consent"):
        draft.programme.pop(key, None)
    fires = draft.trigger.get("then") or draft.trigger
    draft.programme["points"] = {"award": 50, "per": fires["event"]}
