"""The limits that a CLV fit is held against. Owns no check and no model."""

from __future__ import annotations

from pydantic import Field

from workbench.params import Parameters


class GateLimits(Parameters):
    """The limits that a fit is held against.

    Attributes:
        min_repeaters: Fewer customers who bought again cannot carry four parameters.
        max_gradient: Largest slope of the mean log-likelihood a customer, by log parameter, at
            the fitted values: larger means that the search stopped before the top.
        max_pareto_k: Largest k̂ of a corrected posterior; above it NUTS takes over.
        max_r_hat: Largest r̂ of NUTS chains; larger means that they do not agree.
        min_ess: Fewest effective draws of NUTS chains.
        max_correlation: Largest |correlation| of frequency and mean value of repeat customers;
            Gamma-Gamma takes the two as independent.
        max_coverage_error: Largest distance of the coverage of predictive intervals from their level.
        max_holdout_error: Largest |expected / actual − 1| of purchases in a holdout.
    """

    min_repeaters: int = Field(default=100, ge=2)
    max_gradient: float = Field(default=1e-4, gt=0)
    max_pareto_k: float = Field(default=0.7)
    max_r_hat: float = Field(default=1.01, gt=1)
    min_ess: float = Field(default=400, gt=0)
    max_correlation: float = Field(default=0.3, gt=0, le=1)
    max_coverage_error: float = Field(default=0.1, gt=0, lt=1)
    max_holdout_error: float = Field(default=0.15, gt=0)
