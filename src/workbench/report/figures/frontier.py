"""The figure of a swept limit: what more money reaches, with labels that cover none. Owns no sweep."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from workbench import text
from workbench.report.figures import frames

_BELOW, _ABOVE = "below", "above"
_LABEL_DX, _LABEL_DY = 8, 10
_PADDING_PX = 24
_HEIGHT_PX = 320


def frontier(
    frame: pd.DataFrame,
    *,
    title: str = "What more money reaches",
    currency: str = "$",
) -> alt.LayerChart:
    """Return committed cost against customers reached: a labelled point a value of a limit.

    Args:
        frame: One row a value of the limit that was swept, in its order, with columns ``label``
            (the value as text), ``committed_cents``, ``persons_reached`` and ``delivered``.
        title: What the figure shows or finds.
        currency: Sign in front of the money.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"label": ["cap 1", "cap 2"], "committed_cents": [5000, 9000],
    ...                      "persons_reached": [40, 50], "delivered": [40, 80]})
    >>> frontier(rows).to_dict()["description"]
    'Line of customers reached over committed cost: cap 1 40 for $50.00; cap 2 50 for $90.00.'
    """
    needed = ["label", "committed_cents", "persons_reached", "delivered"]
    data = frames.ready(frame, "frontier", needed)
    data["order"] = range(len(data))
    data["committed"] = data["committed_cents"] / frames.CENTS
    data["money"] = [text.money(cents, currency) for cents in data["committed_cents"]]
    data["reached"] = [text.count(n) for n in data["persons_reached"]]
    data["offers"] = [text.count(n) for n in data["delivered"]]
    said = "; ".join(
        f"{row['label']} {row['reached']} for {row['money']}" for row in data.to_dict("records")
    )
    data["place"] = _places(
        data["committed"].tolist(), data["persons_reached"].tolist(), data["label"].tolist()
    )
    scale = alt.Scale(zero=False, nice=False, padding=_PADDING_PX)
    base = alt.Chart(data).encode(
        x=alt.X(
            "committed:Q", title="committed cost", scale=scale, axis=frames.money_axis(currency)
        ),
        y=alt.Y(
            "persons_reached:Q", title="customers reached", scale=scale, axis=frames.count_axis()
        ),
        tooltip=[
            alt.Tooltip("label:N", title="limit"),
            alt.Tooltip("money:N", title="committed cost"),
            alt.Tooltip("reached:N", title="customers reached"),
            alt.Tooltip("offers:N", title="offers"),
        ],
    )
    return alt.LayerChart(
        layer=[
            base.mark_line(strokeWidth=2).encode(order="order:Q"),
            base.mark_point(opacity=1),
            base.transform_filter(alt.datum.place == _BELOW)
            .mark_text(align="left", dx=_LABEL_DX, dy=_LABEL_DY)
            .encode(text="label:N"),
            base.transform_filter(alt.datum.place == _ABOVE)
            .mark_text(align="right", dx=-_LABEL_DX, dy=-_LABEL_DY)
            .encode(text="label:N"),
        ],
        title=title,
        description=f"Line of customers reached over committed cost: {said}.",
        usermeta=frames.caption(
            "Each point is a replay of the same log with another value of the limit. Where the line"
            " is flat, more money reaches nobody new. A label that would cover another is left out."
            " The axes do not begin at zero."
        ),
        width=frames.WIDTH,
        height=_HEIGHT_PX,
    )


def _places(x: Sequence[float], y: Sequence[float], labels: Sequence[str]) -> list[str]:
    """Return where the label of each point stands so that none covers another, empty for nowhere.

    The ends of the line come first: they say how far the limit was swept.

    >>> _places([0, 1, 1, 1], [0, 1, 1, 1], ["a", "b", "c", "d"])
    ['below', 'above', '', 'below']
    """
    across, down = _pixels(x, frames.WIDTH), _pixels([-each for each in y], _HEIGHT_PX)
    places = [""] * len(labels)
    taken: list[tuple[float, float, float, float]] = []
    order = sorted(range(len(labels)), key=lambda row: row not in {0, len(labels) - 1})
    for row in order:
        wide = frames.label_room([labels[row]])
        for place, left, top in (
            (_BELOW, across[row] + _LABEL_DX, down[row]),
            (_ABOVE, across[row] - _LABEL_DX - wide, down[row] - 2 * _LABEL_DY),
        ):
            box = (left, top, left + wide, top + 2 * _LABEL_DY)
            if not any(_covers(box, other) for other in taken):
                taken.append(box)
                places[row] = place
                break
    return places


def _pixels(values: Sequence[float], size: int) -> list[float]:
    """Return where values stand on an axis of so many pixels."""
    low, high = min(values), max(values)
    room = size - 2 * _PADDING_PX
    return [_PADDING_PX + room * (value - low) / ((high - low) or 1) for value in values]


def _covers(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    """Say whether two boxes (left, top, right, bottom) overlap."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
