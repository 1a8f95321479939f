"""How figures look: the palette, the ink of a light and a dark page, the locale. Owns no chart.

Marks have colours that stand out from a white and from a dark surface (contrast of at least 3,
the rule for graphics in WCAG 2.2) and that a colour-blind reader can tell apart. Text and lines
take the ink of the surface they are on: a mid grey in a notebook, whose surface is unknown, and
the ink of the scheme on a page.
"""

from __future__ import annotations

import copy
from typing import Any, Literal, TypedDict

Scheme = Literal["light", "dark"]

# In this order, so that two series are blue and orange.
PALETTE = ("#2f6fd0", "#d9730d", "#0f8a72", "#b0479b", "#7f8891")
RAMP = ("#dfe9f8", "#b4cdf0", "#7fa9e3", "#4a84d3", "#2a62b3", "#173f80")
RAMP_DARK_FROM = 0.69  # from here white is easier to read on the ramp than black
SURFACE: dict[Scheme, str] = {"light": "#ffffff", "dark": "#14171c"}
NUMBERS = {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["$", ""], "minus": "−"}


class Ink(TypedDict):
    """Colours of text and lines: strong for titles, soft for labels, faint for a grid."""

    strong: str
    soft: str
    faint: str


NOTEBOOK_INK: Ink = {"strong": "#6b7480", "soft": "#6b7480", "faint": "#8a929c40"}
INK: dict[Scheme, Ink] = {
    "light": {"strong": "#1b2027", "soft": "#4c5663", "faint": "#e3e7ec"},
    "dark": {"strong": "#eef1f5", "soft": "#b4bdc9", "faint": "#323944"},
}


def ink_config(ink: Ink) -> dict[str, Any]:
    """Return the part of a Vega-Lite configuration that depends on the surface.

    >>> ink_config(INK["dark"])["title"]["color"]
    '#eef1f5'
    """
    return {
        "title": {"color": ink["strong"], "subtitleColor": ink["soft"]},
        "axis": {
            "labelColor": ink["soft"],
            "titleColor": ink["soft"],
            "gridColor": ink["faint"],
            "domainColor": ink["soft"],
            "tickColor": ink["soft"],
        },
        "legend": {"labelColor": ink["soft"], "titleColor": ink["soft"]},
        "header": {"labelColor": ink["strong"], "titleColor": ink["soft"]},
        "text": {"color": ink["strong"]},
        "rule": {"color": ink["soft"]},
    }


def config() -> dict[str, Any]:
    """Return the Vega-Lite configuration of every figure.

    >>> config()["locale"]["number"]["thousands"]
    ','
    """
    shape: dict[str, Any] = {
        "background": "transparent",
        "font": "sans-serif",
        "view": {"continuousWidth": 600, "continuousHeight": 300, "stroke": None},
        "title": {"anchor": "start", "fontSize": 15, "fontWeight": 600, "offset": 14},
        "axis": {
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 600,
            "labelPadding": 6,
            "titlePadding": 10,
            "labelLimit": 260,
            "domain": False,
            "ticks": False,
        },
        "axisX": {"grid": False, "domain": True},
        "legend": {"orient": "top", "title": None, "labelFontSize": 12, "labelLimit": 260},
        "header": {"labelFontSize": 12, "labelFontWeight": 600},
        "text": {"fontSize": 12},
        "bar": {"color": PALETTE[0]},
        "line": {"color": PALETTE[0], "strokeWidth": 2.5},
        "area": {"color": PALETTE[0]},
        "point": {"color": PALETTE[0], "filled": True, "size": 60},
        "range": {"category": list(PALETTE), "heatmap": list(RAMP), "ramp": list(RAMP)},
        "locale": {"number": NUMBERS},
    }
    return merged(shape, ink_config(NOTEBOOK_INK))


def inked(spec: dict[str, Any], scheme: Scheme) -> dict[str, Any]:
    """Return a specification with the ink of a scheme; the one given stays as it is.

    >>> inked({"mark": "bar"}, "dark")["config"]["text"]["color"]
    '#eef1f5'
    """
    return {**spec, "config": merged(spec.get("config", {}), ink_config(INK[scheme]))}


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return two nested mappings as one; where both have a value, ``over`` wins.

    >>> merged({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
    {'a': {'x': 1, 'y': 3}}
    """
    result = copy.deepcopy(under)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = merged(below, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]  # both are mappings
    return result
