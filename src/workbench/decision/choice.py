"""The choice among open offers of one programme, and its exact distribution. Owns no score.

A distribution is whole parts of 2**32 that add up to it; the draw is a whole number below it.
"""

# mypy: disable-error-code="no-any-return"
# Entries of arrays are whole numbers, which the types of arrays do not say.

from __future__ import annotations

from numpy.typing import NDArray

from workbench.decision.compiled import in_core
from workbench.decision.desk import (
    EPSILON,
    P_CHOOSE,
    P_DRAW_COUNT,
    P_DRAWS,
    P_EPSILON,
    P_FIRST_ACTION,
    P_LAST_ACTION,
    P_SCORES,
    SOFTMAX,
    THOMPSON,
    Desk,
)

WHOLE = 1 << 32


@in_core
def best(desk: Desk, p: int, level: int, mask: int) -> int:
    """Return the offer with the largest score among those of a mask, the first of equal ones."""
    count = desk.programmes[p, P_LAST_ACTION] - desk.programmes[p, P_FIRST_ACTION]
    base = desk.programmes[p, P_SCORES] + level * count
    found = -1
    for j in range(count):
        if (mask >> j) & 1 and (found < 0 or desk.scores[base + j] > desk.scores[base + found]):
            found = j
    return found


@in_core
def choose(desk: Desk, p: int, level: int, mask: int, draw: int, shares: NDArray) -> int:  # type: ignore[type-arg]  # compiled  # noqa: PLR0917 - compiled: flat values, one path
    """Choose an offer and write the distribution: each running sum is rounded down.

    Args:
        desk: The rules.
        p: The programme.
        level: Which level of context holds.
        mask: Open offers, a bit each; at least one.
        draw: Whole number from 0 to 2**32 - 1.
        shares: Takes a part of 2**32 for each offer.
    """
    count = desk.programmes[p, P_LAST_ACTION] - desk.programmes[p, P_FIRST_ACTION]
    rule = desk.programmes[p, P_CHOOSE]
    base = desk.programmes[p, P_SCORES] + level * count
    for j in range(count):
        shares[j] = 0
    if rule == THOMPSON:
        return by_draws(desk, p, level, mask, draw, shares)
    top = best(desk, p, level, mask)
    if rule not in (SOFTMAX, EPSILON):
        shares[top] = WHOLE
        return top
    total, opened = 0, 0
    for j in range(count):
        if (mask >> j) & 1:
            total += desk.weights[base + j]
            opened += 1
    explore = desk.programmes[p, P_EPSILON]
    running, before, chosen = 0, 0, -1
    for j in range(count):
        if (mask >> j) & 1 == 0:
            continue
        if rule == SOFTMAX:
            running += desk.weights[base + j]
            end = running * WHOLE // total
        else:
            running += explore + (opened * (WHOLE - explore) if j == top else 0)
            end = running // opened
        shares[j] = end - before
        if chosen < 0 and draw < end:
            chosen = j
        before = end
    return chosen


@in_core
def by_draws(desk: Desk, p: int, level: int, mask: int, draw: int, shares: NDArray) -> int:  # type: ignore[type-arg]  # compiled  # noqa: PLR0917 - compiled: flat values, one path
    """Choose the winner of one of M equally likely draws, and count the hashes of each winner."""
    count = desk.programmes[p, P_LAST_ACTION] - desk.programmes[p, P_FIRST_ACTION]
    m = desk.programmes[p, P_DRAW_COUNT]
    base = desk.programmes[p, P_DRAWS] + level * m * count
    mine, chosen = draw * m // WHOLE, -1
    for row in range(m):
        at = base + row * count
        top = -1
        for j in range(count):
            if (mask >> j) & 1 and (top < 0 or desk.draws[at + j] > desk.draws[at + top]):
                top = j
        shares[top] += ((row + 1) * WHOLE + m - 1) // m - (row * WHOLE + m - 1) // m
        if row == mine:
            chosen = top
    return chosen
