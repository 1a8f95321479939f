"""Programme files: what is refused, and in which words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench.decision import Programme, load_programmes, programme_table
from workbench.decision.durations import Duration, TimeOfDay
from workbench.decision.programme import Experiment
from workbench.errors import InputError, ParameterError

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "params" / "programmes"
TEXT = """
name: breakfast_coffee
stage: engagement
kind: targeting
trigger: {event: geo_enter, when: distance_m < 300, collect_for: 10 min}
audience: purchases_90d >= 3
suppress: [discount_cents > 500]
offers:
  - {id: coffee, value_cents: 300, cost_cents: 80, redemption_rate: 0.2, channel: app, validity: 7 days,
     when: weather = 'rain', variants: [{id: plain}, {id: wet, weight: 3, when: hour < 9}], inventory: 500}
  - {id: tea, value_cents: 200, cost_cents: 50, redemption_rate: 0.1, channel: email, mandatory: true}
choose:
  by: value
  context: [{when: daypart = 'breakfast', percent: 20}]
  levers_percent: {programme: 10, offers: {coffee: 55}}
limits:
  caps:
    - {count: 2, window: 7 days}
    - {count: 1, calendar: week, counts: delivered, scope: channel, zone: utc}
  cooldown: 3 days
  concurrency: 2
