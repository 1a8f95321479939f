"""The frozen policy file: scores by cell and a shadow price, as the decision core reads them. Owns no choice.

The core takes the offer with the largest ``score - shadow_price * cost_cents``, if that is above 0, and knows
the full cost of an offer only. An offer is used by some of those who get it, so what the plan charges for it
is the shadow price times its *expected* cost. A score is therefore the expected profit less what all limits
charge, plus the shadow price times the full cost: what the core takes off again.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from workbench import text
from workbench.arguments import checked
from workbench.decision.programme import Policy, Programme
from workbench.decision.programme.choose import Cell
from workbench.errors import InputError, ParameterError, did_you_mean
from workbench.files import read_text, whole_file
from workbench.policy.allocation import Allocation
from workbench.uplift import UpliftDraws

_DIGITS = 4
_CUT = 1e-9


@checked
def policy_of(
    allocation: Allocation,
    draws: UpliftDraws,
    dimensions: Mapping[str, Sequence[Cell]],
    programme: Programme,
    *,
    fitted_on: str = "",
    triggers_per_customer: float = 1.0,
    budget_cents: float | None = None,
) -> Policy:
    """Return an allocation of cells as the policy that the decision core reads.

    Its cells are all combinations of levels, in the order in which the first that holds is the combination of
    the first level of each dimension that holds. One that the experiment never saw, and one at the edge of
    the budget that may have the offer in part only, get what they may have whole: nothing.

    Args:
        allocation: From :func:`allocate`, of the cells of ``draws``.
        draws: The cells.
        dimensions: The levels with their conditions, from :func:`workbench.load_dimensions`.
        programme: The programme whose offers are chosen; it knows their full cost.
        fitted_on: What the uplift was fitted on, in words.
        triggers_per_customer: How often a customer is expected to trigger within the plan.
        budget_cents: The budget of the plan.

    Returns:
        The policy with its origin.

    Raises:
        ParameterError: An offer is none of the programme's.
        InputError: A dimension or a level of the cells has no condition, or the plan gives offers but no cell
            whole, so that the file would give none.

    >>> policy_of("plan", "draws", {}, "programme")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: allocation was 'plan', must be an allocation, such as workbench.allocate gives
    """
    costs = {offer.id: offer.cost_cents for offer in programme.offers}
    for offer in allocation.offers:
        if offer not in costs:
            raise ParameterError(
                f"{offer!r} is no offer of {programme.name}{did_you_mean(offer, list(costs))}; its offers are "
                f"{', '.join(costs)}"
            )
    _levels_known(draws, dimensions)
    price = float(allocation.price_of_cost.max(initial=0.0))
    known = {
        row: k
        for k, row in enumerate(draws.cells[list(draws.by)].itertuples(index=False, name=None))
    }
    cells, scores = [], {}
    for levels in itertools.product(*(dimensions[name] for name in draws.by)):
        name = "__".join(level.name for level in levels)
        tests = [f"({level.when})" for level in levels if level.when.strip().upper() != "TRUE"]
        when = " AND ".join(tests) or "TRUE"
        cells.append({"name": name, "when": when})
        at = known.get(tuple(level.name for level in levels))
        scores[name] = {} if at is None else _scores(allocation, at, costs, price)
    if allocation.share.any() and not any(scores.values()):
        raise InputError(
            "the plan gives no cell an offer whole, so its file would give no offer to anybody; raise the limit "
            f"that binds or cut finer cells: {allocation.text}"
        )
    whole = np.isclose(allocation.share, 1.0)
    given = whole * allocation.weight[:, None]
    profit = given * draws.value.mean(axis=0)
    cost = given * np.nan_to_num(draws.cost.mean(axis=0))
    return Policy.from_mapping(
        {
            "cells": cells,
            "scores_cents": scores,
            "shadow_price": round(price, _DIGITS),
            "origin": {
                "fitted_on": fitted_on,
                "fit_digest": digest_of_draws(draws),
                "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "customers": float(allocation.weight.sum()),
                "triggers_per_customer": triggers_per_customer,
                "budget_cents": budget_cents,
                "expected_profit_cents": round(float(profit.sum()), 2),
                "expected_cost_cents": round(float(cost.sum()), 2),
            },
        },
        source="policy",
    )


def _scores(
    allocation: Allocation, cell: int, costs: Mapping[str, int], price: float
) -> dict[str, float]:
    """Return the scores of a cell: of the offer that it gets whole, and of no other."""
    price = round(price, _DIGITS)
    found = {}
    for k, offer in enumerate(allocation.offers):
        if allocation.share[cell, k] >= 1 - _CUT:
            left = max(float(allocation.net_cents[cell, k]), 10.0**-_DIGITS)
            found[offer] = round(left + price * costs[offer], _DIGITS)
    return found


def digest_of_draws(draws: UpliftDraws) -> str:
    """Return a digest of the draws that a policy was made from."""
    digest = hashlib.sha256()
    for array in (draws.value, draws.cost, draws.customers):
        values: npt.NDArray[np.float32] = np.ascontiguousarray(array, dtype=np.float32)
        digest.update(values.tobytes())
    digest.update(repr((draws.by, draws.arms, draws.measure)).encode())
    return digest.hexdigest()


def _levels_known(draws: UpliftDraws, dimensions: Mapping[str, Sequence[Cell]]) -> None:
    for name in draws.by:
        if name not in dimensions:
            raise InputError(
                f"dimension {name!r} of the cells has no levels{did_you_mean(name, list(dimensions))}; name "
                "the file of dimensions that the experiment was labelled with"
            )
        conditions = {level.name for level in dimensions[name]}
        for level in sorted(set(draws.cells[name]) - conditions):
            raise InputError(
                f"level {level!r} of {name} has no condition, so a policy cannot find it; the levels of the "
                f"file are {', '.join(sorted(conditions))}"
            )


@checked
def policy_table(policy: Policy) -> pd.DataFrame:
    """Return a policy for readers, a row a cell.

    Args:
        policy: From :func:`policy_of` or :func:`read_policy`.

    Returns:
        ``cell``, ``when``, ``offers`` with a score (the best first), and ``best_score_cents``.

    Raises:
        ParameterError: ``policy`` is none.

    >>> policy = Policy.from_mapping(
    ...     {"cells": [{"name": "all", "when": "TRUE"}], "scores_cents": {"all": {"tea": 3.0}}}, source="s"
    ... )
    >>> policy_table(policy)["offers"].to_list()
    ['tea']
    """
    rows = []
    for cell in policy.cells:
        scores = policy.scores_cents[cell.name]
        best = sorted(scores, key=lambda name: -scores[name])
        rows.append(
            {
                "cell": cell.name.replace("__", " · "),
                "when": cell.when,
                "offers": ", ".join(best) or "none",
                "best_score_cents": scores[best[0]] if best else np.nan,
            }
        )
    return pd.DataFrame(rows)


@checked
def describe_policy(policy: Policy) -> str:
    """Return in a sentence what a policy gives and what it is expected to earn.

    Args:
        policy: From :func:`policy_of`.

    Returns:
        How many cells get an offer, and the profit and cost that its origin expects of them. A plan may
        expect more: of a cell that it serves in part the file serves nothing.

    Raises:
        ParameterError: ``policy`` is none.

    >>> policy = Policy.from_mapping(
    ...     {"cells": [{"name": "all", "when": "TRUE"}], "scores_cents": {"all": {"tea": 3.0}}}, source="s"
    ... )
    >>> describe_policy(policy)
    'The policy file gives an offer in 1 of 1 cell.'
    """
    given = sum(bool(scores) for scores in policy.scores_cents.values())
    said = f"the policy file gives an offer in {given} of {text.plural(len(policy.cells), 'cell')}"
    origin = policy.origin
    if origin is not None and origin.expected_profit_cents is not None:
        said += (
            f", all of a cell or none, and is expected to earn {text.money(origin.expected_profit_cents)} at a "
            f"cost of {text.money(origin.expected_cost_cents)}"
        )
    return text.sentence(said)


@checked
def write_policy(policy: Policy, path: str | Path) -> None:
    """Write a policy as the file that a programme names under ``choose.policy``.

    Args:
        policy: From :func:`policy_of`.
        path: The file; its folder is made.

    Raises:
        ParameterError: ``policy`` is none.

    >>> policy = Policy.from_mapping(
    ...     {"cells": [{"name": "all", "when": "TRUE"}], "scores_cents": {"all": {"tea": 3.0}}}, source="s"
    ... )
    >>> folder = getfixture("tmp_path")
    >>> write_policy(policy, folder / "policy.yaml")
    >>> read_policy(folder / "policy.yaml") == policy
    True
    """
    plain = policy.model_dump(mode="json", exclude_none=True)
    with whole_file(Path(path)) as temporary:
        temporary.write_text(
            "# Who gets which offer: the largest score - shadow_price * cost_cents above 0.\n"
            + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100),
            encoding="utf-8",
        )


@checked
def read_policy(path: str | Path) -> Policy:
    """Read a policy file.

    Args:
        path: The file.

    Returns:
        The policy, checked.

    Raises:
        InputError: It cannot be read.
        ParameterError: It breaks a rule.

    >>> read_policy("runs/none.yaml")
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: runs/none.yaml cannot be read: No such file or directory
    """
    return Policy.from_yaml(read_text(Path(path)), source=str(path))


__all__ = [
    "describe_policy",
    "digest_of_draws",
    "policy_of",
    "policy_table",
    "read_policy",
    "write_policy",
]
