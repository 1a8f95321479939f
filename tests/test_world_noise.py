"""Noise by key: published values, compiled equals plain, and draws that look independent."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from workbench.world import noise

# SplitMix64 from the state 1234567: the values that Rosetta Code and the reference code give.
PUBLISHED = (
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
)
GAMMA = 0x9E3779B97F4A7C15


def test_mix_gives_the_published_values():
    states = [np.uint64((1234567 + GAMMA * k) % 2**64) for k in range(1, 6)]
    with np.errstate(over="ignore"):
        assert tuple(int(noise.mix(state)) for state in states) == PUBLISHED


def test_compiled_equals_plain_for_every_part_of_the_key():
    compiled = numba.njit(noise.bits)
    keys = noise.keys_of(7, "customer", np.arange(40, dtype=np.int64))
    with np.errstate(over="ignore"):
        for key in keys:
            for day, purpose, index in ((0, 0, 0), (3, 40, 65_535), (3659, 1, 2)):
                plain = noise.bits(key, day, purpose, index)
                assert int(compiled(key, day, purpose, index)) == int(plain)


def test_bits_by_whole_numbers_of_python_are_the_same():
    key = int(noise.keys_of(7, "customer", np.array([5]))[0])
    x = (key + GAMMA * ((3 << 32 | 20 << 16 | 1) + 1)) % 2**64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    with np.errstate(over="ignore"):
        assert int(noise.bits(np.uint64(key), 3, 20, 1)) == x ^ x >> 31


@pytest.mark.parametrize("part", ["customer", "day", "purpose", "index", "seed"])
def test_every_part_of_the_key_changes_the_draws_and_leaves_no_correlation(part: str):
    numbers = np.arange(20_000, dtype=np.int64)
    one = noise.uniforms(noise.keys_of(1, "customer", numbers), 1, 0)
    two = {
        "customer": lambda: noise.uniforms(noise.keys_of(1, "customer", numbers + 1), 1, 0),
        "day": lambda: noise.uniforms(noise.keys_of(1, "customer", numbers), 1, 0, day=1),
        "purpose": lambda: noise.uniforms(noise.keys_of(1, "customer", numbers), 2, 0),
        "index": lambda: noise.uniforms(noise.keys_of(1, "customer", numbers), 1, 1),
        "seed": lambda: noise.uniforms(noise.keys_of(2, "customer", numbers), 1, 0),
    }[part]()
    band = 4.42 / np.sqrt(len(numbers))  # 99.999 % of a correlation of nothing
    assert abs(np.corrcoef(one, two)[0, 1]) < band


def test_draws_are_uniform():
    draws = noise.uniforms(noise.keys_of(3, "customer", np.arange(100_000)), 1, 0)
    counts = np.bincount((draws * 10).astype(int), minlength=10)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 33.7  # 99.99 % of chi-squared with 9
