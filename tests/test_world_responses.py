"""What an offer does in a world: each key of a response moves what it names, and only that.

The coffee of these tests costs 2 dollars at an opening of the app; noise is shared by all worlds.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from workbench.world.life import Setting
from workbench.world.memory import (
    ANYWAY,
    DIP,
    E_ACTION,
    E_AMOUNT,
    E_CAUSE,
    E_DISCOUNT,
    E_HASH,
    E_PERSON,
    E_TS,
    E_TWIN,
    HALO_VISIT,
    INCREMENTAL,
    PULLED_FORWARD,
    TIRED,
    WAITED,
)
from workbench.world.responses import appeal
from world_samples import Lived, altered, lived, one

OFFER = {"id": "note", "redemption_rate": 0.2, "channel": "app", "validity": "3 days"}
FREE = [{**OFFER, "value_cents": 100, "cost_cents": 0}]
TUESDAYS = {"kind": "broadcast", "trigger": {"every": {"weekday": "tuesday", "at": "10:00"}}}
ALL = {"consent": "none"}


def life(changes: dict[str, Any] | None = None, **keys: Any) -> Lived:
    return lived(altered(changes or {}, customers=150, days=21), one(**{**ALL, **keys}))


@cache
def usual() -> Lived:
    return life()


def happened(a_life: Lived, kind: str) -> pl.DataFrame:
    code = a_life.loop.books.books["type"].to_list().index(kind)
    return a_life.events.filter(pl.col("type") == code)


def causes(a_life: Lived) -> dict[int, int]:
    return {cause: int((a_life.purchases[:, E_CAUSE] == cause).sum()) for cause in range(4)}


def lost(a_life: Lived, cause: int) -> int:
    return int((a_life.missed[:, E_CAUSE] == cause).sum())


def redeemed(a_life: Lived, cause: int) -> np.ndarray:
    rows = a_life.purchases
    return rows[(rows[:, E_ACTION] >= 0) & (rows[:, E_CAUSE] == cause)]


# Sensitivity by type of offer ------------------------------------------------------------------

KINDS: dict[str, dict[str, Any]] = {
    "discount": {},
    "reminder": {"offers": FREE},
    "broadcast": TUESDAYS,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sensitive", KINDS)
def test_a_customer_acts_on_the_type_of_offer_to_which_they_are_sensitive(
    kind: str, sensitive: str
):
    only = {name: 0.9 if name == sensitive else 0.0 for name in KINDS}
    calm = {"segments.offer_sensitivity": only, "response.halo_days": 0}
    made = life(calm, **KINDS[kind])
    assert happened(made, "offer_viewed").height > 20
    assert (causes(made)[INCREMENTAL] > 5) == (kind == sensitive)


def test_who_is_sensitive_to_price_uses_offers_at_visits_that_would_have_happened_anyway():
    keen, calm = (
        len(
            redeemed(
                life({"segments.price_sensitivity": {"mean": mean, "concentration": 1e6}}), ANYWAY
            )
        )
        for mean in (0.99, 0.01)
    )
    assert keen > 4 * calm


def test_a_discount_that_is_large_against_the_usual_basket_appeals_more():
    few, many = (
        causes(life({"segments.basket.median_cents": m}))[INCREMENTAL] for m in (5_000, 500)
    )
    assert many > 1.5 * few > 0


# Content ---------------------------------------------------------------------------------------


def setting(spread: float) -> Setting:
    return life({"segments.content_spread": spread}).loop.parts[0].setting


def test_the_wording_matters_to_each_customer_in_their_own_way_and_by_no_more_than_the_spread():
    with np.errstate(over="ignore"):
        plain, tasted = (
            np.array([[appeal(each, i, 0, word) for word in (1, 2, 3)] for i in range(100)])
            for each in (setting(0.0), setting(0.5))
        )
    assert (plain == plain[:, :1]).all()
    ratio = tasted / plain
    assert 0.5 <= ratio.min() < 0.6
    assert 1.4 < ratio.max() <= 1.5
    assert (ratio.std(axis=1) > 0).all()
    assert abs(ratio.mean() - 1) < 0.06  # no wording is better for everybody


def test_another_wording_changes_who_acts_only_where_the_wording_matters():
    def wordings(spread: float) -> list[set[int]]:
        world = {"segments.content_spread": spread}
        variants = ([{"id": word}] for word in ("warm", "plain"))
        offer = {**OFFER, "cost_cents": 200, "value_cents": 500}
        lives = (life(world, offers=[{**offer, "variants": each}]) for each in variants)
        return [set(redeemed(each, INCREMENTAL)[:, E_HASH].tolist()) for each in lives]

    warm, plain = wordings(1.0)
    assert warm != plain
    same, again = wordings(0.0)
    assert same == again != set()


# Views -----------------------------------------------------------------------------------------


def test_a_channel_that_nobody_reads_changes_no_purchase():
    unread = life({"response.views": {"app": {"share": 0.0, "delay_minutes": 1}}})
    assert happened(unread, "offer_viewed").is_empty()
    assert causes(unread)[INCREMENTAL] == 0
    assert unread.decisions["delivered"].sum() > 50


def test_a_view_follows_its_delivery_after_the_mean_delay_of_its_channel():
    slow = {"response.views": {"app": {"share": 1.0, "delay_minutes": 120}}}
    made = life({**slow, "segments.fatigue.per_message": 0.0})
    views = happened(made, "offer_viewed").join(made.decisions, on="decision_id")
    minutes = (views["ts"] - views["known_at_right"]).dt.total_seconds().to_numpy() / 60
    assert minutes.min() > 0
    assert minutes.mean() == pytest.approx(120, rel=3.3 / np.sqrt(len(minutes)))
    assert len(minutes) > 0.95 * made.decisions["delivered"].sum() - 5


def test_offers_are_redeemed_within_their_validity_and_once():
    made = usual()
    used = happened(made, "offer_redeemed").join(made.decisions, on="decision_id")
    days = (used["ts"] - used["known_at_right"]).dt.total_seconds() / 86_400
    assert 0 < used.height == used["decision_id"].n_unique()
    assert days.min() > 0
    assert days.max() <= 3


def test_views_that_are_not_acted_on_are_discarded_in_their_share():
    none, every = (life({"response.rejects": share}) for share in (0.0, 1.0))
    assert happened(none, "offer_rejected").is_empty()
    assert happened(every, "offer_rejected").height > 0.5 * happened(every, "offer_viewed").height


# Fatigue, opt-out and waiting ------------------------------------------------------------------


def test_messages_tire_and_who_recovers_sooner_reads_and_comes_more():
    tired = {"per_message": 1.0, "lost_visits": 0.5, "opt_out": 0.0}
    often = {"limits": {"caps": [{"count": 1, "window": "1 day"}]}}
    fresh, soon, late = (
        life({"segments.fatigue": {**tired, **rule}}, **often)
        for rule in ({"per_message": 0.0}, {"half_life_days": 1}, {"half_life_days": 60})
    )
    views = [happened(each, "offer_viewed").height for each in (fresh, soon, late)]
    assert views == sorted(views, reverse=True)
    assert views[0] > 1.5 * views[2]
    missed = [lost(each, TIRED) for each in (fresh, soon, late)]
    assert missed[0] == 0
    assert 0 < missed[1] < missed[2]


def test_who_opts_out_at_the_first_view_gets_nothing_from_the_next_day_on():
    made = life(
        {"segments.fatigue.opt_out": 1.0, "segments.consent": {"app": 1.0}}, consent="required"
    )
    out = happened(made, "opt_out").group_by("person").agg(pl.col("ts").min())
    assert out.height > 20
    ids = made.loop.population.ids
    late = made.decisions.filter("delivered").join(
        out.with_columns(ids.gather(out["person"])), left_on="person", right_on="person_id"
    )
    assert late.filter(pl.col("known_at") > pl.col("ts_right") + pl.duration(days=1)).is_empty()
    stayed = (
        life({"segments.consent": {"app": 1.0}}, consent="required").decisions["delivered"].sum()
    )
    assert made.decisions["delivered"].sum() < stayed


@pytest.mark.parametrize(("share", "goes_out"), [(0.0, False), (1.0, True)])
def test_without_consent_nothing_goes_out(share: float, goes_out: bool):
    made = life({"segments.consent": {"app": share}}, consent="required")
    assert made.decisions["delivered"].any() == goes_out


def test_redemptions_teach_to_wait_and_who_forgets_waits_less():
    calm, keen, quick = (
        life({"response.waiting_per_redemption": by, "response.waiting_half_life_days": days})
        for by, days in ((0.0, 60), (1.0, 60), (1.0, 1))
    )
    assert lost(calm, WAITED) == 0
    assert lost(keen, WAITED) > 1.5 * lost(quick, WAITED) > 0


# Baskets, halo and pulling forward --------------------------------------------------------------


def test_a_basket_with_an_offer_is_larger_by_the_mean_share():
    usual_size, large = (
        redeemed(life({"response.larger_basket": s}), INCREMENTAL) for s in (0.0, 0.5)
    )
    before = dict(zip(usual_size[:, E_HASH], gross(usual_size), strict=True))
    ratio = [g / before[h] for h, g in zip(large[:, E_HASH], gross(large), strict=True)]
    assert 1.0 <= min(ratio) <= max(ratio) < 2.0
    assert np.mean(ratio) == pytest.approx(1.5, abs=3.3 * 0.29 / np.sqrt(len(ratio)))


def gross(rows: np.ndarray) -> np.ndarray:
    """What baskets come to before the discount."""
    return np.asarray(rows[:, E_AMOUNT] + rows[:, E_DISCOUNT])


def test_who_would_have_come_anyway_trades_down_by_the_mean_share_and_others_do_not():
    down = redeemed(life({"response.trade_down": 0.2}), ANYWAY)
    ratio = gross(down) / down[:, E_TWIN]
    assert {round(each, 1) for each in ratio} == {0.6, 1.0}
    assert ratio.mean() == pytest.approx(0.8, abs=3.3 * 0.2 / np.sqrt(len(ratio)))
    flat = redeemed(life({"response.trade_down": 0.0}), ANYWAY)
    assert (gross(flat) == flat[:, E_TWIN]).all()


def test_a_halo_has_further_visits_for_its_days_only():
    none = life({"response.halo_visits_per_week": 0.0})
    some = life({"response.halo_visits_per_week": 7.0, "response.halo_days": 4})
    assert causes(none)[HALO_VISIT] == 0
    rows = some.purchases
    last: dict[int, int] = {}
    for row in rows[np.lexsort((rows[:, E_TS], rows[:, E_PERSON]))]:
        who = int(row[E_PERSON])
        if row[E_CAUSE] == HALO_VISIT:
            assert row[E_TS] - last[who] < 5 * 86_400_000_000
        if row[E_ACTION] >= 0:
            last[who] = int(row[E_TS])
    assert causes(some)[HALO_VISIT] > 20


def test_what_is_pulled_forward_is_missed_within_the_days_that_it_is_taken_from():
    never, always = (
        life({"response.pulled_forward": s, "response.pull_days": 6}) for s in (0.0, 1.0)
    )
    assert causes(never)[PULLED_FORWARD] == lost(never, DIP) == 0
    assert causes(always)[PULLED_FORWARD] == lost(always, DIP) > 5
    early = always.purchases[always.purchases[:, E_CAUSE] == PULLED_FORWARD]
    dips = always.missed[always.missed[:, E_CAUSE] == DIP]
    for who in np.unique(early[:, E_PERSON]):
        made, missed = (np.sort(rows[rows[:, E_PERSON] == who, E_TS]) for rows in (early, dips))
        assert len(made) == len(missed)
        assert (missed > made).all()
        assert (missed - made < 8 * 86_400_000_000).all()


def test_the_log_has_the_margin_of_every_purchase_also_of_one_that_is_sold_below_cost():
    log = life({"response.margin": 0.25}).events.filter(pl.col("type") == 0)
    basket = log["amount_cents"] + log["discount_cents"]
    expected = (basket * 0.25).cast(pl.Int64) - log["discount_cents"]
    assert expected.min() < 0  # type: ignore[operator]  # a number
    assert (log["margin_cents"] == expected).all()
