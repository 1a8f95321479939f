"""Windows of known time: every event in exactly one, bounded rows, order checked."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import InputError
from workbench.log.schema import INSTANT
from workbench.replay.windows import FIRST_SEQ, Group, behind_last, groups_of, windows_of


def part(path, known, seq=None, rows=4):
    seq = range(len(known)) if seq is None else seq
    frame = pl.DataFrame({"known_at": list(known), "seq": list(seq)}).cast(
        {"known_at": INSTANT, "seq": pl.Int64}
    )
    frame.write_parquet(path, row_group_size=rows)
    return path


def test_the_row_groups_tell_their_reach_and_the_place_behind_the_last_event(tmp_path):
    one = part(tmp_path / "a.parquet", [1, 2, 3, 4, 5, 9], seq=[0, 1, 2, 3, 4, 7])
    two = part(tmp_path / "b.parquet", [9], seq=[12])
    groups = [groups_of(one), groups_of(two)]
    assert groups == [[Group(1, 4, 4), Group(5, 9, 2)], [Group(9, 9, 1)]]
    assert behind_last([one, two], groups) == (9, 13)


def test_an_empty_log_has_no_window(tmp_path):
    path = part(tmp_path / "a.parquet", [])
    assert groups_of(path) == []
    assert behind_last([path], [[]]) is None


def test_row_groups_out_of_order_are_refused(tmp_path):
    path = part(tmp_path / "a.parquet", [5, 6, 7, 8, 1, 2])
    with pytest.raises(InputError, match=r"a\.parquet is out of order: .*00:00:00\.000001.*ingest"):
        groups_of(path)


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_text("no")
    with pytest.raises(InputError, match="not readable as Parquet"):
        groups_of(path)


def test_a_file_that_does_not_say_its_reach_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"known_at": [1]}).cast(INSTANT).write_parquet(path, statistics=False)
    with pytest.raises(InputError, match="from when to when"):
        groups_of(path)


@given(
    known=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    rows=st.integers(1, 30),
    least=st.integers(1, 5),
    since=st.none() | st.tuples(st.integers(0, 40), st.just(FIRST_SEQ)),
)
@settings(deadline=None)
def test_every_event_lies_in_exactly_one_window(known, rows, least, since):
    known = np.sort(np.array(known))
    groups = [
        [
            Group(int(some[0]), int(some[-1]), len(some))
            for some in np.split(known, range(4, len(known), 4))
            if len(some)
        ]
    ]
    until = (int(known[-1]), len(known))
    if since is not None and since > until:
        since = (0, FIRST_SEQ)
    found = windows_of(groups, since, until, least=least, rows=rows)
    assert found[0].since == since
    assert found[-1].until == until
    for before, after in itertools.pairwise(found):
        assert before.until == after.since
        assert after.since < after.until
    places = [(int(at), seq) for seq, at in enumerate(known)]
    reach = [place for place in places if since is None or place >= since]
    seen = [
        place
        for window in found
        for place in places
        if (window.since is None or place >= window.since) and place < window.until
    ]
    assert seen == reach


def test_a_window_holds_about_as_many_events_as_it_may():
    groups = [[Group(k * 1000, k * 1000 + 999, 131_072) for k in range(100)] for _ in range(8)]
    found = windows_of(groups, None, (100_000, 0), rows=1_000_000)
    assert len(found) == 14
    lengths = np.diff([0, *(window.until[0] for window in found)])
    assert lengths.max() <= 1.02 * lengths.min()


def test_events_of_one_instant_stay_together():
    assert len(windows_of([[Group(5, 5, 10_000_000)]], None, (5, 10_000_000))) == 1
