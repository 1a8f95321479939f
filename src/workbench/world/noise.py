"""Noise by key: the same (seed, customer, day, purpose, index) is the same draw, whoever asks.

Owns the mixing function and the purposes. Owns no distribution of the world.

A customer's key starts a stream of SplitMix64 (Steele, Lea and Flood 2014), and a draw is a place
in it: worlds with other programmes, batches or processes meet the same noise. Everything is
uint64, in which plain Python (NumPy) and compiled code agree.
"""

from __future__ import annotations

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from workbench.streams import keyed_hash

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_DAY, _PURPOSE = np.uint64(32), np.uint64(16)
_UNIT = 2.0**-53

(TRAIT, VISIT, MINUTE, BASKET, WHERE, APP, PASS_BY, REGISTER, LOST, WAIT) = range(10)
"""Purposes of the life that would happen anyway, and of what skips a part of it."""

(VIEW, DELAY, ACT, PLAN, PULL, TAKE, LARGER, DOWN, OPT_OUT, HALO, REJECT, CONTENT) = range(20, 32)
"""Purposes of responses, which are keyed apart from the life that would happen anyway."""

(EVENT_ID, WEATHER, DIRT) = range(40, 43)
"""Purposes of ids, of the weather and of dirt."""


@register_jitable
def mix(x: np.uint64) -> np.uint64:
    """Return 64 bits that depend on every bit of a number: the finaliser of SplitMix64.

    >>> with np.errstate(over="ignore"):
    ...     int(mix(np.uint64(1234567) + np.uint64(0x9E3779B97F4A7C15)))
    6457827717110365317
    """
    x = (x ^ (x >> _30)) * _FIRST
    x = (x ^ (x >> _27)) * _SECOND
    return x ^ (x >> _31)


@register_jitable
def bits(key: np.uint64, day: int, purpose: int, index: int) -> np.uint64:
    """Return the 64 bits of a draw.

    Args:
        key: Of the customer, from :func:`keys_of`.
        day: Day of the world, from 0.
        purpose: What the draw is for.
        index: Which of several, below 65,536.
    """
    place = (np.uint64(day) << _DAY) | (np.uint64(purpose) << _PURPOSE) | np.uint64(index)
    return mix(key + _GAMMA * (place + np.uint64(1)))


@register_jitable
def uniform(key: np.uint64, day: int, purpose: int, index: int) -> float:
    """Return a draw of 53 bits, from 0 up to, not including, 1."""
    return (bits(key, day, purpose, index) >> _11) * _UNIT


def keys_of(seed: int, subject: str, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the keys of numbered customers (or stores) of a world.

    Args:
        seed: Seed of the world.
        subject: What is numbered, such as ``"customer"``.
        numbers: Their numbers, from 0.
    """
    start = np.uint64(keyed_hash("world", seed, subject))
    found: NDArray[np.uint64] = _mix_each(start + _GAMMA * (numbers.astype(np.uint64) + 1))
    return found


def uniforms(
    keys: NDArray[np.uint64], purpose: int, index: int, *, day: int = 0
) -> NDArray[np.float64]:
    """Return one draw for each key: :func:`uniform` over a column."""
    found: NDArray[np.float64] = _uniform_each(keys, day, purpose, index)
    return found


@numba.njit(cache=True)
def _mix_each(column: NDArray[np.uint64]) -> NDArray[np.uint64]:
    found = np.empty(len(column), dtype=np.uint64)
    for i in range(len(column)):
        found[i] = mix(column[i])
    return found


@numba.njit(cache=True)
def _uniform_each(
    keys: NDArray[np.uint64], day: int, purpose: int, index: int
) -> NDArray[np.float64]:
    found = np.empty(len(keys))
    for i in range(len(keys)):
        found[i] = uniform(keys[i], day, purpose, index)
    return found
