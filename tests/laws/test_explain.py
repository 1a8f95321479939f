"""Explanations over the tiny domain: the path, and what would have changed it."""

from __future__ import annotations

import pytest
from explain_checks import changes_do_what_they_say, path_ends_where_the_log_says
from law_checks import law
from programme_domain import cases
from programme_features import FEATURES

WITHOUT_BUDGETS = tuple(name for name in FEATURES if name not in ("budget", "inventory"))

test_the_path_ends_where_the_log_says = law(path_ends_where_the_log_says, examples=30)


@pytest.mark.parametrize("feature", FEATURES)
def test_the_path_ends_where_the_log_says_for_each_feature(feature: str):
    law(path_ends_where_the_log_says, cases((feature,), most=1), examples=3)()


@pytest.mark.parametrize("feature", WITHOUT_BUDGETS)
def test_every_change_does_what_it_says_for_each_feature(feature: str):
    domain = cases((feature,), most=1, able=WITHOUT_BUDGETS)
    law(changes_do_what_they_say, domain, examples=3)()
