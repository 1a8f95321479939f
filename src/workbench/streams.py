"""Named random streams from one seed, and keyed hashes. Owns no distribution and no draw.

A stream belongs to its name: adding a consumer shifts no other, and the order in which streams
are opened does not matter.
"""

from __future__ import annotations

import hashlib

import numpy as np

from workbench.errors import ParameterError, problem

_KEY_BYTES = 8
_SEED_LIMIT = 2**64


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random generator of a name under a seed, from its beginning.

    Args:
        seed: The seed of the run, 0 to 2**64 − 1.
        name: Who draws, such as ``"clv/holdout"``; the same name gives the same draws.

    Raises:
        ParameterError: The seed is not a whole number in range, or the name is empty.

    >>> int(stream(7, "shuffle").integers(1000)) == int(stream(7, "shuffle").integers(1000))
    True
    >>> int(stream(7, "shuffle").integers(2**60)) == int(stream(7, "resample").integers(2**60))
    False
    """
    _check(seed, name)
    return np.random.default_rng([seed, keyed_hash(name)])


def spawn_seed(seed: int, name: str) -> int:
    """Return a seed of 32 bits for a library that takes a number and not a generator.

    >>> spawn_seed(7, "nuts") == spawn_seed(7, "nuts"), 0 <= spawn_seed(7, "nuts") < 2**32
    (True, True)
    """
    return int(stream(seed, name).integers(2**32))


def keyed_hash(*parts: str | int) -> int:
    """Return 64 bits that depend on every part and on where one part ends.

    Source: the first 8 bytes of SHA-256, big-endian, over the parts with their kinds and lengths.

    >>> keyed_hash("ab", "c") == keyed_hash("a", "bc"), keyed_hash(1) == keyed_hash("1")
    (False, False)
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = str(part).encode()
        kind = "i" if isinstance(part, int) else "s"
        digest.update(f"{kind}{len(encoded)}:".encode() + encoded)
    return int.from_bytes(digest.digest()[:_KEY_BYTES], "big")


def _check(seed: int, name: str) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ParameterError(problem("seed", seed, "must be a whole number"))
    if not 0 <= seed < _SEED_LIMIT:
        raise ParameterError(problem("seed", seed, "must be from 0 to 2**64 − 1"))
    if not name:
        raise ParameterError(problem("name of a stream", name, "must not be empty"))
