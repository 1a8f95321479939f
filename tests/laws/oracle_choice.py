"""Scores and distributions in words, as exact fractions where the rules are exact."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

WHOLE = 2**32


def shares(weights: Sequence[int]) -> list[int]:
    """Split 2**32 in proportion to whole weights: each running sum is rounded down."""
    total, running, ends = sum(weights), 0, [0]
    for weight in weights:
        running += weight
        ends.append(math.floor(Fraction(running, total) * WHOLE))
    return [end - start for start, end in itertools.pairwise(ends)]


def picked(distribution: Sequence[int], draw: int) -> int:
    """Return the place whose part of 2**32 holds the draw."""
    running = 0
    for place, share in enumerate(distribution):
        running += share
        if draw < running:
            return place
    raise AssertionError(f"{draw} lies beyond {distribution}")


def best(scores: Sequence[float]) -> int:
    """Return the place of the largest score, the first of equal ones."""
    return max(range(len(scores)), key=lambda place: (scores[place], -place))


def certain(scores: Sequence[float]) -> list[int]:
    """All of 2**32 for the best."""
    chosen = best(scores)
    return [WHOLE if place == chosen else 0 for place in range(len(scores))]


def epsilon_greedy(scores: Sequence[float], epsilon: Fraction) -> list[int]:
    """The best with 1 - epsilon, and any of them, the best too, with epsilon / n."""
    n, explore, chosen = len(scores), round(epsilon * WHOLE), best(scores)
    weights = [explore] * n
    weights[chosen] += n * (WHOLE - explore)
    return shares(weights)


def by_draws(wins: Sequence[int], actions: int) -> list[int]:
    """Each of the M draws is equally likely: count the 2**32 hashes that lead to its winner."""
    m = len(wins)
    ends = [math.ceil(Fraction(place * WHOLE, m)) for place in range(m + 1)]
    counts = [0] * actions
    for place, winner in enumerate(wins):
        counts[winner] += ends[place + 1] - ends[place]
    return counts
