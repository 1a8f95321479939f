"""The parts of the day cover 24 hours once, and the three forms agree."""

from __future__ import annotations

import itertools

import polars as pl
import pytest

from workbench.dayparts import (
    CODE_OF_HOUR,
    DAYPART_NAMES,
    DAYPARTS,
    daypart,
    daypart_code,
    daypart_column,
)
from workbench.errors import InputError


def test_parts_cover_the_day_without_gap_or_overlap():
    assert DAYPARTS[0][1] == 0
    assert DAYPARTS[-1][2] == 24
    assert all(left[2] == right[1] for left, right in itertools.pairwise(DAYPARTS))
    assert len(CODE_OF_HOUR) == 24


def test_column_equals_plain_for_every_hour():
    frame = pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int8})
    column = frame.select(name=daypart_column(pl.col("hour")), code=daypart_code(pl.col("hour")))
    assert column["name"].to_list() == [daypart(hour) for hour in range(24)]
    assert [DAYPART_NAMES[code] for code in column["code"]] == column["name"].to_list()


@pytest.mark.parametrize("hour", [-1, 24])
def test_hour_outside_the_day_is_refused(hour):
    with pytest.raises(InputError, match=f"hour was {hour}, must be 0 to 23"):
        daypart(hour)
