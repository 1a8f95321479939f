"""What a notebook keeps of a figure: a specification, a picture, a sentence. Owns no figure.

Altair's own renderers need a network, write random ids, or use a MIME type that nbformat
refuses. This one gives three forms and never HTML: JupyterLab draws the specification (its
bundled Vega-Lite is 5.6), a viewer without JavaScript shows the picture, and a comparison of
notebooks reads the same bytes in every run.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import vl_convert

from workbench.errors import InputError
from workbench.report import theme

NAME = "workbench"
VEGALITE_MIME = "application/vnd.vegalite.v5+json"
SVG_MIME = "image/svg+xml"
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_NOTEBOOK_VEGALITE = "5.8"  # the oldest that vl-convert has, next to JupyterLab's 5.6


def enable() -> None:
    """Make Altair charts of this process look and be stored as figures of the workbench.

    >>> enable()
    >>> alt.renderers.active
    'workbench'
    """
    alt.renderers.register(NAME, bundle)
    alt.renderers.enable(NAME)

    @alt.theme.register(NAME, enable=True)
    def _theme() -> alt.theme.ThemeConfig:
        return {"config": theme.config()}  # type: ignore[typeddict-item]  # the schema types every key of it


def bundle(spec: dict[str, Any], **_options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the MIME bundle of a chart and its metadata (the text instead of the picture).

    Raises:
        InputError: The chart has no description.

    >>> spec = {"description": "One bar.", "mark": "bar", "data": {"values": [{"a": 1}]}}
    >>> forms, metadata = bundle(spec)
    >>> forms["text/plain"], metadata["image/svg+xml"]["alt"]
    ('Chart: One bar.', 'One bar.')
    """
    text = described(spec)
    stored = {**spec, "$schema": _SCHEMA}
    return (
        {
            VEGALITE_MIME: stored,
            SVG_MIME: picture(stored, vegalite=_NOTEBOOK_VEGALITE),
            "text/plain": f"Chart: {text}",
        },
        {SVG_MIME: {"alt": text}},
    )


def described(spec: dict[str, Any]) -> str:
    """Return the description of a chart, which is what a reader who cannot see it gets.

    Raises:
        InputError: There is none.
    """
    text = spec.get("description")
    if not isinstance(text, str) or not text.strip():
        raise InputError(
            'the chart has no description; say what it shows with chart.properties(description="…")'
        )
    return " ".join(text.split())


def picture(spec: dict[str, Any], *, vegalite: str | None = None) -> str:
    """Return a specification drawn as SVG, with no access to a network.

    Args:
        spec: A Vega-Lite specification that carries its data.
        vegalite: Version of Vega-Lite, the newest by default.

    Raises:
        InputError: The specification cannot be drawn.
    """
    try:
        svg: str = vl_convert.vegalite_to_svg(spec, vl_version=vegalite, allowed_base_urls=[])
    except ValueError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise InputError(f"the chart cannot be drawn: {reason}") from None
    return svg
