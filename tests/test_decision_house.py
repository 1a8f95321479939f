"""The rules of the house and programmes as a set: what is refused, and what they come to."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench.decision import House, Programme, ProgrammeSet, load_programmes
from workbench.errors import ParameterError

HOUSE = """
caps:
  - {name: weekly, count: 3, calendar: week, counts: delivered, scope: everything}
  - {name: daily, count: 1, window: 1 day, scope: channel}
quiet_hours: {from: "21:00", to: "08:00"}
holdout: {share: 0.05, measured_share: 0.05, salt: house}
budgets: [{name: spring, amount_cents: 1000, per: month}]
slot: 2
features: [{name: visits_30d, of: visit, measure: count, window_days: 30}]
columns: {customer_age: number}
zone: Europe/Zurich
"""


def house(old: str = "", new: str = "") -> House:
    assert old in HOUSE
    return House.from_yaml(HOUSE.replace(old, new, 1), source="house.yaml")


def programme(name: str = "p", **changes: Any) -> Programme:
    values: dict[str, Any] = {
        "name": name,
        "stage": "service",
        "kind": "targeting",
        "trigger": {"event": "purchase"},
        "offers": [
            {"id": "a", "value_cents": 9, "cost_cents": 5, "redemption_rate": 0.1, "channel": "app"}
        ],
        "experiment": {"salt": "s", "holdout_share": 0.1},
        **changes,
    }
    return Programme.from_mapping(values, source=f"{name}.yaml", columns=house().known_columns)


def a_set(*programmes: Programme, old: str = "", new: str = "") -> ProgrammeSet:
    files = {each.name: f"{each.name}.yaml" for each in programmes}
    return ProgrammeSet.of(programmes, house(old, new), source="house.yaml", files=files)


NO_BUDGET = "budgets: [{name: spring, amount_cents: 1000, per: month}]"
NO_HOLDOUT = "holdout: {share: 0.05, measured_share: 0.05, salt: house}"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("slot: 2", "slots: 2", r"house.yaml: slots is not a parameter — did you mean 'slot'"),
        ("slot: 2", "slot: 0", r"slot was 0, must be greater than or equal to 1"),
        ("name: weekly, ", "", r"caps.0.name is missing"),
        ("name: daily", "name: weekly", r"has 'weekly' twice in caps"),
        ("name: daily", "name: quiet_hours", r"has a cap 'quiet_hours', a name that stands for"),
        ("window: 1 day", "window: 0 days", r"caps.1.window was '0 days', must be longer than 0"),
        ("share: 0.05", "share: 0.6", r"holdout.share was 0.6, must be less than or equal to 0.5"),
        ("share: 0.05", "share: 0", r"holdout.share was 0, must be greater than 0"),
        ("measured_share: 0.05", "measured_share: 0.1", r"compared with a group of its own size"),
        ("amount_cents: 1000", "amount_cents: 0", r"budgets.0.amount_cents was 0, must be greater"),
        ("per: month", "per: year", r"budgets.0.per was 'year', must be"),
        (
            "Zurich",
            "Zurch",
            r"zone was 'Europe/Zurch', must be an IANA .* did you mean 'Europe/Zur",
        ),
        ("customer_age: number", "customer_age: int", r"columns.customer_age was 'int', must be"),
        ("customer_age: number", "weather: text", r"names 'weather' again, which every log may"),
        ("name: visits_30d", "name: purchases_90d", r"names 'purchases_90d' again"),
        ('to: "08:00"', 'to: "21:00"', r"quiet_hours was .* they must differ"),
    ],
)
def test_a_broken_rule_of_the_house_names_file_key_value_and_rule(old: str, new: str, error: str):
    with pytest.raises(ParameterError, match=error):
        house(old, new)


REJECTIONS = {"after_rejections": {"count": 2, "within": "9 days", "hold": "9 days"}}
NO_CONTROL = {"salt": "s", "holdout_share": 0}


@pytest.mark.parametrize(
    ("programmes", "old", "new", "error"),
    [
        (
            [programme()],
            "",
            "",
            r"budgets was 'spring', must be named by at least one .*house.yaml",
        ),
        (
            [programme(budget={"name": "sprint"})],
            "",
            "",
            r"budget.name was 'sprint', must be a budget in house.yaml.* \(p.yaml\) — did you mean",
        ),
        (
            [programme(budget={"name": "spring"})],
            "1000",
            "4",
            r"amount_cents of spring was 4, must be at least what the cheapest .*p costs, 5 \(p.ya",
        ),
        (
            [programme(budget={"name": "spring", "amount_cents": 9})],
            "",
            "",
            r"budget.name was 'spring', must be unique: house.yaml has it too \(p.yaml\)",
        ),
        (
            [
                programme("a", budget={"name": "x", "amount_cents": 9}),
                programme("b", budget={"name": "x", "amount_cents": 9}),
            ],
            NO_BUDGET,
            "",
            r"budget.name was 'x', must be unique: a.yaml has it too \(b.yaml\)",
        ),
        (
            [programme(limits={"bypass": ["dayly"]})],
            NO_BUDGET,
            "",
            r"limits.bypass was 'dayly', must be a cap of the house: daily, .*did you mean 'daily'",
        ),
        (
            [programme("a"), programme("a")],
            NO_BUDGET,
            "",
            r"programme name was 'a', must be unique",
        ),
        (
            [programme(limits=REJECTIONS, experiment=NO_CONTROL)],
            NO_BUDGET,
            "",
            r"limits.after_rejections was .* beside a global hold-out, .*\(p.yaml\)",
        ),
        (
            [
                programme(
                    "a", experiment={**NO_CONTROL, "layer": {"name": "l", "from": 0, "to": 0.5}}
                ),
                programme(
                    "b", experiment={**NO_CONTROL, "layer": {"name": "l", "from": 0.4, "to": 1}}
                ),
            ],
            NO_BUDGET,
            "",
            r"layer.from of layer l was 0.4, must not overlap the range of a, which ends at 0.5 \(b",
        ),
        (
            [programme(features=[{"name": "visits_30d", "of": "visit", "measure": "count"}])],
            NO_BUDGET,
            "",
            r"features was 'visits_30d', must mean the same as in house.yaml, .*\(p.yaml\)",
        ),
    ],
)
def test_what_concerns_several_programmes_is_checked(programmes, old: str, new: str, error: str):
    with pytest.raises(ParameterError, match=error):
        a_set(*programmes, old=old, new=new)


def test_a_house_cap_on_responses_needs_programmes_without_ghosts():
    rules = House.from_yaml(
        "caps: [{name: seen, count: 3, window: 7 days, counts: viewed, scope: everything}]",
        source="house.yaml",
    )
    with pytest.raises(ParameterError, match=r"cap seen counts was 'viewed', must not count resp"):
        ProgrammeSet.of([programme()], rules)
    assert ProgrammeSet.of([programme(limits={"bypass": ["seen"]})], rules)
    assert ProgrammeSet.of([programme(experiment=NO_CONTROL)], rules)
    held = rules.model_copy(update={"holdout": house().holdout})
    with pytest.raises(ParameterError, match=r"cap seen counts was 'viewed', must not count resp"):
        ProgrammeSet.of([programme(experiment=NO_CONTROL)], held)


def test_budgets_quiet_hours_and_caps_come_to_each_programme():
    made = a_set(
        programme("a", budget={"name": "spring"}),
        programme("b", budget={"amount_cents": 50, "per": "day"}),
        programme("c", limits={"bypass": ["quiet_hours", "daily"]}),
        programme("d", quiet_hours={"from": "23:00", "to": "05:00"}),
    )
    assert [(each.name, each.per) for each in made.budgets] == [("spring", "month"), ("b", "day")]
    assert made.budget_of == (0, 1, -1, -1)
    starts = [made.quiet_hours_of(place) for place in range(4)]
    assert [None if each is None else str(each.start) for each in starts] == [
        "21:00",
        "21:00",
        None,
        "23:00",
    ]
    assert [[cap.name for cap in made.house_caps_of(place)] for place in (0, 2)] == [
        ["weekly", "daily"],
        ["weekly"],
    ]
    assert [each.name for each in made.features] == ["visits_30d"]
    assert (made.house.holdout.held_end, made.house.holdout.measured_end) == (500, 1000)


def test_a_set_is_a_sequence_with_a_digest_of_everything_in_it():
    one, two = programme("a", budget={"name": "spring"}), programme("b")
    made = a_set(one, two)
    assert list(made) == [one, two]
    assert made[0] is one
    assert made[-1:] == (two,)
    assert len(made) == 2
    assert ProgrammeSet.of(made) is made
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 - what was just made
    assert (again, again.digest) == (made, made.digest)
    others = [a_set(two, one), a_set(one), a_set(one, two, old="slot: 2", new="slot: 1")]
    assert len({each.digest for each in (made, *others)}) == 4
    with pytest.raises(ParameterError, match="no programme was given"):
        ProgrammeSet.of([])


def test_the_house_is_read_beside_the_programmes_and_declares_names(tmp_path: Path):
    def write(folder: str, house_text: str | None = HOUSE, name: str = "p") -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        values = programme(name, budget={"name": "spring"}).model_dump(mode="json", by_alias=True)
        file = tmp_path / folder / f"{name}.yaml"
        wanted = ("name", "stage", "kind", "trigger", "experiment", "budget")
        short = {key: values[key] for key in wanted}
        short |= {"trigger": {"event": "purchase"}, "budget": {"name": "spring"}}
        short["experiment"] = {"salt": "s", "holdout_share": 0.1}
        short["audience"] = "visits_30d > 1 AND customer_age > 30"
        short["offers"] = [
            {"id": "a", "value_cents": 9, "cost_cents": 5, "redemption_rate": 0.1, "channel": "x"}
        ]
        file.write_text(yaml.safe_dump(short))
        if house_text is not None:
            (tmp_path / folder / "house.yaml").write_text(house_text)
        return file

    file = write("one")
    assert load_programmes(tmp_path / "one").house.slot == 2
    assert load_programmes(file).conditions[0].columns == {"visits_30d", "customer_age"}
    write("two", None, "q")
    with pytest.raises(ParameterError, match=r"'visits_30d', is not a known column .*q.yaml: aud"):
        load_programmes(tmp_path / "two")
    with pytest.raises(ParameterError, match="programmes of several houses cannot run together"):
        load_programmes([tmp_path / "one", tmp_path / "two"])
    write("two", HOUSE, "q")
    assert len(load_programmes([tmp_path / "one", tmp_path / "two"])) == 2


def test_an_error_between_programmes_names_the_file(tmp_path: Path):
    text = (
        "{{name: {0}, stage: service, kind: targeting, trigger: {{event: purchase}}, offers: "
        "[{{id: a, value_cents: 9, cost_cents: 5, redemption_rate: 0.1, channel: app}}], experiment: "
        "{{salt: s, holdout_share: 0, layer: {{name: l, from: 0, to: 0.5}}}}}}"
    )
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(text.format(name))
    with pytest.raises(ParameterError, match=r"must not overlap the range of a, .*/b\.yaml\)"):
        load_programmes(tmp_path)


def test_one_programme_of_a_house_may_be_loaded_alone():
    folder = Path(__file__).resolve().parent.parent / "params" / "programmes"
    (alone,) = load_programmes(folder / "win_back.yaml")
    assert alone.name == "win_back"
