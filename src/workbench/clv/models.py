"""The purchase models by name, and what follows from any of them. Owns no formula of one model.

A model is a module: its parameters, priors and formulas as functions. ``Model`` says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np

from workbench.clv import bg_bb, bg_nbd, mbg_nbd, pareto_nbd
from workbench.clv.beta_geometric import FloatLike, Floats, Parameters
from workbench.clv.priors import Prior
from workbench.clv.rows import Rows

Purchases = Literal["bg_nbd", "mbg_nbd", "pareto_nbd", "bg_bb"]


class Model(Protocol):
    """What a purchase model must be able to say.

    ``NAMES`` are its parameters, ``TIMES`` those in the unit of time, ``PRIORS`` their defaults
    (times in days).
    """

    TITLE: str
    NAMES: tuple[str, str, str, str]
    TIMES: tuple[str, ...]
    PRIORS: Mapping[str, Prior]

    def log_likelihood(
        self, parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike
    ) -> Floats:
        """Return the log-likelihood of each customer."""

    def total(self, parameters: Parameters, rows: Rows) -> tuple[float, Floats]:
        """Return the log-likelihood of all customers and its gradient."""

    def total_alone(self, parameters: Parameters, rows: Rows) -> float:
        """Return the log-likelihood of all customers."""

    def probability_alive(
        self, parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike
    ) -> Floats:
        """Return P(alive) of each customer."""

    def expected_if_alive(
        self, parameters: Parameters, time: FloatLike, x: FloatLike, age: FloatLike
    ) -> Floats:
        """Return expected purchases of customers known to be alive."""

    def latent(
        self, parameters: Parameters, x: Floats, age: Floats, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Draw rate and leaving of customers who are alive."""

    def expected_given(self, rate: Floats, leaving: Floats, time: float) -> Floats:
        """Return expected purchases of alive customers with known traits."""

    def future(
        self, rate: Floats, leaving: Floats, time: Floats, rng: np.random.Generator
    ) -> Floats:
        """Draw purchases of alive customers with known traits."""

    def simulate(
        self, parameters: Parameters, age: FloatLike, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Return (x, t_x) of simulated customers."""


_MODULES: dict[Purchases, Any] = {
    "bg_nbd": bg_nbd,
    "mbg_nbd": mbg_nbd,
    "pareto_nbd": pareto_nbd,
    "bg_bb": bg_bb,
}
MODELS: Mapping[Purchases, Model] = _MODULES


def expected_purchases(  # noqa: PLR0917 - a model, a place and a history
    model: Model,
    parameters: Parameters,
    time: FloatLike,
    x: FloatLike,
    t_x: FloatLike,
    age: FloatLike,
) -> Floats:
    """Return E[Y(time) | x, t_x, T]: purchases of each customer in the coming time.

    >>> at = (0.243, 4.414, 0.793, 2.426)
    >>> float(expected_purchases(MODELS["bg_nbd"], at, 39, 2, 30.43, 38.86).round(3))
    1.226
    """
    expected: Floats = model.probability_alive(parameters, x, t_x, age) * model.expected_if_alive(
        parameters, time, x, age
    )
    return expected


def expected_purchases_new(model: Model, parameters: Parameters, time: FloatLike) -> Floats:
    """Return E[X(time)]: repeat purchases of a new customer up to a time.

    >>> expected_purchases_new(MODELS["bg_nbd"], (0.243, 4.414, 0.793, 2.426), [1, 78]).round(3)
    array([0.053, 1.861])
    """
    return expected_purchases(model, parameters, time, 0.0, 0.0, 0.0)
