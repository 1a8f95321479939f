"""The laws of the decision core over a tiny domain: core against oracle, and against itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import oracle_set
import pytest
from hypothesis import Phase, find, settings
from law_checks import (
    columns_are_as_the_words_say,
    cut_anywhere,
    deterministic,
    every_refusal_has_a_reason,
    exactly_once,
    future_never_leaks,
    law,
    one_at_a_time_equals_columns,
    one_at_a_time_is_as_the_words_say,
    persons_are_independent,
    responses_belong_to_decisions,
    split_equals_whole,
)
from programme_domain import cases
from programme_features import FEATURES

from workbench.records import REASONS

HERE = Path(__file__).resolve().parent
SHARED = {"budget", "inventory"}
ALONE = tuple(name for name in FEATURES if name not in SHARED)

test_law_1_deterministic = law(deterministic, examples=20)
test_law_2_cut_anywhere = law(cut_anywhere, examples=20)
test_law_3_one_at_a_time_equals_columns = law(one_at_a_time_equals_columns, examples=60)
test_law_4_the_future_never_leaks = law(future_never_leaks, examples=15)
test_law_5_persons_are_independent = law(
    persons_are_independent, cases(able=ALONE, responses=False), examples=20
)
test_law_5_a_split_replay_equals_the_whole_one = law(
    split_equals_whole, cases(("budget",), most=1), examples=30
)
test_law_6_exactly_once = law(exactly_once, examples=30)
test_law_7_every_refusal_has_a_reason = law(every_refusal_has_a_reason, examples=60)
test_law_9_responses_belong_to_decisions = law(
    responses_belong_to_decisions, cases(("cap_of_responses",), most=1), examples=30
)
test_columns_are_as_the_words_say = law(columns_are_as_the_words_say, examples=100)
test_one_at_a_time_is_as_the_words_say = law(one_at_a_time_is_as_the_words_say, examples=200)


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_is_as_the_words_say(feature: str):
    domain = cases((feature,), most=1, programmes=(1, 2))
    law(one_at_a_time_is_as_the_words_say, domain, examples=20)()


REACHED_BY = {
    "other_layer": ("layer",),
    "outside_coverage": ("coverage",),
    "not_in_audience": ("audience",),
    "audience_unknown": ("audience",),
    "other_arm": ("offers_by_arm",),
    "not_applicable": ("offer_when",),
    "applicability_unknown": ("offer_when",),
    "suppressed": ("suppress",),
    "suppression_unknown": ("suppress",),
    "no_consent": ("consent",),
    "consent_unknown": ("consent",),
    "cap_reached": ("cap_rolling",),
    "cooldown": ("cooldown",),
    "once": ("once",),
    "concurrency": ("concurrency",),
    "rejections": ("after_rejections",),
    "waiting": ("collect",),
    "no_zone": ("quiet",),
    "quiet_hours": ("quiet",),
    "quiet_expired": ("quiet",),
    "queued": ("quiet",),
    "budget_closed": ("budget",),
    "inventory_gone": ("inventory",),
    "not_worth_it": ("by_policy",),
    "outranked": (),
    "held_out": ("arms",),
    "global_holdout": ("global_holdout",),
    "awarded": ("listening",),
    "offered": (),
}


def test_every_reason_is_known_to_the_oracle():
    names = {reason.name for reason in REASONS}
    assert names == set(REACHED_BY)
    ends = {"queued", "held_out", "global_holdout", "awarded", "offered"}
    assert set(oracle_set.PATH) == names - ends


@pytest.mark.parametrize("reason", REACHED_BY)
def test_the_tiny_domain_meets_every_reason(reason: str):
    """A check over a domain that never reaches a rule could not fail."""
    features = REACHED_BY[reason]
    number = 2 if reason == "outranked" else 1
    find(
        cases(features, most=0 if features else 1, programmes=(number,)),
        lambda case: reason in case.in_words().reasons,
        settings=settings(
            max_examples=1000, database=None, derandomize=True, phases=[Phase.generate]
        ),
    )


def test_law_1_another_process_with_another_hash_seed_decides_the_same():
    code = (
        "import sys, tempfile\n"
        "from pathlib import Path\n"
        f"sys.path.insert(0, {str(HERE)!r})\n"
        "from domain import START_US, HOUR_US, Case\n"
        "from programme_domain import programme_set\n"
        "from draft import draft_of\n"
        "from tiny_log import TinyLog\n"
        "from workbench.records import Event\n"
        "from workbench.replay import replay\n"
        "drafts = [draft_of(name) for name in 'zab']\n"
        "for draft in drafts:\n"
        "    draft.several_offers()\n"
        "    draft.choose.update(by='epsilon', epsilon=0.5)\n"
        "    draft.cap(count=2, window='2 days', scope='channel')\n"
        "events = tuple(Event(f'e{n}', n, START_US + n * HOUR_US, START_US + n * HOUR_US,\n"
        "                     f'p{n % 3}', 'purchase', amount_cents=500) for n in range(9))\n"
        "case = Case(events, programme_set(drafts))\n"
        "with tempfile.TemporaryDirectory() as name:\n"
        "    log = TinyLog(Path(name), case)\n"
        "    print(replay(log, case.programmes, out=Path(name) / 'out').digest)\n"
    )
    digests = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1
    assert digests.pop().strip()
