"""Money beside a read-out: equal to that of the same units by hand, open with its reason where it is not known."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import workbench as wb
from workbench import text
from workbench.decision.written import changed
from workbench.errors import InputError, ParameterError
from workbench.run.parameters import ReadOutExperiment

ROOT = Path(__file__).parents[1]
PROGRAMME = "welcome_back"


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    draw, n = np.random.default_rng(3), 3_000
    arm = draw.permutation(np.repeat(["control", "tea", "cake"], n // 3))
    before = draw.gamma(2, 500, n)
    off = np.where(arm == "control", 0, draw.integers(0, 3, n) * 50)
    revenue = before + draw.gamma(2, 100, n) + 90 * (arm == "tea")
    return pl.DataFrame(
        {"arm": arm, "before": before, "revenue_cents": revenue - off, "off_cents": off}
    )


COLUMNS = {"sales_cents": "revenue_cents", "discount_cents": "off_cents"}


def test_the_money_of_each_arm_is_that_of_the_arm_alone_with_a_margin_by_its_share(table):
    read = wb.read_out(table, metrics=["revenue_cents"])
    found = wb.worth(read, table, columns=COLUMNS, margin_share=0.3)
    assert list(found.arms) == ["cake", "tea"]
    for arm, each in found.arms.items():
        mine, control = (
            table.filter(pl.col("arm") == name).select(
                profit=0.3 * (pl.col("revenue_cents") + pl.col("off_cents")) - pl.col("off_cents")
            )
            for name in (arm, "control")
        )
        assert each.profit.value == pytest.approx(
            mine["profit"].mean() - control["profit"].mean()  # type: ignore[operator]  # both are numbers
        )
        assert found.launch[arm].posterior_mean_cents == pytest.approx(each.profit.value)
    assert "“tea”: " in found.text
    assert set(found.table["arm"]) == {"cake", "tea"}


def test_amounts_in_whole_units_are_named_without_cents(table):
    read = wb.read_out(table, metrics=["revenue_cents"])
    whole = table.select(
        "arm", revenue=pl.col("revenue_cents") / 100, off=pl.col("off_cents") / 100
    )
    found = wb.worth(read, whole, columns={"sales": "revenue", "discount": "off"}, margin_share=0.3)
    cents = wb.worth(read, table, columns=COLUMNS, margin_share=0.3)
    assert found.table["total"].to_numpy() == pytest.approx(
        cents.table["total"].to_numpy(), nan_ok=True
    )


def test_covariates_take_noise_off_the_profit_as_off_the_effect(table):
    two = table.filter(pl.col("arm") != "cake")
    read = wb.read_out(two, metrics=["revenue_cents"], covariates=["before"])
    plain, cut = (
        wb.worth(read, two, columns=COLUMNS, margin_share=1.0, covariates=names).arms["tea"]
        for names in ((), ("before",))
    )
    assert cut.profit.standard_error < 0.5 * plain.profit.standard_error
    sales = cut.table.set_index("figure").loc["sales_cents", "difference"]
    assert sales == pytest.approx(read.estimate("revenue_cents").value)


def test_a_read_out_that_is_refused_has_no_money(table):
    chosen = wb.read_out(table, metrics=["revenue_cents"], assignment="targeted")
    found = wb.worth(chosen, table, columns=COLUMNS, margin_share=0.3)
    assert not found.known
    assert found.table.empty
    assert "nothing is said of money" in found.text.lower()
    assert "chosen, not drawn" in found.text


def test_what_is_missing_for_money_is_named_with_the_next_step(table):
    read = wb.read_out(table, metrics=["revenue_cents"])
    found = wb.worth(read, table, columns=COLUMNS)
    assert not found.known
    assert found.text.startswith("What it is worth is open: the units have no column margin_cents.")
    assert "give the margin as a share of the price" in found.text


def test_combinations_of_factors_are_held_against_that_of_all_bases():
    draw, n = np.random.default_rng(4), 4_000
    content, timing = draw.integers(0, 2, n), draw.integers(0, 2, n)
    frame = pl.DataFrame(
        {
            "content": np.where(content, "tea", "food"),
            "timing": np.where(timing, "now", "later"),
            "sales_cents": draw.gamma(2, 500, n),
            "margin_cents": draw.gamma(2, 200, n) + 100 * content * timing,
        }
    )
    factors = {"content": ["food", "tea"], "timing": ["later", "now"]}
    read = wb.read_out(frame, metrics=["sales_cents"], factors=factors)
    found = wb.worth(read, frame, factors=factors)
    assert set(found.arms) == {"food, now", "tea, later", "tea, now"}
    low, high = found.arms["tea, now"].profit.interval()
    assert low < 100 < high


def test_shares_of_unequal_arms_are_those_of_each_pair(table):
    few = table.filter((pl.col("arm") != "control") | (pl.int_range(pl.len()) % 4 == 0))
    with pytest.raises(InputError, match="not as large as they were meant"):
        wb.worth(
            wb.read_out(table, metrics=["revenue_cents"]), few, columns=COLUMNS, margin_share=0.3
        )
    shares = {"control": 0.25, "tea": 1.0, "cake": 1.0}
    read = wb.read_out(few, metrics=["revenue_cents"], shares=shares)
    assert wb.worth(read, few, columns=COLUMNS, margin_share=0.3, shares=shares).known


PAST = pl.DataFrame(
    {
        "profit_cents": [-40.0, -10.0, -25.0, -5.0, -60.0, 12.0],
        "standard_error_cents": [9.0, 8.0, 10.0, 9.0, 11.0, 8.0],
    }
)


def test_past_experiments_move_what_to_do_next_and_not_what_was_earned(table):
    read = wb.read_out(table, metrics=["revenue_cents"])
    asked = {"columns": COLUMNS, "margin_share": 0.3}
    alone = wb.worth(read, table, **asked)
    prior = wb.learn_prior(PAST, estimate="profit_cents", error="standard_error_cents")
    found = wb.worth(read, table, **asked, prior=prior)
    pd.testing.assert_frame_equal(found.table, alone.table)
    for arm, money in found.arms.items():
        data = 1 / money.profit.standard_error**2
        before = 1 / (prior.sd**2 + prior.mean_error**2)
        mean = (money.profit.value * data + prior.mean * before) / (data + before)
        assert found.launch[arm].posterior_mean_cents == pytest.approx(mean)
        assert f"is put at {text.money(mean)}" in found.launch[arm].text
        assert "with the prior of 6 past experiments" in found.launch[arm].text
    assert found.next_step.endswith(prior.text)
    assert f"vary around {text.money(prior.mean)} with" in prior.text
    assert "past experiments" not in alone.next_step


def test_the_notebook_takes_past_experiments_as_a_table_of_profits_in_cents(tmp_path):
    PAST.write_csv(tmp_path / "past.csv")
    params = ReadOutExperiment(archive=str(tmp_path / "past.csv"))
    prior = wb.learn_prior(PAST, estimate="profit_cents", error="standard_error_cents")
    assert params.worth()["prior"].mean == prior.mean
    assert ReadOutExperiment().worth()["prior"] is None


def test_money_without_a_column_of_what_offers_cost_says_how_far_it_is_in_it(table):
    read = wb.read_out(table, metrics=["revenue_cents"])
    missing = "only as far as the margin is what is left after it: the units have no column"
    for columns, absent in (({"sales_cents": "revenue_cents"}, True), (COLUMNS, False)):
        found = wb.worth(read, table, columns=columns, margin_share=0.3)
        assert all((missing in each.text) is absent for each in found.arms.values())


def test_a_wrong_figure_or_share_is_refused(table):
    read = wb.read_out(table, metrics=["revenue_cents"])
    with pytest.raises(ParameterError, match="did you mean 'sales_cents'"):
        wb.worth(read, table, columns={"sale_cents": "revenue_cents"})
    with pytest.raises(ParameterError, match=r"margin_share was 1\.5"):
        wb.worth(read, table, margin_share=1.5)
    with pytest.raises(InputError, match="no column 'revenu_cents' — did you mean"):
        wb.worth(read, table, columns={"sales_cents": "revenu_cents"})


@pytest.mark.parametrize("window_days", [None, 14])
def test_money_of_a_decision_log_adds_up_to_the_effect_of_its_read_out(example_log, window_days):
    programmes = changed(
        wb.load_programmes(ROOT / "params/programmes/grocery"),
        {f"{PROGRAMME}.experiment.holdout_share": 0.5},
    )
    decisions = wb.replay(example_log, programmes).decisions().collect()
    asked = {"outcomes": example_log, "programme": PROGRAMME, "window_days": window_days}
    covariates = ["spend_before_cents"] if window_days else []
    read = wb.read_out(decisions, **asked, covariates=covariates)  # type: ignore[arg-type]  # by name
    found = wb.worth(read, decisions, **asked, margin_share=0.3, covariates=covariates)  # type: ignore[arg-type]  # by name
    money = found.arms["treatment"].table.set_index("figure")
    effect = read.estimate("spend_cents", population="triggered")
    assert money.loc["sales_cents", "difference"] == pytest.approx(effect.value)
    assert money.loc["sales_cents", "high"] == pytest.approx(effect.interval()[1], rel=5e-3)
