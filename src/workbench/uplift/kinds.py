"""Kinds of outcomes: how one customer's outcome is distributed, computed from sums over customers.

Owns each likelihood and the mean that it implies. Owns no prior and no effect. Every log-likelihood is the
one of the single customers, up to nothing: constants are kept, so that models can be compared.

=============  ===========================  ============================================  =============
kind           a customer's outcome          sums of a cell                                link
=============  ===========================  ============================================  =============
conversion     Bernoulli                     customers, conversions                        logit
visits         negative binomial             how many customers had 0, 1, 2, … visits       log
spend          log-normal, given any         n, Σlog y, Σ(log y)², with a covariate x       identity, of
                                             also Σx, Σx², Σx·log y                         the mean log
spend_gamma    gamma, given any              n, Σy, Σlog y                                 log
amount         normal (profit may be < 0)    n, Σy, Σy², with a covariate as above          identity
=============  ===========================  ============================================  =============
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import special

from workbench import text
from workbench.errors import InputError

Floats = npt.NDArray[np.float64]
Sums = Mapping[str, Floats]
Extras = Mapping[str, Any]

_LOG_2PI = float(np.log(2 * np.pi))


class Kind(ABC):
    """A kind of outcome.

    Attributes:
        name: Its name.
        histogram: Whether it needs how many customers had each value.
        hurdle: Whether it says what an outcome is where there is any; whether there is, is a conversion.
        takes_covariate: Whether a covariate enters by cross moments.
        extras: Names of its further parameters: one for all cells, or one a cell.
        moments: Of a kind that takes a covariate x: the sums that are n, Σy and Σxy.
    """

    name: ClassVar[str]
    histogram: ClassVar[bool] = False
    hurdle: ClassVar[bool] = False
    takes_covariate: ClassVar[bool] = False
    extras: ClassVar[Mapping[str, str]] = MappingProxyType({})
    moments: ClassVar[tuple[str, str, str]] = ("", "", "")

    @abstractmethod
    def sums(self, column: str, covariate: str | None) -> dict[str, pl.Expr]:
        """Return the sums over customers, as expressions."""

    @abstractmethod
    def check(self, frame: pl.LazyFrame, column: str, kind: pl.DataType) -> None:
        """Refuse values that the kind cannot have.

        Raises:
            InputError: With the column, the count of wrong values and the rule.
        """

    @abstractmethod
    def log_likelihood(self, eta: Any, extras: Extras, n: Any, sums: Sums, ops: Any) -> Any:
        """Return the log-likelihood of each cell and arm.

        Args:
            eta: Cell x arm: the linear predictor.
            extras: Further parameters by name.
            n: Cell x arm: customers.
            sums: The sums.
            ops: Where the functions come from: PyTensor's for the model, NumPy's afterwards.
        """

    @abstractmethod
    def mean(self, eta: Any, extras: Extras) -> Any:
        """Return the mean outcome of a customer, draws x cell x arm."""

    @abstractmethod
    def start(self, n: Floats, sums: Sums) -> tuple[float, float]:
        """Return the overall level on the scale of the predictor, and the scale of its effects."""

    @abstractmethod
    def seen(self, n: Floats, sums: Sums) -> tuple[Floats, Floats]:
        """Return the predictor that the sums alone say, and its inverse variance; cell x arm."""

    @abstractmethod
    def observed(self, n: Floats, sums: Sums) -> Floats:
        """Return the mean outcome that was seen, cell x arm; NaN without a customer."""

    @abstractmethod
    def spread(self, eta: Any, extras: Extras) -> Any:
        """Return the standard deviation of one customer's outcome, draws x cell x arm."""


