"""A code book: text to dense integers in order of first appearance. Owns no file."""

from __future__ import annotations

import polars as pl


class CodeBook:
    """Codes for one column; the position of a value is its code.

    The order is that of first appearance, so it depends on the input and its order alone, never
    on the size of a batch.

    >>> book = CodeBook()
    >>> book.encode(pl.Series(["b", None, "a", "b"])).to_list()
    [0, None, 1, 0]
    >>> book.encode(pl.Series(["c", "a"])).to_list(), book.values.to_list()
    ([2, 1], ['b', 'a', 'c'])
    """

    def __init__(self) -> None:
        self._book = pl.DataFrame(schema={"value": pl.String, "code": pl.Int32})

    @property
    def values(self) -> pl.Series:
        """All values; position = code."""
        return self._book["value"].alias("")

    def __len__(self) -> int:
        return self._book.height

    def encode(self, texts: pl.Series) -> pl.Series:
        """Return the codes of texts, null for null, and remember new ones."""
        frame = pl.DataFrame({"value": texts.cast(pl.String)})
        distinct = frame.drop_nulls().unique(maintain_order=True)
        fresh = distinct.join(self._book, on="value", how="anti", maintain_order="left")
        if fresh.height:
            start = self._book.height
            codes = pl.int_range(start, start + fresh.height, dtype=pl.Int32, eager=True)
            self._book = pl.concat([self._book, fresh.with_columns(codes.alias("code"))])
        coded = frame.join(
            self._book.join(distinct, on="value", how="semi"),
            on="value",
            how="left",
            maintain_order="left",
        )
        return coded["code"]
