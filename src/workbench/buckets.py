"""Salted hashing of units into buckets, ranges and namespaces. Owns no experiment and no state.

The hash is GrowthBook's (SDK specification 0.8.0): FNV-1a with 32 bits over the UTF-8 bytes.
(The JavaScript SDK hashes UTF-16 code units and so differs for ids that are not ASCII.)
A unit's bucket is a pure function of salt and unit, so raising coverage moves no unit.

Every function for one unit has a twin for a column that gives the same figures. The published
functions mend bad input rather than refuse it (coverage is clamped, odd weights become equal
ones); they keep doing so here, because the published vectors say so. A programme file is
stricter: its model refuses such values before they get here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numba
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from workbench.errors import InputError, ParameterError, problem

HashVersion = Literal[1, 2]
Range = tuple[float, float]
Namespace = tuple[str, float, float]

BUCKETS = 10_000
BUCKETS_V1 = 1_000

_OFFSET_BASIS = 2166136261
_PRIME = 16777619
_MASK = 0xFFFFFFFF
_WEIGHT_TOLERANCE = 0.01


def fnv1a32(text: str, start: int = _OFFSET_BASIS) -> int:
    """Return the 32-bit FNV-1a hash of a text's UTF-8 bytes.

    Args:
        text: What to hash.
        start: The state to go on from; the default is FNV's offset basis.

    Raises:
        InputError: The text holds half of a surrogate pair, which UTF-8 cannot.

    Source: Fowler, Noll, Vo, RFC 9923.

    >>> fnv1a32(""), fnv1a32("a")
    (2166136261, 3826002220)
    """
    state = start
    for byte in _utf8(text):
        state = ((state ^ byte) * _PRIME) & _MASK
    return state


def bucket_10000(seed: str, unit: str) -> int:
    """Return a unit's bucket, 0 to 9,999: version 2 before the division.

    >>> bucket_10000("seed", "a")
    505
    """
    return fnv1a32(str(fnv1a32(seed + unit))) % BUCKETS


def hash_v2(seed: str, unit: str) -> float:
    """Return a unit's place in [0, 1), a multiple of 0.0001: FNV-1a twice.

    >>> hash_v2("seed", "a"), hash_v2("foo", "def")
    (0.0505, 0.2019)
    """
    return bucket_10000(seed, unit) / BUCKETS


def hash_v1(seed: str, unit: str) -> float:
    """Return a unit's place in [0, 1), a multiple of 0.001: the older hash, biased but kept.

    >>> hash_v1("", "a"), hash_v1("b", "a")
    (0.22, 0.946)
    """
    return fnv1a32(unit + seed) % BUCKETS_V1 / BUCKETS_V1


def hash_unit(seed: str, unit: str, version: int = 2) -> float | None:
    """Return a unit's place by a numbered version; ``None`` for a version that is not known.

    >>> hash_unit("seed", "a"), hash_unit("", "a", 1), hash_unit("abc", "def", 99)
    (0.0505, 0.22, None)
    """
    match version:
        case 1:
            return hash_v1(seed, unit)
        case 2:
            return hash_v2(seed, unit)
    return None


def fnv1a32_column(texts: pl.Series) -> pl.Series:
    """Return the 32-bit FNV-1a hash of each text.

    Args:
        texts: A column of text (or categories); null stays null.

    Returns:
        A column of UInt32 with the name of ``texts``.

    Raises:
        ParameterError: The column does not hold text.

    >>> fnv1a32_column(pl.Series(["", "a", None])).to_list()
    [2166136261, 3826002220, None]
    """
    states = _states(texts, start=_OFFSET_BASIS, suffix="")
    return _with_nulls_of(texts, states.astype(np.uint32))


def bucket_10000_column(seed: str, units: pl.Series) -> pl.Series:
    """Return the bucket of each unit, 0 to 9,999, as UInt16; null stays null.

    Raises:
        ParameterError: The column does not hold text.

    >>> bucket_10000_column("seed", pl.Series(["a", "b", None])).to_list()
    [505, 2696, None]
    """
    return _with_nulls_of(units, _buckets(seed, units).astype(np.uint16))


def hash_column(seed: str, units: pl.Series, version: HashVersion = 2) -> pl.Series:
    """Return each unit's place in [0, 1), as :func:`hash_v2` or :func:`hash_v1` gives it.

    Args:
        seed: The salt.
        units: A column of text (or categories); null stays null.
        version: Which hash.

    Returns:
        A column of Float64 with the name of ``units``.

    Raises:
        ParameterError: The column does not hold text, or the version is not 1 or 2.

    >>> hash_column("seed", pl.Series(["a", "b", None])).to_list()
    [0.0505, 0.2696, None]
    """
    match version:
        case 1:
            places = _states(units, start=_OFFSET_BASIS, suffix=seed) % BUCKETS_V1 / BUCKETS_V1
            return _with_nulls_of(units, places)
        case 2:
            # NumPy divides; Polars would multiply by 1/10000, which is another float.
            return _with_nulls_of(units, _buckets(seed, units) / BUCKETS)
    raise ParameterError(problem("version of the hash", version, "must be 1 or 2"))


def equal_weights(n: int) -> list[float]:
    """Return ``n`` equal shares, none when ``n`` is below 1.

    >>> equal_weights(2), equal_weights(-1)
    ([0.5, 0.5], [])
    """
    return [1 / n] * n if n > 0 else []


def bucket_ranges(
    n: int, coverage: float = 1.0, weights: Sequence[float] | None = None
) -> list[Range]:
    """Return the half-open range ``[start, end)`` of each arm.

    Each arm keeps its own start, and coverage shortens it from there: so raising coverage takes
    in more units and moves none. Coverage is clamped to 0..1. Weights that are not one an arm,
    or that add up to less than 0.99 or more than 1.01, give way to equal ones.

    Raises:
        ParameterError: A weight is negative, or a number is not finite.

    >>> bucket_ranges(2, 0.5)
    [(0.0, 0.25), (0.5, 0.75)]
    >>> bucket_ranges(2, 1.0, [0.4, 0.6])
    [(0.0, 0.4), (0.4, 1.0)]
    """
    if not math.isfinite(coverage):
        raise ParameterError(problem("coverage", coverage, "must be a finite number"))
    for weight in weights or ():
        if not (math.isfinite(weight) and weight >= 0):
            raise ParameterError(problem("weight", weight, "must be finite and at least 0"))
    covered = min(max(coverage, 0.0), 1.0)
    if (
        weights is None
        or len(weights) != n
        or not 1 - _WEIGHT_TOLERANCE <= sum(weights) <= 1 + _WEIGHT_TOLERANCE
    ):
        weights = equal_weights(n)
    ranges: list[Range] = []
    start = 0.0
    for weight in weights:
        ranges.append((start, start + covered * weight))
        start += weight
    return ranges


def choose_variation(place: float, ranges: Sequence[Range]) -> int:
    """Return the index of the first range that holds a place, −1 when none does.

    >>> choose_variation(0.5, [(0.0, 0.5), (0.5, 1.0)]), choose_variation(0.3, [(0.0, 0.25)])
    (1, -1)
    """
    for index, (start, end) in enumerate(ranges):
        if start <= place < end:
            return index
    return -1


def choose_variation_column(places: pl.Series, ranges: Sequence[Range]) -> pl.Series:
    """Return the index of the range that holds each place as Int32: −1 for none, null for null.

    >>> choose_variation_column(pl.Series([0.5, 0.3, None]), [(0.0, 0.25), (0.5, 1.0)]).to_list()
    [1, -1, None]
    """
    chosen = pl.lit(-1, dtype=pl.Int32)
    place = pl.col("place")
    for index, (start, end) in reversed(list(enumerate(ranges))):
        inside = (place >= start) & (place < end)
        chosen = pl.when(inside).then(pl.lit(index, dtype=pl.Int32)).otherwise(chosen)
    chosen = pl.when(place.is_not_null()).then(chosen)
    return places.to_frame("place").select(chosen.alias(places.name)).to_series()


def in_namespace(unit: str, namespace: Namespace) -> bool:
    """Say whether a unit falls in ``(name, start, end)`` of a namespace, end excluded.

    Experiments whose ranges in one namespace do not overlap share no unit.

    >>> in_namespace("1", ("namespace1", 0.4, 1.0)), in_namespace("1", ("namespace1", 0, 0.4))
    (True, False)
    """
    name, start, end = namespace
    return start <= hash_v1(f"__{name}", unit) < end


def in_namespace_column(units: pl.Series, namespace: Namespace) -> pl.Series:
    """Say for each unit whether it falls in a namespace; null stays null.

    >>> in_namespace_column(pl.Series(["1", None]), ("namespace1", 0.4, 1.0)).to_list()
    [True, None]
    """
    name, start, end = namespace
    places = hash_column(f"__{name}", units, 1)
    return (places >= start) & (places < end)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InputError(
            problem("text to hash", text, "must be whole characters, holds half a surrogate pair")
        ) from None


def _buckets(seed: str, units: pl.Series) -> npt.NDArray[np.int64]:
    hashes: npt.NDArray[np.int64] = _hash_of_decimal(_states(units, start=fnv1a32(seed), suffix=""))
    return hashes % BUCKETS


def _states(texts: pl.Series, *, start: int, suffix: str) -> npt.NDArray[np.int64]:
    """Return the FNV-1a state behind each text and the suffix; null counts as empty."""
    if texts.dtype != pl.String and not isinstance(texts.dtype, pl.Categorical | pl.Enum):
        raise ParameterError(
            problem(f"column {texts.name!r}", str(texts.dtype), "must be text to be hashed")
        )
    plain = texts.cast(pl.String)
    array = plain.to_arrow().cast(pa.large_string())
    _, offsets, data = array.buffers()
    if len(array) == 0:
        return np.empty(0, dtype=np.int64)
    begins = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    letters = (
        np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)
    )
    tail = np.frombuffer(_utf8(suffix), dtype=np.uint8)
    states: npt.NDArray[np.int64] = _fnv1a32_of_slices(begins, letters, start, tail)
    return states


def _with_nulls_of(source: pl.Series, values: npt.NDArray[np.generic]) -> pl.Series:
    """Return values as a column with the name and the nulls of another."""
    column = pl.Series(source.name, values)
    if source.null_count() == 0:
        return column
    frame = pl.DataFrame({"value": column, "there": source.is_not_null()})
    return frame.select(pl.when("there").then("value").alias(source.name)).to_series()


# The kernels stay in int64: a state is below 2**32 and the prime below 2**25, so a product is
# below 2**57, and no unsigned arithmetic is needed (numba's differs from Python's there).


@numba.njit(cache=True)
def _fnv1a32_of_slices(
    begins: npt.NDArray[np.int64],
    letters: npt.NDArray[np.uint8],
    start: int,
    tail: npt.NDArray[np.uint8],
) -> npt.NDArray[np.int64]:
    n = len(begins) - 1
    states = np.empty(n, dtype=np.int64)
    for row in range(n):
        state = np.int64(start)
        for at in range(begins[row], begins[row + 1]):
            state = ((state ^ np.int64(letters[at])) * np.int64(16777619)) & np.int64(0xFFFFFFFF)
        for at in range(len(tail)):
            state = ((state ^ np.int64(tail[at])) * np.int64(16777619)) & np.int64(0xFFFFFFFF)
        states[row] = state
    return states


@numba.njit(cache=True)
def _hash_of_decimal(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the FNV-1a hash of each number's decimal digits, without writing a text."""
    hashes = np.empty(len(numbers), dtype=np.int64)
    for row in range(len(numbers)):
        number = numbers[row]
        divisor = np.int64(1)
        while number // divisor // 10 > 0:
            divisor *= 10
        state = np.int64(2166136261)
        while divisor > 0:
            digit = number // divisor % 10
            state = ((state ^ (digit + 48)) * np.int64(16777619)) & np.int64(0xFFFFFFFF)
            divisor //= 10
        hashes[row] = state
    return hashes