class Conversion(Kind):
    """Whether a customer did it: Bernoulli, so the sums are binomial."""

    name = "conversion"

    def sums(self, column: str, covariate: str | None) -> dict[str, pl.Expr]:
        """Return the conversions."""
        del covariate
        return {"yes": pl.col(column).cast(pl.Float64).sum()}

    def check(self, frame: pl.LazyFrame, column: str, kind: pl.DataType) -> None:
        """Refuse what is neither 0 nor 1, and outcomes that are all alike."""
        value = number_of(column, kind)
        wrong, low, high = _counts(
            frame, (~value.is_in([0.0, 1.0])) | value.is_null(), value.min(), value.max()
        )
        _refuse(column, wrong, "must be 0 or 1 (or false or true)")
        if low == high:
            raise InputError(
                f"{text.NOT_ENOUGH_DATA}: {column!r} is {'1' if low else '0'} for everybody, so no "
                "effect can be seen in it"
            )

    def log_likelihood(self, eta: Any, extras: Extras, n: Any, sums: Sums, ops: Any) -> Any:
        """Return y·η − n·log(1 + e^η): the Bernoulli of each customer, summed."""
        del extras
        return sums["yes"] * eta - n * ops.softplus(eta)

    def mean(self, eta: Any, extras: Extras) -> Any:
        """Return the probability."""
        del extras
        return special.expit(eta)

    def start(self, n: Floats, sums: Sums) -> tuple[float, float]:
        """Return the logit of the overall rate."""
        rate = (sums["yes"].sum() + 1) / (n.sum() + 2)
        return float(special.logit(rate)), 1.0

    def seen(self, n: Floats, sums: Sums) -> tuple[Floats, Floats]:
        """Return the logit of the rate, and n·p(1 − p)."""
        rate = (sums["yes"] + 0.5) / (n + 1)
        return special.logit(rate), n * rate * (1 - rate)

    def observed(self, n: Floats, sums: Sums) -> Floats:
        """Return the rates."""
        return _ratio(sums["yes"], n)

    def spread(self, eta: Any, extras: Extras) -> Any:
        """Return √(p(1 − p))."""
        p = self.mean(eta, extras)
        return np.sqrt(p * (1 - p))


class Visits(Kind):
    """How often a customer came: negative binomial with mean e^η and dispersion α.

    Variance μ + μ²/α. Source: as PyMC's NegativeBinomial(mu, alpha).
    """

    name = "visits"
    histogram = True
    extras = MappingProxyType({"alpha": "one"})

    def sums(self, column: str, covariate: str | None) -> dict[str, pl.Expr]:
        """Return the visits; the likelihood takes the histogram."""
        del covariate
        return {"total": pl.col(column).cast(pl.Float64).sum()}

    def check(self, frame: pl.LazyFrame, column: str, kind: pl.DataType) -> None:
        """Refuse what is no count."""
        value = number_of(column, kind)
        bad = ~value.is_finite() | value.is_null() | (value < 0) | (value != value.round())
        wrong, high = _counts(frame, bad, value.max())
        _refuse(column, wrong, "must be whole numbers from 0")
        if not high:
            raise InputError(f"{text.NOT_ENOUGH_DATA}: {column!r} is 0 for everybody")

    def log_likelihood(self, eta: Any, extras: Extras, n: Any, sums: Sums, ops: Any) -> Any:
        """Return the negative binomial of each customer, summed; the dispersion is one for all."""
        alpha = ops.over(extras["alpha"], 2)
        log_total = ops.logaddexp(eta, ops.log(alpha))
        values = sums["values"]
        each = ops.over(extras["alpha"], 1)
        of_value = ops.gammaln(values + each) - ops.gammaln(each) - sums["log_factorials"]
        return (
            ops.dot(sums["histogram"], of_value)
            + n * alpha * (ops.log(alpha) - log_total)
            + sums["total"] * (eta - log_total)
        )

    def mean(self, eta: Any, extras: Extras) -> Any:
        """Return e^η."""
        del extras
        return np.exp(eta)

    def start(self, n: Floats, sums: Sums) -> tuple[float, float]:
        """Return the log of the overall mean."""
        return float(np.log(sums["total"].sum() / n.sum())), 1.0

    def seen(self, n: Floats, sums: Sums) -> tuple[Floats, Floats]:
        """Return the log of the mean, and n·μ/(1 + μ/α) with α by moments."""
        mean = (sums["total"] + 0.5) / (n + 1)
        count, value = sums["histogram"].sum(axis=(0, 1)), sums["values"]
        middle = float((count * value).sum() / count.sum())
        variance = float((count * (value - middle) ** 2).sum() / count.sum())
        alpha = middle**2 / max(variance - middle, 0.01 * middle)
        return np.log(mean), n * mean / (1 + mean / alpha)

    def observed(self, n: Floats, sums: Sums) -> Floats:
        """Return the mean visits."""
        return _ratio(sums["total"], n)

    def spread(self, eta: Any, extras: Extras) -> Any:
        """Return √(μ + μ²/α)."""
        mu = np.exp(eta)
        return np.sqrt(mu + mu**2 / np.asarray(extras["alpha"])[:, None, None])


