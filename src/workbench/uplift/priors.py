"""Priors of an uplift model, as data. Owns no likelihood.

All scales are in units of the predictor: log odds of a conversion, the log of visits, standard deviations
of spend on the log scale or of an amount. Every spread is half-normal, so nothing of it is most likely: the
model says "for all the same" until the data say otherwise.
"""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from pydantic import Field

from workbench.params import Parameters

Scale = Annotated[float, Field(gt=0, le=100)]


class UpliftPrior(Parameters):
    """Scales of the priors.

    Attributes:
        baseline: Of the overall level without an offer, around that of all customers.
        baseline_spread: Of how levels of a dimension, and cells, differ without an offer.
        effect: Of the average effect of an arm, around none.
        effect_spread: Of how that effect differs between levels of a dimension, and between cells:
            the smaller, the harder it is to say "for whom".
        dispersion: Of the log of the dispersion or shape, around 0.

    >>> UpliftPrior(effect_spread=0.1).table["scale"].to_list()
    [1.5, 1.0, 0.5, 0.1, 1.0]
    """

    baseline: Scale = 1.5
    baseline_spread: Scale = 1.0
    effect: Scale = 0.5
    effect_spread: Scale = 0.25
    dispersion: Scale = 1.0

    @property
    def table(self) -> pd.DataFrame:
        """A row a prior: what it is of, its family and its scale."""
        rows = [
            ("level without an offer", "normal, around that of all", self.baseline),
            ("spread of levels and cells without an offer", "half-normal", self.baseline_spread),
            ("average effect of an arm", "normal, around 0", self.effect),
            ("spread of effects over levels and cells", "half-normal", self.effect_spread),
            ("log of dispersion, shape or spread of a cell", "normal, around 0", self.dispersion),
        ]
        return pd.DataFrame(rows, columns=["prior of", "family", "scale"])
