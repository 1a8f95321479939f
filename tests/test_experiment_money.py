"""What offers were worth: against plain sums and SciPy, with classes of redemptions known by construction."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from workbench.errors import InputError, ParameterError
from workbench.experiment import Estimate, Roi, growth_beside, roi
from workbench.experiment.redemptions import ASSUMPTIONS
from workbench.streams import stream

ALL = tuple(ASSUMPTIONS)
OFF = 200


def shop(seed: int = 1, n: int = 4_000, *, halo: float = 0.0, lost: float = 0.0) -> pl.DataFrame:
    """Return customers in two arms, with the classes of the treated's redemptions beside them."""
    rng = stream(seed, "tests/money")
    offered = rng.random(n) < 0.5
    anyway, later = rng.poisson(1.5, n), rng.poisson(1.5, n)
    cannibalised = rng.binomial(anyway, 0.3) * offered
    incremental = rng.poisson(0.2, n) * offered
    pulled = np.minimum(rng.poisson(0.15, n) * offered, later)
    further = rng.poisson(halo, n) * offered if halo else np.zeros(n, dtype=int)
    gone = np.minimum(rng.poisson(lost, n) * offered, anyway - cannibalised)
    redemptions = cannibalised + incremental + pulled
    purchases = anyway + incremental + pulled + further - gone
    before = purchases * 1_000 + rng.integers(0, 300, n)
    return pl.DataFrame({
        "arm": np.where(offered, "offer", "control"),
        "purchases": purchases,
        "sales_cents": before - OFF * redemptions,
        "margin_cents": before * 2 // 5 - OFF * redemptions,
        "discount_cents": OFF * redemptions,
        "redemptions": redemptions,
        "purchases_after": later - pulled,
        "incremental": incremental, "pulled_forward": pulled, "cannibalised": cannibalised,
    })  # fmt: skip


@pytest.fixture(scope="module")
def customers() -> pl.DataFrame:
    return shop()


@pytest.fixture(scope="module")
def worth(customers: pl.DataFrame) -> Roi:
    return roi(customers, assume=ALL)