class Spend(Kind):
    """What a customer spent, given any: log-normal with mean log η and a spread of each cell."""

    name = "spend"
    hurdle = True
    takes_covariate = True
    extras = MappingProxyType({"sigma": "cell"})
    moments = ("some", "log", "x_log")

    def sums(self, column: str, covariate: str | None) -> dict[str, pl.Expr]:
        """Return who spent anything, Σlog and Σlog², and cross moments with the covariate."""
        value = pl.col(column).cast(pl.Float64)
        some = value > 0
        log = value.filter(some).log()
        found = {
            "some": some.sum(),
            "log": log.sum(),
            "log_squared": (log**2).sum(),
            "total": value.sum(),
        }
        if covariate is not None:
            x = pl.col(covariate).filter(some)
            found |= {"x": x.sum(), "x_squared": (x**2).sum(), "x_log": (x * log).sum()}
        return found

    def check(self, frame: pl.LazyFrame, column: str, kind: pl.DataType) -> None:
        """Refuse spend below 0."""
        value = number_of(column, kind)
        bad = ~value.is_finite() | value.is_null() | (value < 0)
        wrong, high = _counts(frame, bad, value.max())
        _refuse(column, wrong, "must be 0 or above; take refunds out first, or fit it as an amount")
        if not high:
            raise InputError(f"{text.NOT_ENOUGH_DATA}: {column!r} is 0 for everybody")

    def log_likelihood(self, eta: Any, extras: Extras, n: Any, sums: Sums, ops: Any) -> Any:
        """Return the log-normal of each customer who spent, summed."""
        del n
        sigma = extras["sigma"][..., None]
        squares = _squares(eta, extras, sums, "some", "log", "log_squared", "x_log", ops)
        return (
            -sums["some"] * (ops.log(sigma) + 0.5 * _LOG_2PI)
            - sums["log"]
            - squares / (2 * sigma**2)
        )

    def mean(self, eta: Any, extras: Extras) -> Any:
        """Return exp(η + σ²/2), with the spread that a covariate explains added to σ²."""
        return np.exp(eta + _variance(extras) / 2)

    def start(self, n: Floats, sums: Sums) -> tuple[float, float]:
        """Return the overall mean log and its spread."""
        del n
        return _centre(sums["some"], sums["log"], sums["log_squared"])

    def seen(self, n: Floats, sums: Sums) -> tuple[Floats, Floats]:
        """Return the mean log, and n/σ²."""
        mean, scale = self.start(n, sums)
        return _mean_or(sums["log"], sums["some"], mean), sums["some"] / scale**2

    def observed(self, n: Floats, sums: Sums) -> Floats:
        """Return the mean spend of who spent."""
        del n
        return _ratio(sums["total"], sums["some"])

    def spread(self, eta: Any, extras: Extras) -> Any:
        """Return the standard deviation of the log-normal, with what a covariate explains."""
        return self.mean(eta, extras) * np.sqrt(np.expm1(_variance(extras)))


