"""Customers by what an offer does to them: persuadables, sure things, lost causes, do-not-disturb.

Owns the four names. Owns no estimate: a cell is in a class with the share of draws that say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench import text
from workbench.arguments import checked
from workbench.errors import ParameterError, did_you_mean, problem
from workbench.uplift import UpliftDraws

PERSUADABLE, SURE_THING, LOST_CAUSE, DO_NOT_DISTURB = (
    "persuadable",
    "sure thing",
    "lost cause",
    "do not disturb",
)
CLASSES = (PERSUADABLE, SURE_THING, LOST_CAUSE, DO_NOT_DISTURB)


@dataclass(frozen=True, kw_only=True, eq=False)
class ResponseClasses(text.Result):
    """Cells by what an offer does to them.

    Attributes:
        table: A row a cell: the dimensions, ``customers``, ``class`` (the most probable), its
            ``probability``, and the probability of each class.
        text: How many customers are in each class.
        classes: A row a class: ``class``, cells, customers, and their share.
    """

    classes: pd.DataFrame


@checked
def response_classes(
    draws: UpliftDraws, offer: str, *, least_effect: float, high: float | None = None
) -> ResponseClasses:
    """Say of each cell whether an offer moves its customers, and whether they would have come anyway.

    A draw puts a cell among the persuadables when the offer adds more than ``least_effect``, and under do not
    disturb when it takes more than that away. What lies between is a sure thing where the outcome without an
    offer is at least ``high``, else a lost cause.

    Args:
        draws: The cells, from a fit; best of a conversion.
        offer: The offer.
        least_effect: What counts as an effect, in the unit of the measure.
        high: From where the outcome without an offer is high; none: the mean over customers.

    Returns:
        The classes with their probabilities.

    Raises:
        ParameterError: There is no such offer, or ``least_effect`` is below 0.

    >>> response_classes("fit", "tea", least_effect=0.02)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: draws was 'fit', must be draws of uplift, such as the decision of workbench.fit_uplift
    """
    if offer not in draws.offers:
        rule = f"must be one of {', '.join(draws.offers)}"
        raise ParameterError(
            problem("offer", offer, rule, hint=did_you_mean(offer, list(draws.offers)))
        )
    if not least_effect >= 0:
        raise ParameterError(problem("least_effect", least_effect, "must be at least 0"))
    effect = draws.value[:, :, draws.offers.index(offer)]
    edge = float(draws.weight @ draws.baseline.mean(axis=0)) if high is None else high
    moved, put_off = effect > least_effect, effect < -least_effect
    still = ~moved & ~put_off
    above = draws.baseline >= edge
    parts = np.stack(
        [each.mean(axis=0) for each in (moved, still & above, still & ~above, put_off)], axis=1
    )
    best = parts.argmax(axis=1)
    names = np.array(CLASSES)[best]
    table = draws.cells.assign(
        customers=draws.customers.astype(int),
        **{"class": names, "probability": parts[np.arange(len(best)), best]},
        **{name.replace(" ", "_"): parts[:, k] for k, name in enumerate(CLASSES)},
    )
    shares = {name: float(draws.weight[names == name].sum()) for name in CLASSES}
    classes = pd.DataFrame(
        {
            "class": CLASSES,
            "cells": [int((names == name).sum()) for name in CLASSES],
            "customers": [int(draws.customers[names == name].sum()) for name in CLASSES],
            "share": list(shares.values()),
        }
    )
    said = [f"{text.share(share)} {name}" for name, share in shares.items() if share]
    unsure = int((table["probability"] < 0.8).sum())  # noqa: PLR2004 - four in five
    words = f"as far as {offer} is concerned, the customers are {text.listing(said)}"
    if unsure:
        words += f"; of {unsure} of {len(table)} cells the class is less sure than 80%"
    return ResponseClasses(
        table=table,
        text=text.sentence(words),
        headline=f"Whom {offer} moves",
        classes=classes,
    )


__all__ = ["CLASSES", "ResponseClasses", "response_classes"]