def sides(customers: pl.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    offer = customers["arm"] == "offer"
    return customers.filter(offer)[column].to_numpy(), customers.filter(~offer)[column].to_numpy()


@pytest.mark.parametrize("figure", ["purchases", "sales_cents"])
def test_a_figure_is_the_difference_with_the_interval_of_welch(customers, worth, figure):
    offer, control = sides(customers, figure)
    row = worth.table.set_index("figure").loc[figure]
    welch = stats.ttest_ind(offer, control, equal_var=False).confidence_interval(0.95)
    assert row["difference"] == pytest.approx(offer.mean() - control.mean())
    assert (row["low"], row["high"]) == pytest.approx((welch.low, welch.high))
    assert row["total"] == pytest.approx(len(offer) * (offer.mean() - control.mean()))


def test_profit_is_margin_before_discounts_less_the_cost_of_offers(worth):
    rows = worth.table.set_index("figure")["total"]
    assert rows["profit_cents"] == pytest.approx(
        rows["margin_before_cents"] - rows["cost_of_offers_cents"]
    )
    assert worth.profit.value * worth.customers == pytest.approx(rows["profit_cents"])


def test_further_costs_come_off_the_profit(customers, worth):
    dear = customers.with_columns(cost_cents=pl.when(pl.col("arm") == "offer").then(7).otherwise(0))
    after = roi(dear, assume=ALL)
    assert after.profit.value == pytest.approx(worth.profit.value - 7)
    cost = [each.table.set_index("figure")["difference"]["cost_of_offers_cents"] for each in (worth, after)]  # fmt: skip
    assert cost[1] == pytest.approx(cost[0] + 7)


def test_the_depth_of_discounts_is_a_ratio_of_sums(customers, worth):
    row = worth.table.set_index("figure").loc["discount_share"]
    (off, _), (paid, _) = sides(customers, "discount_cents"), sides(customers, "sales_cents")
    assert row["with_offers"] == pytest.approx(off.sum() / (off.sum() + paid.sum()))
    assert np.isnan(row["total"])


def test_return_on_cost_is_profit_by_cost_with_the_error_of_the_delta_method(customers, worth):
    rng = stream(5, "tests/bootstrap")
    offer, control = (customers.filter(pl.col("arm") == arm) for arm in ("offer", "control"))
    drawn = []
    for _ in range(300):
        a, b = (
            each.select("margin_cents", "discount_cents").to_numpy()[rng.integers(0, each.height, each.height)].mean(axis=0)
            for each in (offer, control)
        )  # fmt: skip
        drawn.append((a - b)[0] / (a - b)[1])
    assert worth.return_on_cost is not None
    rows = worth.table.set_index("figure")["difference"]
    assert worth.return_on_cost.value == pytest.approx(
        rows["profit_cents"] / rows["cost_of_offers_cents"]
    )
    assert worth.return_on_cost.standard_error == pytest.approx(np.std(drawn), rel=0.15)


def test_customers_who_were_assigned_as_clusters_of_two_alike_have_the_errors_of_the_clusters(
    customers, worth
):
    home = customers.with_row_index("home")
    twice = roi(pl.concat([home, home]), cluster="home", assume=ALL)
    for name in ("difference", "low", "high"):
        assert twice.table[name].to_numpy() == pytest.approx(worth.table[name].to_numpy(), rel=1e-3)
    assert twice.return_on_cost is not None
    assert worth.return_on_cost is not None
    assert twice.return_on_cost.standard_error == pytest.approx(
        worth.return_on_cost.standard_error, rel=1e-3
    )
    assert twice.customers == 2 * worth.customers
    as_customers = roi(pl.concat([home, home]))
    assert as_customers.profit.standard_error < 0.75 * twice.profit.standard_error


def test_a_class_that_is_settled_is_said_with_its_interval(customers, worth):
    row = worth.redemptions.set_index("class").loc["pulled_forward"]
    assert row["low"] == row["high"]
    low, middle, high = (
        f"{row[name] * worth.customers:,.0f}" for name in ("low_end", "low", "high_end")
    )
    assert f"{middle} (95% interval {low} to {high}) pulled forward" in worth.text


def test_without_purchases_the_money_is_said_and_nothing_of_redemptions(customers, worth):
    plain = roi(customers.drop("purchases"))
    assert plain.profit.value == worth.profit.value
    assert plain.redemptions.empty
    assert "purchases" not in plain.text


def test_a_customer_in_two_arms_is_left_out_of_all(customers, worth):
    named = customers.with_row_index("person")
    other = named.head(1).with_columns(arm=pl.lit("offer"), margin_cents=pl.lit(10**9))
    both = pl.concat([named, other.with_columns(pl.col("margin_cents").cast(pl.Int64))])
    first = named.filter(pl.col("person") == 0)["arm"][0]
    if first == "offer":
        both = both.with_columns(
            arm=pl.when(pl.col("margin_cents") == 10**9).then(pl.lit("control")).otherwise("arm")
        )
    assert roi(both, unit="person").profit.value == pytest.approx(worth.profit.value, rel=0.05)


def test_under_all_assumptions_the_classes_are_recovered():
    held: dict[str, list[bool]] = {}
    for seed in range(100, 130):
        made = shop(seed, 2_000)
        for row in roi(made, assume=ALL).redemptions.to_dict("records"):
            truth = sides(made, row["class"])[0].mean()
            assert row["low"] == pytest.approx(row["high"])
            held.setdefault(row["class"], []).append(row["low_end"] < truth < row["high_end"])
    least = stats.binom.ppf(0.0005, 30, 0.95)
    assert all(sum(each) >= least for each in held.values())


def test_under_all_assumptions_the_classes_add_up_to_redemptions_and_their_cost(customers, worth):
    total = worth.redemptions["low"].sum()
    assert total == pytest.approx(sides(customers, "redemptions")[0].mean())
    cost = worth.redemptions["cost_low_cents"].sum()
    assert cost == pytest.approx(worth.customers * sides(customers, "discount_cents")[0].mean())


@pytest.mark.parametrize("halo", [0.0, 0.3])
@pytest.mark.parametrize("lost", [0.0, 0.3])
def test_bounds_hold_the_truth_whenever_what_is_assumed_is_so(halo: float, lost: float):
    made = shop(2, 20_000, halo=halo, lost=lost)
    true = {"dip_is_pulled_forward": True, "no_halo": halo == 0, "no_harm": lost == 0}
    for chosen in ([], [ALL[0]], [ALL[1]], [ALL[2]], list(ALL[:2]), list(ALL[1:]), list(ALL)):
        if not all(true[each] for each in chosen):
            continue
        for row in roi(made, assume=chosen).redemptions.to_dict("records"):
            truth = sides(made, row["class"])[0].mean()
            assert row["low_end"] - 1e-9 <= truth <= row["high_end"] + 1e-9
            assert row["low"] <= row["high"] + 1e-9


def test_an_assumption_that_does_not_hold_misses_the_truth():
    made = shop(3, 40_000, halo=0.5)
    rows = roi(made, assume=ALL).redemptions.set_index("class")
    assert rows.loc["cannibalised", "high_end"] < sides(made, "cannibalised")[0].mean()


def test_nothing_assumed_settles_nothing_of_redemptions(customers):
    found = roi(customers)
    redeemed = sides(customers, "redemptions")[0].mean()
    assert found.redemptions["low"].to_list() == [0, 0, 0]
    assert found.redemptions["high"].to_list() == pytest.approx([redeemed] * 3)
    assert "nothing is assumed of redemptions" in found.text.lower()


def test_the_text_names_profit_cost_and_what_was_assumed(worth):
    assert worth.text.startswith(f"{worth.headline} (95% interval ")
    assert "who would have bought anyway, cost $" in worth.text
    assert all(words in worth.text for words in ASSUMPTIONS.values())


def test_totals_belong_to_as_many_customers_as_asked(customers, worth):
    more = roi(customers, customers=1_000_000, assume=ALL).table.set_index("figure")
    one = worth.table.set_index("figure")["difference"]["profit_cents"]
    assert more.loc["profit_cents", "total"] == pytest.approx(1_000_000 * one)


def test_offers_that_lost_money_are_said_to_have_lost_it(customers):
    lost = customers.with_columns(
        margin_cents=pl.col("margin_cents") - 1_000 * (pl.col("arm") == "offer")
    )
    assert roi(lost).headline.startswith("The offers lost $")


def test_units_without_discounts_or_redemptions_have_margin_alone(customers):
    bare = roi(customers.select("arm", "purchases", "sales_cents", "margin_cents"))
    assert bare.table["figure"].to_list() == [
        "purchases", "sales_cents", "margin_before_cents", "profit_cents",
    ]  # fmt: skip
    assert bare.return_on_cost is None
    assert bare.redemptions.empty


def test_no_control_is_not_identified(customers):
    with pytest.raises(InputError, match="not identified: nobody is in the control"):
        roi(customers.filter(pl.col("arm") == "offer"))


def test_arms_that_are_not_as_large_as_meant_are_not_identified(customers):
    lost = customers.filter((pl.col("arm") == "control") | (pl.int_range(pl.len()) % 5 > 0))
    with pytest.raises(InputError, match="not identified: The arms are not as large as they were"):
        roi(lost)
    counts = dict(lost.group_by("arm").len().iter_rows())
    assert roi(lost, shares=counts).customers == counts["offer"]


def test_bad_units_are_refused(customers):
    with pytest.raises(InputError, match="purchases is null or infinite for 4,000 customers"):
        roi(customers.with_columns(purchases=pl.lit(None, dtype=pl.Int64)))
    with pytest.raises(InputError, match="no column 'margin_cents' — did you mean"):
        roi(customers.rename({"margin_cents": "margn_cents"}))
    few = pl.concat([customers.filter(pl.col("arm") == "offer").head(1),
                     customers.filter(pl.col("arm") == "control")])  # fmt: skip
    with pytest.raises(InputError, match="the arm offer has 1 customer, needs at least 2"):
        roi(few, shares={"offer": 1 / 2_000, "control": 1 - 1 / 2_000})
    with pytest.raises(ParameterError, match="must be one of 'control', 'offer'"):
        roi(customers, control="contrl")
    with pytest.raises(ParameterError, match="did you mean 'offer'"):
        roi(customers, treatment="ofer")
    with pytest.raises(ParameterError, match="did you mean 'no_halo'"):
        roi(customers, assume=["no_hallo"])  # type: ignore[list-item]  # the point
    with pytest.raises(InputError, match="redemptions is below 0 for 4,000 customers"):
        roi(customers.with_columns(redemptions=pl.lit(-1)))
    with pytest.raises(ParameterError, match="covariate was 'sales_cents', must be fixed before"):
        roi(customers, covariates=["sales_cents"])
    for keys in ({"customers": 0}, {"level": 1.0}):
        with pytest.raises(ParameterError, match=next(iter(keys))):
            roi(customers, **keys)


UNTIL = dt.date(2026, 1, 1)


def sold(seed: int, growth: dict[str, float], n: int = 800) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return purchases of two years and whose they are."""
    rng = stream(seed, "tests/growth")
    ids = [f"p{k:04}" for k in range(n)]
    has = ["app" if k % 2 else "none" for k in range(n)]
    end = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    frames = []
    for back, year in ((400, 0), (30, 1)):
        factor = np.array([(1 + growth[each]) ** year for each in has])
        frames.append(pl.DataFrame({
            "person_id": ids, "ts": [end - dt.timedelta(days=back)] * n,
            "amount_cents": np.round(rng.gamma(2, 500, n) * factor).astype(int),
        }))  # fmt: skip
    return pl.concat(frames), pl.DataFrame({"person_id": ids, "has": has})


def test_growth_is_recovered_and_carries_its_caveat_in_the_sentence():
    bought, people = sold(1, {"app": 0.3, "none": 0.05})
    found = growth_beside(bought, people, group="has", of="app", until=UNTIL, days=100)
    rows = found.table.set_index("group")
    assert rows.loc["app", "low"] < 0.3 < rows.loc["app", "high"]
    assert rows.loc["others", "low"] < 0.05 < rows.loc["others", "high"]
    low, high = found.difference.interval()
    assert low < 0.25 < high
    first = found.text.split(". ")[0]
    assert "not the effect" in first


def test_growth_counts_sales_once_and_outside_the_periods_not_at_all():
    bought, people = sold(1, {"app": 0.3, "none": 0.05})
    found = growth_beside(bought, people, group="has", of="app", until=UNTIL, days=100).table
    now = bought.filter(pl.col("ts") > dt.datetime(2025, 9, 23, tzinfo=dt.UTC))
    assert found["now_cents"].sum() == now["amount_cents"].sum()
    assert found["now_cents"].sum() + found["before_cents"].sum() == bought["amount_cents"].sum()
    older = bought.with_columns(ts=pl.col("ts") - pl.duration(days=200))
    both = pl.concat([bought, older])
    again = growth_beside(both, people, group="has", of="app", until=UNTIL, days=100).table
    assert again["now_cents"].to_list() == found["now_cents"].to_list()


def test_growth_without_sales_a_year_earlier_is_not_enough_data():
    bought, people = sold(1, {"app": 0.3, "none": 0.05})
    late = bought.filter(pl.col("ts") > dt.datetime(2025, 6, 1, tzinfo=dt.UTC))
    with pytest.raises(InputError, match="sales a year earlier"):
        growth_beside(late, people, group="has", of="app", until=UNTIL)
    with pytest.raises(ParameterError, match="days was 365"):
        growth_beside(late, people, group="has", of="app", until=UNTIL, days=365)
    with pytest.raises(ParameterError, match="must be one of app, none"):
        growth_beside(late, people, group="has", of="apps", until=UNTIL)


def test_what_customers_bring_later_is_added_with_the_largest_error_it_can_have(customers, worth):
    later = Estimate(value=250.0, standard_error=40.0, df=np.inf, n_treatment=9, n_control=9)
    both = roi(customers, assume=ALL, later=later)
    # Sums of threads are equal but for their order.
    assert both.profit.interval() == pytest.approx(worth.profit.interval())
    assert both.long_run.value == pytest.approx(worth.profit.value + 250)
    assert both.long_run.standard_error == pytest.approx(worth.profit.standard_error + 40)
    rows = both.table.set_index("figure")
    assert rows.index.tolist()[-2:] == ["later_profit_cents", "long_run_profit_cents"]
    assert rows.loc["later_profit_cents", "total"] == pytest.approx(250 * both.customers)
    assert rows.loc["long_run_profit_cents", "low"] == both.long_run.interval()[0]
    pd.testing.assert_frame_equal(both.table.iloc[:-2], worth.table)
    assert "With what these customers bring behind the window the profit is $" in both.text
    assert worth.long_run is None
    assert "behind the window" not in worth.text