class SpendGamma(Spend):
    """What a customer spent, given any: gamma with mean e^η and one shape."""

    name = "spend_gamma"
    takes_covariate = False
    extras = MappingProxyType({"shape": "one"})

    def sums(self, column: str, covariate: str | None) -> dict[str, pl.Expr]:
        """Return who spent anything, Σy and Σlog y."""
        del covariate
        return super().sums(column, None)

    def log_likelihood(self, eta: Any, extras: Extras, n: Any, sums: Sums, ops: Any) -> Any:
        """Return the gamma of each customer who spent, summed."""
        del n
        shape = ops.over(extras["shape"], 2)
        return (
            sums["some"] * (shape * (ops.log(shape) - eta) - ops.gammaln(shape))
            + (shape - 1) * sums["log"]
            - shape * sums["total"] * ops.exp(-eta)
        )

    def mean(self, eta: Any, extras: Extras) -> Any:
        """Return e^η."""
        del extras
        return np.exp(eta)

    def start(self, n: Floats, sums: Sums) -> tuple[float, float]:
        """Return the log of the overall mean, and the spread of the logs."""
        del n
        _, scale = _centre(sums["some"], sums["log"], sums["log_squared"])
        return float(np.log(sums["total"].sum() / sums["some"].sum())), scale

    def seen(self, n: Floats, sums: Sums) -> tuple[Floats, Floats]:
        """Return the log of the mean, and n·shape with the spread of the logs for 1/√shape."""
        middle, scale = self.start(n, sums)
        mean = _mean_or(sums["total"], sums["some"], float(np.exp(middle)))
        return np.log(np.maximum(mean, 1e-9)), sums["some"] / scale**2

    def spread(self, eta: Any, extras: Extras) -> Any:
        """Return μ/√shape."""
        return np.exp(eta) / np.sqrt(np.asarray(extras["shape"]))[:, None, None]


class Amount(Kind):
    """An amount that may be negative, such as profit: normal with a spread of each cell.

    Of skewed amounts it is the working model of their means, which is what a decision needs: with some
    tens of customers in a cell and arm, the mean is normal whatever the amounts are.
    """

    name = "amount"
    takes_covariate = True
    extras = MappingProxyType({"sigma": "cell"})
    moments = ("known", "total", "x_total")

    def sums(self, column: str, covariate: str | None) -> dict[str, pl.Expr]:
        """Return n, Σ and Σ², and cross moments with the covariate."""
        value = pl.col(column).cast(pl.Float64)
        found = {"known": value.count(), "total": value.sum(), "squared": (value**2).sum()}
        if covariate is not None:
            x = pl.col(covariate)
            found |= {"x": x.sum(), "x_squared": (x**2).sum(), "x_total": (x * value).sum()}
        return found

    def check(self, frame: pl.LazyFrame, column: str, kind: pl.DataType) -> None:
        """Refuse what is missing or infinite, and an amount that never varies."""
        value = number_of(column, kind)
        bad = value.is_null() | value.is_infinite() | value.is_nan()
        wrong, low, high = _counts(frame, bad, value.min(), value.max())
        _refuse(column, wrong, "must be finite numbers")
        if low == high:
            raise InputError(f"{text.NOT_ENOUGH_DATA}: {column!r} is the same for everybody")

    def log_likelihood(self, eta: Any, extras: Extras, n: Any, sums: Sums, ops: Any) -> Any:
        """Return the normal of each customer, summed."""
        del n
        sigma = extras["sigma"][..., None]
        squares = _squares(eta, extras, sums, "known", "total", "squared", "x_total", ops)
        return -sums["known"] * (ops.log(sigma) + 0.5 * _LOG_2PI) - squares / (2 * sigma**2)

    def mean(self, eta: Any, extras: Extras) -> Any:
        """Return η."""
        del extras
        return np.asarray(eta)

    def start(self, n: Floats, sums: Sums) -> tuple[float, float]:
        """Return the overall mean and its spread."""
        del n
        return _centre(sums["known"], sums["total"], sums["squared"])

    def seen(self, n: Floats, sums: Sums) -> tuple[Floats, Floats]:
        """Return the means, and n/σ² with the spread of the cell."""
        mean, scale = self.start(n, sums)
        known = sums["known"].sum(axis=1, keepdims=True)
        middle = sums["total"].sum(axis=1, keepdims=True) / known
        variance = sums["squared"].sum(axis=1, keepdims=True) / known - middle**2
        variance = np.maximum(variance, 0.01 * scale**2)
        return _mean_or(sums["total"], sums["known"], mean), sums["known"] / variance

    def observed(self, n: Floats, sums: Sums) -> Floats:
        """Return the mean amounts."""
        del n
        return _ratio(sums["total"], sums["known"])

    def spread(self, eta: Any, extras: Extras) -> Any:
        """Return σ of the cell, with what a covariate explains."""
        return np.broadcast_to(np.sqrt(_variance(extras)), np.shape(eta))


