"""The zone of a customer: of the event, else of the customer's row, else the default. Owns no clock."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.coded import codes_in, gathered, id_of, reader_of, text_of
from workbench.decision.dated import DatedTable
from workbench.errors import InputError, problem

_NAMES = ("tz", "zone")
"""Columns of the table of customers that may hold a zone."""


class CustomerZones:
    """The zones of customers.

    Attributes:
        default: Of customers without one.
        names: Every zone in use, the default first; position = code.
        column: Column of the table of customers that holds a zone, or none.

    Raises:
        InputError: A zone is not known.
    """

    def __init__(
        self,
        default: str,
        of_events: pl.Series,
        customers: DatedTable | None,
        book: pl.Series,
    ) -> None:
        self.default = default
        self._of_events = of_events
        self._customers = customers
        self._book = book
        columns = customers.values.columns if customers is not None else []
        self.column = next((name for name in _NAMES if name in columns), None)
        used = dict.fromkeys(of_events.drop_nulls().to_list(), "column tz")
        if customers is not None and self.column is not None:
            theirs = customers.values[self.column].drop_nulls().unique().sort().to_list()
            used |= dict.fromkeys(theirs, "table customers")
        for name, where in used.items():
            checked_zone(name, where)
        self.names = tuple(dict.fromkeys((default, *sorted(used))))
        self._codes = {name: code for code, name in enumerate(self.names) if name in used}

    @property
    def stored(self) -> frozenset[str]:
        """The stored columns that a frame must have for :meth:`known`."""
        if not self._codes:
            return frozenset()
        return frozenset({"tz", "known_at"} | ({"customer"} if self.column else set()))

    def known(self, frame: pl.DataFrame) -> NDArray[np.int32]:
        """Return for each event the position of its zone, -1 where it has none."""
        if not self._codes:
            return np.full(frame.height, -1, dtype=np.int32)
        own = [self._codes.get(name, -1) for name in self._of_events.to_list()]
        places = codes_in(frame, "tz").fill_null(len(own)).to_numpy()
        codes: NDArray[np.int32] = np.array([*own, -1], dtype=np.int32)[places]
        without = np.flatnonzero(codes < 0)
        if len(without) and self._customers is not None and self.column is not None:
            names = self._customers.values[self.column]
            book = names.replace_strict(self._codes, default=None, return_dtype=pl.Int32)
            some = frame.select(name for name in ("known_at", "customer") if name in frame.columns)
            some = some[without]
            at = np.array(some["known_at"].to_physical(), dtype=np.int64)
            rows = self._customers.rows(codes_in(some, "customer"), self._book, at)
            codes[without] = gathered(book, rows).fill_null(-1).to_numpy()
        return codes

    def known_of(self, event: Any) -> str | None:
        """Return the zone that one event or its customer has, none when neither has one.

        Raises:
            InputError: The event names a zone that is not known.
        """
        read = reader_of(event)
        own = read("tz")
        if own is not None:
            return checked_zone(own, "the event")
        if self._customers is None or self.column is None:
            return None
        row = self._customers.row(id_of("customer", read), read("known_at_us"))
        return None if row is None else text_of(self._customers.values[self.column][row])


def checked_zone(name: str, where: str) -> str:
    """Return a zone that this machine knows.

    Raises:
        InputError: It does not.
    """
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        rule = "must be an IANA time zone such as 'Europe/Zurich'"
        raise InputError(problem("zone", name, rule, where=where)) from None
    return name
