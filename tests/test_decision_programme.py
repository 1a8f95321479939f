"""Programme files: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from workbench.decision import Programme, load_programmes
from workbench.errors import InputError, ParameterError

ROOT = Path(__file__).resolve().parent.parent
TEXT = """
name: welcome_back
stage: win-back
kind: targeting
trigger: {event: purchase, when: days_since_purchase >= 60}
audience: purchase_number >= 3
suppress: [discount_cents > 500]
offers: [{id: five, value_cents: 1500, cost_cents: 500, redemption_rate: 0.2, channel: email}]
limits:
  cap: {count: 2, window: rolling, window_days: 30, counts: decided}
  cooldown_days: 7
experiment: {unit: customer, holdout_share: 0.1, salt: s}
"""


def read(old: str = "", new: str = "") -> Programme:
    assert old in TEXT
    return Programme.from_yaml(TEXT.replace(old, new), source="wb.yaml")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("stage:", "stge:", r"wb.yaml: .*stge is not a parameter — did you mean 'stage'"),
        ("count: 2", "cuont: 2", r"limits.cap.cuont is not a parameter — did you mean 'count'"),
        ("win-back", "winback", r"stage was 'winback', must be 'acquisition'"),
        ("targeting", "broadcast", r"kind was 'broadcast', must be 'targeting'"),
        ("window_days: 30", "window_days: 0", r"window_days was 0, must be greater than or equal"),
        ("window_days: 30", "window_days: 1.5", r"window_days was 1.5, must be a valid integer"),
        ("window_days: 30", "window_days: 99999", r"window_days was 99999, must be less than"),
        ("count: 2", "count: 0", r"limits.cap.count was 0, must be greater than or equal to 1"),
        ("count: 2", "count: 5", r"has a cap that can never bind: with cooldown_days 7 at most 4"),
        ("cooldown_days: 7", "cooldown_days: 30", r"a cap that can never bind: .* at most 0"),
        ("cooldown_days: 7", "cooldown_days: 0", r"limits.cooldown_days was 0, must be"),
        ("rolling", "calendar", r"limits.cap.window was 'calendar', must be 'rolling'"),
        ("decided", "viewed", r"limits.cap.counts was 'viewed', must be 'decided'"),
        ("window: rolling, ", "", r"limits.cap.window is missing"),
        ("holdout_share: 0.1", "holdout_share: 1", r"holdout_share was 1, must be less than 1"),
        ("holdout_share: 0.1", "holdout_share: -0.1", r"holdout_share was -0.1, must be greater"),
        ("holdout_share: 0.1", "holdout_share: .nan", r"holdout_share was nan, must be"),
        ("holdout_share: 0.1", "holdout_share: 0.00005", r"must have a holdout_share of at most"),
        ("holdout_share: 0.1", "holdout_share: no", r"holdout_share was False.*YAML reads no"),
        ("unit: customer", "unit: device", r"experiment.unit was 'device', must be 'customer'"),
        ("cost_cents: 500, ", "", r"wb.yaml: offers.0.cost_cents is missing"),
        ("cost_cents: 500", "cost_cents: 5.0", r"offers.0.cost_cents was 5.0, must be"),
        ("cost_cents: 500", "cost_cents: -5", r"offers.0.cost_cents was -5, must be greater"),
        ("redemption_rate: 0.2", "redemption_rate: 2", r"redemption_rate was 2, must be less"),
        ("name: welcome_back", "name: Welcome back", r"name was 'Welcome back', must"),
        (">= 60", "> 'x'", r"\(wb.yaml: trigger.when\)"),
        ("purchase_number >= 3", "purchase_nmber >= 3", r"wb.yaml: audience\) — did you mean"),
        ("discount_cents > 500", "now() > 3", r"wb.yaml: suppress.0"),
        ("purchase_number >= 3", "(SELECT 1) = 1", r"wb.yaml: audience"),
    ],
)
def test_a_broken_rule_names_file_key_value_and_rule(old: str, new: str, error: str):
    with pytest.raises(ParameterError, match=error):
        read(old, new)


def test_two_offers_are_refused_until_there_is_a_choice_between_them():
    values = yaml.safe_load(TEXT)
    values["offers"] *= 2
    with pytest.raises(ParameterError, match=r"offers was .*must (be|have) .*at most 1"):
        Programme.from_mapping(values, source="wb.yaml")


def test_the_digest_changes_with_any_value_and_not_with_the_order_of_keys():
    assert read().digest != read("count: 2", "count: 1").digest
    values = yaml.safe_load(TEXT)
    turned = dict(reversed(values.items()))
    assert Programme.from_mapping(turned, source="x").digest == read().digest


def test_a_share_is_cut_into_whole_buckets_without_a_rounding_error():
    shares = [place / 10_000 for place in range(10_000)]
    programme = read()
    ends = [
        programme.experiment.model_copy(update={"holdout_share": share}).holdout_end
        for share in shares
    ]
    assert ends == list(range(10_000))


def test_every_shipped_programme_loads_in_the_order_of_file_names():
    programmes = load_programmes(ROOT / "params" / "programmes")
    assert [each.name for each in programmes] == ["lunch_basket", "nth_purchase", "welcome_back"]
    assert all(each.experiment.holdout_share > 0 for each in programmes)


def test_programme_files_that_are_missing_empty_or_share_a_name(tmp_path: Path):
    with pytest.raises(InputError, match=r"nothing\.yaml cannot be read: No such file"):
        load_programmes(tmp_path / "nothing.yaml")
    with pytest.raises(InputError, match="holds no programme"):
        load_programmes(tmp_path)
    with pytest.raises(ParameterError, match="no programme file was named"):
        load_programmes([])
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(TEXT)
    with pytest.raises(ParameterError, match=r"name was 'welcome_back', must be unique: .*a.yaml"):
        load_programmes(tmp_path)