KINDS: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for kind in (Conversion(), Visits(), Spend(), SpendGamma(), Amount())}
)
"""Every kind by its name."""


class NumpyOps:
    """The functions of a log-likelihood, from NumPy and SciPy, over draws."""

    exp = staticmethod(np.exp)
    log = staticmethod(np.log)
    logaddexp = staticmethod(np.logaddexp)
    gammaln = staticmethod(special.gammaln)

    @staticmethod
    def softplus(x: Any) -> Any:
        """Return log(1 + e^x)."""
        return np.logaddexp(0.0, x)

    @staticmethod
    def dot(histogram: Floats, of_value: Any) -> Any:
        """Return the sum over a histogram, draws x cell x arm."""
        return np.einsum("cak,...k->...ca", histogram, of_value)

    @staticmethod
    def over(x: Any, axes: int = 1) -> Any:
        """Return one value a draw beside further axes."""
        return np.asarray(x)[(..., *([None] * axes))]


def _squares(  # noqa: PLR0917 - names of sums
    eta: Any, extras: Extras, sums: Sums, n: str, y: str, yy: str, xy: str, ops: Any
) -> Any:
    """Return Σ(y − η − βx)² from moments and cross moments."""
    found = sums[yy] - 2 * eta * sums[y] + sums[n] * eta**2
    if "x" in sums:
        beta = ops.over(extras["beta"], 2)
        found = (
            found + beta**2 * sums["x_squared"] - 2 * beta * sums[xy] + 2 * beta * eta * sums["x"]
        )
    return found


def _variance(extras: Extras) -> Any:
    """Return σ² of each cell, draws x cell x 1, with what a covariate explains added to it."""
    variance = np.asarray(extras["sigma"])[:, :, None] ** 2
    if "beta" in extras:
        explained = np.asarray(extras["beta"])[:, None, None] ** 2 * extras["x_variance"]
        variance = variance + explained
    return variance


def _centre(n: Floats, total: Floats, squared: Floats) -> tuple[float, float]:
    mean = float(total.sum() / n.sum())
    return mean, float(np.sqrt(max(squared.sum() / n.sum() - mean**2, 1e-12)))


def _mean_or(total: Floats, n: Floats, otherwise: float) -> Floats:
    """Return means, and another value where there is nobody."""
    return np.asarray(np.where(n > 0, total / np.maximum(n, 1), otherwise))


def _ratio(a: Floats, b: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(b > 0, a / np.where(b > 0, b, 1), np.nan))


def number_of(column: str, kind: pl.DataType, what: str = "column") -> pl.Expr:
    """Return a column as numbers; ``what`` is what an error calls it.

    Raises:
        InputError: It holds no numbers.
    """
    if not (kind.is_numeric() or kind == pl.Boolean):
        raise InputError(f"{what} {column!r} holds {str(kind).lower()}, must hold numbers")
    return pl.col(column).cast(pl.Float64)


def _counts(frame: pl.LazyFrame, bad: pl.Expr, *more: pl.Expr) -> tuple[Any, ...]:
    asked = [bad.sum().alias("0"), *(each.alias(str(k)) for k, each in enumerate(more, 1))]
    return frame.select(asked).collect(engine="streaming").row(0)


def _refuse(column: str, wrong: int, rule: str) -> None:
    if wrong:
        raise InputError(f"{text.plural(wrong, 'value')} of {column!r} {rule}")