quiet_hours: {from: "21:00", to: "08:00", expire: 12 h}
consent: required
budget: {amount_cents: 500000, per: month}
experiment: {salt: s, arms: {control: 0.1, a: 0.9}, coverage: 0.5, layer: {name: l, from: 0.25, to: 0.5}}
features: [{name: visits_30d, of: visit, measure: count, window_days: 30}]
"""
LISTENING = """
name: points
stage: engagement
kind: listening
trigger: {event: check_in}
points: {award: 10, per: check_in}
experiment: {holdout_share: 0, salt: s}
"""


def read(old: str = "", new: str = "", text: str = TEXT) -> Programme:
    assert old in text
    return Programme.from_yaml(text.replace(old, new, 1), source="bc.yaml")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        # names of keys, kinds of values
        ("stage:", "stge:", r"bc.yaml: .*stge is not a parameter — did you mean 'stage'"),
        (
            "{count: 2",
            "{cuont: 2",
            r"limits.caps.0.cuont is not a parameter — did you mean 'count'",
        ),
        ('from: "21', 'frm: "21', r"quiet_hours.frm is not a parameter — did you mean 'from'"),
        ("engagement", "engagment", r"stage was 'engagment', must be 'acquisition'"),
        ("name: breakfast_coffee", "name: Coffee now", r"name was 'Coffee now', must"),
        ("by: value", "by: vale", r"choose.by was 'vale', must be 'priority', 'value'"),
        ("redemption_rate: 0.2", "redemption_rate: 2", r"redemption_rate was 2, must be less"),
        ("cost_cents: 80, ", "", r"bc.yaml: offers.0.cost_cents is missing"),
        ("cost_cents: 80", "cost_cents: 8.0", r"offers.0.cost_cents was 8.0, must be"),
        ("cost_cents: 80", "cost_cents: -8", r"offers.0.cost_cents was -8, must be greater"),
        ("percent: 20", "percent: -101", r"choose.context.0.percent was -101, must be greater"),
        # lengths of time
        ("window: 7 days", "window: 7", r"caps.0.window was 7, must be a number with a unit"),
        ("window: 7 days", "window: 7 dys", r"window was '7 dys', must be a number with a unit"),
        ("window: 7 days", "window: 0 days", r"caps.0.window was '0 days', must be longer than 0"),
        ("window: 7 days", "window: 4000 days", r"window was '4000 days', must be at most 3660"),
        ("cooldown: 3 days", "cooldown: 0 h", r"limits.cooldown was '0 h', must be longer than 0"),
        ("collect_for: 10 min", "collect_for: -1 h", r"trigger.collect_for was '-1 h', must be"),
        ('from: "21:00"', "from: 21:00", r"quiet_hours.from was 1260, must be a time .* in quotes"),
        ('to: "08:00"', 'to: "24:00"', r"quiet_hours.to was '24:00', must be a time such as"),
        ('to: "08:00"', 'to: "21:00"', r"quiet_hours was .*has from and to at 21:00.*must differ"),
        ("expire: 12 h", "then: discard, expire: 12 h", r"has expire with discard, which never"),
        # patterns
        (
            "collect_for: 10 min",
            "then: {event: a, within: 1 h}, silence: 2 h",
            r"trigger was .*has 2 patterns, then and silence; at most one fits",
        ),
        (
            "collect_for: 10 min",
            "nth: {n: 1, within: 1 h}",
            r"trigger.nth.n was 1, must be greater",
        ),
        ("collect_for: 10 min", "nth: {n: 3, within: 0 h}", r"trigger.nth.within was '0 h', must"),
        ("collect_for: 10 min", "first: {days: 0, after: a}", r"trigger.first.days was 0, must be"),
        ("10 min}", "10 min, silence: 1 h}", r"has collect_for with silence, which waits already"),
        ("event: geo_enter, ", "", r"trigger was .*has no event; name the event type"),
        (
            "{event: geo_enter, when: distance_m < 300, collect_for: 10 min}",
            '{every: {weekday: monday, at: "09:00"}}',
            r"has kind targeting with the trigger every: a broadcast needs every",
        ),
        ("kind: targeting", "kind: broadcast", r"has kind broadcast with the trigger event"),
        ("kind: targeting", "kind: listening", r"has kind listening without points"),
        # offers and choice
        ("id: tea", "id: coffee", r"has the offer 'coffee' twice"),
        ("id: wet", "id: plain", r"offers.0 was .*has the variant 'plain' twice"),
        ("weight: 3", "weight: 0", r"variants.1.weight was 0, must be greater than or equal to 1"),
        ("inventory: 500", "inventory: 0", r"offers.0.inventory was 0, must be greater"),
        ("offers: {coffee: 55}", "offers: {cofee: 55}", r"'cofee' .*did you mean 'coffee'"),
        ("by: value", "by: softmax", r"has by softmax without temperature_cents, which it needs"),
        ("by: value", "by: epsilon", r"has by epsilon without epsilon, which it needs"),
        ("by: value", "by: value\n  epsilon: 0.1", r"has epsilon with by value, which does not"),
        ("by: value", "by: epsilon\n  epsilon: 0.12345", r"epsilon was 0.12345, must have at most"),
        # limits
        (
            "{count: 2",
            "{count: 0",
            r"limits.caps.0.count was 0, must be greater than or equal to 1",
        ),
        ("window: 7 days}", "calendar: year}", r"calendar was 'year', must be 'day', 'week' or"),
        ("window: 7 days}", "counts: decided}", r"must have exactly one of window .* and calendar"),
        ("window: 7 days}", "window: 7 days, zone: utc}", r"has a zone with a rolling window"),
        ("{count: 2", "{count: 3", r"limits was .*a cap that can never bind: with cooldown 3 days"),
        ("cooldown: 3 days", "cooldown: 7 days", r"can never bind: .* at most 0 earlier decisions"),
        ("cooldown: 3 days", "once: true", r"a cap that can never bind: once allows no second"),
        (
            "{count: 2, window: 7 days}",
            "{count: 2, window: 7 days}\n    - {count: 2, window: 8 days}",
            r"can never bind: caps.1 always binds before it \(caps.0\)",
        ),
        (
            "{count: 2, window: 7 days}",
            "{count: 2, window: 7 days}\n    - {count: 2, window: 7 days}",
            r"has the cap '2 decided in 7 days \(programme\)' twice",
        ),
        (
            "concurrency: 2",
            "concurrency: 20",
            r"limits.concurrency 20 that can never bind: at most 9",
        ),
        ("counts: delivered", "counts: viewed", r"limits.caps.1, which counts responses, together"),
        ("counts: delivered", "counts: redeemed", r"counts responses, together with a control"),
        ("counts: delivered", "counts: rejected", r"counts responses, together with a control"),
        (
            "concurrency: 2",
            "after_rejections: {count: 2, within: 9 days, hold: 9 days}",
            r"limits.after_rejections, which counts responses, together with a control",
        ),
        # budget
        ("amount_cents: 500000", "amount_cents: 0", r"budget.amount_cents was 0, must be greater"),
        (
            "amount_cents: 500000",
            "amount_cents: 9",
            r"amount_cents 9, less than its cheapest offer",
        ),
        ("amount_cents: 500000, ", "", r"budget was .*must have an amount_cents, or the name of a"),
        ("amount_cents: 500000,", "name: b,", r"names a budget of the house, where per belong"),
        # experiment
        ("a: 0.9", "a: 0.8", r"arms that do not add up to 1: control 0.1, a 0.8 are 0.9"),
        ("a: 0.9", "a: 0.89995", r"arms.a was 0.89995, must have at most four decimals"),
        ("a: 0.9", "a: 0.9, b: 0", r"experiment.arms.b was 0, must be greater than 0"),
        ("{control: 0.1, a: 0.9}", "{control: 1}", r"has no arm but control; name another one"),
        ("{control: 0.1, a: 0.9}", "{}", r"experiment.arms was {}, must have at least 1 item"),
        ("arms:", "holdout_share: 0.1, arms:", r"exactly one of holdout_share and arms"),
        ("coverage: 0.5", "coverage: 0", r"experiment.coverage was 0, must be greater than 0"),
        ("coverage: 0.5", "coverage: 1.1", r"experiment.coverage was 1.1, must be less than"),
        ("to: 0.5", "to: 1.5", r"experiment.layer.to was 1.5, must be less than or equal to 1"),
        ("from: 0.25", "from: -0.1", r"experiment.layer.from was -0.1, must be greater"),
        ("from: 0.25", "from: 0.5", r"has an empty range: from 0.5 must lie before to 0.5"),
        ("from: 0.25", "from: 0.1234", r"must have from and to of at most three decimals"),
        ("salt: s,", "salt: s, offers_by_arm: {b: [tea]},", r"for 'b', which is none of the arms"),
        ("salt: s,", "salt: s, offers_by_arm: {a: [te]},", r"'te' in experiment.offers_by_arm.a"),
        # features
        ("measure: count", "measure: sum", r"must have a column when measure is sum"),
        ("measure: count", "measure: sum, column: amount", r"did you mean 'amount_cents'"),
        ("measure: count", "measure: share_daypart", r"must have a value when measure is a share"),
        ("measure: count", "measure: share_daypart, value: brunch", r"has value 'brunch', must be"),
        ("window_days: 30", "window_days: 367", r"window_days was 367, must be less than"),
        ("window_days: 30", "window_days: 0", r"window_days was 0, must be greater than"),
        ("measure: count", "measure: days_since", r"has window_days with days_since"),
        ("name: visits_30d", "name: weather", r"names the feature 'weather', which every log may"),
        # conditions
        ("distance_m < 300", "distance_m < 'x'", r"\(bc.yaml: trigger.when\)"),
        ("purchases_90d >= 3", "purchase_90d >= 3", r"bc.yaml: audience\) — did you mean"),
        ("discount_cents > 500", "now() > 3", r"bc.yaml: suppress.0"),
        ("purchases_90d >= 3", "(SELECT 1) = 1", r"bc.yaml: audience"),
        ("purchases_90d >= 3", "hour < 3 AND hour > 5", r"is never true, .*bc.yaml: audience"),
        ("purchases_90d >= 3", "1 = 1", r"is always true, .*bc.yaml: audience"),
        ("weather = 'rain'", "wether = 'rain'", r"offers.0.when\) — did you mean 'weather'"),
        ("hour < 9", "hor < 9", r"offers.0.variants.1.when\) — did you mean 'hour'"),
        ("daypart = 'b", "dypart = 'b", r"choose.context.0.when\) — did you mean 'daypart'"),
    ],
)
def test_a_broken_rule_names_file_key_value_and_rule(old: str, new: str, error: str):
    with pytest.raises(ParameterError, match=error):
        read(old, new)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("points: {award: 10, per: check_in}\n", "", r"has kind listening without points"),
        ("award: 10", "award: 0", r"points.award was 0, must be greater than or equal to 1"),
        ("per: check_in", "per: visit", r"points.per 'visit', must be the event that earns them"),
        ("experiment", "consent: required\nexperiment", r"has choose, consent or collect_for with"),
        ("experiment", "budget: {amount_cents: 5}\nexperiment", r"has budget with kind listening"),
        ("experiment", "limits: {concurrency: 2}\nexperiment", r"limits on open offers"),
        ("listening", "targeting", r"has points with kind targeting; they need kind listening"),
    ],
)
def test_a_listening_programme_awards_points_and_sends_nothing(old: str, new: str, error: str):
    assert read(text=LISTENING).points is not None
    with pytest.raises(ParameterError, match=error):
        read(old, new, LISTENING)


def test_levers_and_context_never_turn_a_score_negative():
    values = yaml.safe_load(TEXT)
    values["choose"]["levers_percent"] = {"programme": -50, "offers": {"tea": -50}}
    assert Programme.from_mapping(values, source="x").choose.levers_percent.programme == -50
    values["choose"]["levers_percent"] = {"programme": -60, "offers": {"tea": -50}}
    with pytest.raises(ParameterError, match="levers that add up to -110 percent; least is -100"):
        Programme.from_mapping(values, source="x")
    values["choose"] = {"context": [{"when": "hour < 3", "percent": -60}] * 2}
    with pytest.raises(ParameterError, match="context weights that add up to -120 percent"):
        Programme.from_mapping(values, source="x")


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1 s", 10**6),
        ("10 min", 600 * 10**6),
        ("1.5 h", 5400 * 10**6),
        ("1 day", 86_400 * 10**6),
        ("24h", 86_400 * 10**6),
        ("4 weeks", 28 * 86_400 * 10**6),
        ("0.000001 s", 1),
        ("86400.5 s", 86_400 * 10**6 + 500_000),
        ("316223999.999999 s", 316_223_999_999_999),
    ],
)
def test_a_length_of_time_is_whole_microseconds(text: str, us: int):
    assert Duration.parse(text) == us
    assert Duration.parse(str(Duration.parse(text))) == us


@pytest.mark.parametrize("text", ["", "5", "h", "5 months", "1e3 s", "1_000 s", "٣ h", "5 h 3 min"])
def test_what_is_no_length_of_time_is_refused(text: str):
    with pytest.raises(ParameterError, match=r"validity was .*, must be a number with a unit"):
        Duration.parse(text, name="validity")


@pytest.mark.parametrize("text", ["9:00", "09:60", "24:00", "0900", "09:00:00", ""])
def test_what_is_no_time_of_the_day_is_refused(text: str):
    with pytest.raises(ParameterError, match=r"at was .*, must be a time such as"):
        TimeOfDay.parse(text, name="at")


def _leaves(value: Any, path: tuple = ()) -> list[tuple]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for place, item in enumerate(value) for leaf in _leaves(item, (*path, place))]
    return [path]


OTHER = {
    "app": "post",
    "value": "priority",
    "required": "none",
    "month": "week",
    "delivered": "decided",
    "channel": "everything",
    "week": "day",
    "utc": "local",
    "visit": "walk",
    "count": None,
    "targeting": None,
    "s": "t",
    "l": "m",
    "engagement": "service",
    True: False,
}


def test_the_digest_changes_with_any_value_and_not_with_the_order_of_keys():
    values = yaml.safe_load(TEXT)
    digest = read().digest
    assert Programme.from_mapping(dict(reversed(values.items())), source="x").digest == digest
    changed = 0
    for path in _leaves(values):
        other = yaml.safe_load(TEXT)
        inner = other
        for key in path[:-1]:
            inner = inner[key]
        old = inner[path[-1]]
        if isinstance(old, bool) or old in OTHER:
            inner[path[-1]] = OTHER[old]
        elif isinstance(old, int):
            inner[path[-1]] = old + 1
        elif isinstance(old, str) and old[0].isdigit():
            inner[path[-1]] = old.replace("0", "1") if "0" in old else "2" + old[1:]
        else:
            continue
        try:
            found = Programme.from_mapping(other, source="x")
        except ParameterError:
            continue
        changed += 1
        assert found.digest != digest, path
    assert changed > 20


def test_the_digest_does_not_depend_on_how_a_length_of_time_is_written():
    assert read("cooldown: 3 days", "cooldown: 72 h").digest == read().digest


def test_a_share_is_cut_into_whole_buckets_without_a_rounding_error():
    experiment = Experiment.from_mapping({"salt": "s", "holdout_share": 0}, source="x")
    ends = [
        experiment.model_copy(update={"holdout_share": place / 10_000}).holdout_end
        for place in range(10_000)
    ]
    assert ends == list(range(10_000))


def test_ranges_are_control_first_and_do_not_depend_on_the_order_in_the_file():
    one = {"salt": "s", "arms": {"b": 0.5, "control": 0.2, "a": 0.3}}
    two = {"salt": "s", "arms": {"a": 0.3, "b": 0.5, "control": 0.2}}
    first, second = (Experiment.from_mapping(each, source="x") for each in (one, two))
    assert first.ranges == (("control", 0, 2000), ("a", 2000, 5000), ("b", 5000, 10_000))
    assert (first.ranges, first.digest) == (second.ranges, second.digest)


def test_raising_the_coverage_moves_no_unit():
    def arms(coverage: float) -> dict[int, str]:
        values = {"salt": "s", "arms": {"control": 0.1, "a": 0.9}, "coverage": coverage}
        ranges = Experiment.from_mapping(values, source="x").ranges
        return {bucket: arm for arm, start, end in ranges for bucket in range(start, end)}

    before: dict[int, str] = {}
    for coverage in (0.0001, 0.1, 0.3333, 0.9, 1.0):
        now = arms(coverage)
        assert before.items() <= now.items()
        before = now
    assert len(before) == 10_000


def test_every_shipped_programme_loads_in_the_order_of_file_names():
    programmes = load_programmes(SHIPPED)
    assert [each.name for each in programmes] == [
        "basket_left",
        "breakfast_coffee",
        "check_in_points",
        "nth_purchase",
        "weekly_broadcast",
        "welcome_30_days",
        "win_back",
    ]
    patterns = {each.trigger.pattern for each in programmes}
    assert patterns == {"event", "unless", "nth", "every", "first", "silence"}
    assert {each.kind for each in programmes} == {"targeting", "listening", "broadcast"}
    grocery = load_programmes(SHIPPED / "grocery")
    assert [each.name for each in grocery] == ["lunch_basket", "nth_purchase", "welcome_back"]
    for each in (*programmes, *grocery):
        assert each.kind == "listening" or each.experiment.has_control
    table = programme_table(programmes)
    assert table.loc[0, "trigger"] == "basket_add, then no purchase within 2 h"
    assert table.loc[2, "offer"] == "10 points"


def test_programme_files_that_are_missing_empty_or_share_a_name(tmp_path: Path):
    with pytest.raises(InputError, match=r"nothing\.yaml cannot be read: No such file"):
        load_programmes(tmp_path / "nothing.yaml")
    with pytest.raises(InputError, match="holds no programme"):
        load_programmes(tmp_path)
    with pytest.raises(ParameterError, match="no programme file was named"):
        load_programmes([])
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(TEXT)
    with pytest.raises(
        ParameterError, match=r"name was 'breakfast_coffee', must be unique: .*a\.y"
    ):
        load_programmes(tmp_path)


def test_a_thousand_programmes_load(tmp_path: Path):
    for number in range(1000):
        text = TEXT.replace("breakfast_coffee", f"p{number}").replace(", layer: {", ", layer0: {")
        text = text.replace(", layer0: {name: l, from: 0.25, to: 0.5}", "")
        (tmp_path / f"{number:04}.yaml").write_text(text.replace("< 300", f"< {number + 1}"))
    programmes = load_programmes(tmp_path)
    assert len(programmes.conditions) == 1000


DRAWS = "coffee,tea\n0.1,0.2\n0.3,0.1\n"
POLICY = """
cells:
  - {name: regular, when: purchases_90d >= 3}
  - {name: others, when: TRUE}
scores_cents: {regular: {coffee: 30.5, tea: 12}, others: {tea: 1}}
shadow_price: 0.1
"""


def with_table(folder: Path, by: str, **files: str) -> Path:
    values = yaml.safe_load(TEXT)
    key = "draws" if by == "thompson" else "policy"
    values["choose"] = {"by": by, key: next(iter(files)).replace("__", "/").replace("_dot_", ".")}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "p.yaml").write_text(yaml.safe_dump(values))
    return folder / "p.yaml"


def test_a_table_that_is_named_is_read_from_the_folder_and_counts_in_the_digest(tmp_path: Path):
    (one,) = load_programmes(with_table(tmp_path / "a", "thompson", t__draws_dot_csv=DRAWS))
    assert one.choose.draws is not None
    assert one.choose.draws.propensity == {"coffee": (0.1, 0.3), "tea": (0.2, 0.1)}
    other = DRAWS.replace("0.3", "0.4")
    (two,) = load_programmes(with_table(tmp_path / "b", "thompson", t__draws_dot_csv=other))
    (three,) = load_programmes(with_table(tmp_path / "c", "thompson", elsewhere_dot_csv=DRAWS))
    assert one.digest != two.digest
    assert one.digest == three.digest
    (four,) = load_programmes(with_table(tmp_path / "d", "policy", t__policy_dot_yaml=POLICY))
    assert four.choose.policy is not None
    assert four.conditions().cells[0].columns == {"purchases_90d"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("coffee,tea\n", r"must have a header of offers and at least one draw"),
        ("coffee,coffee\n1,1\n", r"names an offer twice in its header"),
        ("coffee,tea\n0.1\n", r"line 2 was 1, must have 2 values"),
        ("coffee,tea\n0.1,x\n", r"line 2, tea was 'x', must be a number from 0 to 1"),
        ("coffee,tea\n0.1,1.5\n", r"choose.draws.propensity.tea.0 was 1.5, must be less than"),
        ("coffee,tea\n0.1,nan\n", r"choose.draws.propensity.tea.0 was nan, must be"),
        ("coffee,toe\n0.1,0.1\n", r"has 'toe' in choose.draws, which is none of the offers — did"),
        ("coffee\n0.1\n", r"has 'tea' in offers, which is none of the table of draws"),
    ],
)
def test_a_table_of_draws_is_checked_strictly(tmp_path: Path, text: str, error: str):
    file = with_table(tmp_path, "thompson", draws_dot_csv=text)
    with pytest.raises(ParameterError, match=error):
        load_programmes(file)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("shadow_price", "shadow", r"choose.policy.shadow is not a parameter — did you mean 'shad"),
        ("others: {tea", "other: {tea", r"has scores for 'other', which is none of the cells"),
        ("name: others", "name: regular", r"has the cell 'regular' twice"),
        ("coffee: 30.5", "cofee: 30.5", r"'cofee' in choose.policy.scores_cents.regular"),
        ("purchases_90d", "purchase_90d", r"choose.policy.cells.0.when\) — did you mean"),
        ("30.5", ".inf", r"scores_cents.regular.coffee was inf, must be less than"),
        ("0.1", "-1", r"shadow_price was -1, must be greater than or equal to 0"),
    ],
)
def test_a_policy_file_is_checked_strictly(tmp_path: Path, old: str, new: str, error: str):
    file = with_table(tmp_path, "policy", policy_dot_yaml=POLICY.replace(old, new))
    with pytest.raises(ParameterError, match=error):
        load_programmes(file)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (
            "../draws.csv",
            r"choose.draws was '../draws.csv', must lie in the folder of the programme",
        ),
        ("/etc/passwd", r"choose.draws was '/etc/passwd', must lie in the folder of the programme"),
        ("link.csv", r"choose.draws was 'link.csv', must lie in the folder of the programme"),
        ("draws.txt", r"choose.draws was 'draws.txt', must be a .csv file"),
        ("other.csv", r"choose.draws was 'other.csv', is not a file that is there"),
    ],
)
def test_nothing_outside_the_folder_of_a_programme_is_read(tmp_path: Path, name: str, error: str):
    (tmp_path / "draws.csv").write_text(DRAWS)
    file = with_table(tmp_path / "in", "thompson", draws_dot_csv=DRAWS)
    (tmp_path / "in" / "link.csv").symlink_to(tmp_path / "draws.csv")
    file.write_text(file.read_text().replace("draws: draws.csv", f"draws: {name}"))
    with pytest.raises(ParameterError, match=error):
        load_programmes(file)


def test_a_file_name_means_nothing_where_there_is_no_file():
    with pytest.raises(ParameterError, match=r"choose.draws was 'd.csv', must be"):
        read("by: value", "by: thompson\n  draws: d.csv")


HOSTILE = {
    "subquery": "(SELECT 1) = 1",
    "file": "amount_cents IN (SELECT x FROM read_csv('/etc/passwd'))",
    "clock": "now() > '2024-01-01T00:00:00Z'",
    "chance": "random() < 0.5",
    "comment": "hour < 9 -- AND FALSE",
    "two": "hour < 9; DROP TABLE x",
    "long": " AND ".join(["hour < 9"] * 20_000),
    "deep": "(" * 2000 + "hour < 9" + ")" * 2000,
    "look-alike": "hоur < 9",  # the o is Cyrillic
    "code": "__import__('os').system('x')",
}
KEYS = {
    "trigger.when": ("trigger", "when"),
    "trigger.unless.when": ("trigger", "unless", "when"),
    "audience": ("audience",),
    "suppress.0": ("suppress", 0),
    "offers.0.when": ("offers", 0, "when"),
    "offers.0.variants.1.when": ("offers", 0, "variants", 1, "when"),
    "choose.context.0.when": ("choose", "context", 0, "when"),
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_condition_can_reach_outside_or_never_end(key: str, name: str):
    values = yaml.safe_load(TEXT)
    values["trigger"] = {
        "event": "a",
        "unless": {"event": "b", "when": "hour < 9", "within": "1 h"},
    }
    values["trigger"]["when"] = "hour < 9"
    inner = values
    *path, last = KEYS[key]
    for part in path:
        inner = inner[part]
    inner[last] = HOSTILE[name]
    start = time.perf_counter()
    with pytest.raises(ParameterError, match=rf"bc.yaml: {key}\)"):
        Programme.from_mapping(values, source="bc.yaml")
    assert time.perf_counter() - start < 5


def test_a_division_by_zero_is_not_known_and_no_error():
    programme = read("purchases_90d >= 3", "amount_cents / quantity > 3")
    audience = programme.conditions().audience
    assert audience is not None
    assert audience.evaluate({"amount_cents": 9, "quantity": 0}) is None
