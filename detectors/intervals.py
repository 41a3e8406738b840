"""Confidence intervals of rates of rare events. Pure."""

import math

CONFIDENCE = 0.95


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact confidence interval of the mean of a Poisson count (Garwood 1936).

    Its bounds are quantiles of gamma distributions, that is half of those of chi-square with
    ``2 count`` and ``2 count + 2`` degrees of freedom. It assumes that events are independent.

    >>> tuple(round(bound, 3) for bound in poisson_interval(10))
    (4.795, 18.39)
    """
    tail = (1.0 - confidence) / 2.0
    low = gamma_quantile(count, tail) if count else 0.0
    return low, gamma_quantile(count + 1, 1.0 - tail)


def weighted_interval(
    total: float, squares: float, most: float = 1.0, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Confidence interval of a weighted sum of Poisson counts (Fay and Feuer 1997).

    Parameters
    ----------
    total, squares
        Sum of the weights of the events, and of their squares.
    most
        Greatest weight that an event can have.

    Notes
    -----
    The gamma interval with matched mean and variance; with all weights 1 it is
    `poisson_interval`. It never falls below the nominal coverage in their simulations.
    """
    tail = (1.0 - confidence) / 2.0
    low = squares / total * gamma_quantile(total**2 / squares, tail) if total > 0 else 0.0
    high, variance = total + most, squares + most**2
    return low, variance / high * gamma_quantile(high**2 / variance, 1.0 - tail)


def gamma_quantile(shape: float, share: float) -> float:
    """Quantile of the gamma distribution with scale 1, by bisection to 1e-10 relative.

    Parameters
    ----------
    shape
        Above 0.
    share
        Above 0 and below 1.
    """
    low, high = 0.0, shape + 10.0
    while gamma_share(shape, high) < share:
        high *= 2.0
    while high - low > 1e-10 * high:
        middle = (low + high) / 2.0
        if gamma_share(shape, middle) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def gamma_share(shape: float, x: float) -> float:
    """Share of the gamma distribution with scale 1 below ``x`` (regularised incomplete gamma).

    By its power series below ``shape + 1`` and by Lentz's continued fraction above (Abramowitz and
    Stegun 6.5.29 and 6.5.31).
    """
    if x <= 0.0:
        return 0.0
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1.0:
        return front * _series(shape, x)
    return 1.0 - front * _fraction(shape, x)


_PRECISION = 1e-15
_TINY = 1e-300
_TERMS_MAX = 1_000_000


def _series(shape: float, x: float) -> float:
    term = total = 1.0 / shape
    for n in range(1, _TERMS_MAX):
        term *= x / (shape + n)
        total += term
        if term < total * _PRECISION:
            break
    return total


def _fraction(shape: float, x: float) -> float:
    b = x + 1.0 - shape
    c, d = 1.0 / _TINY, 1.0 / b
    value = d
    for n in range(1, _TERMS_MAX):
        a = -n * (n - shape)
        b += 2.0
        d = 1.0 / (a * d + b or _TINY)
        c = b + a / c or _TINY
        value *= c * d
        if abs(c * d - 1.0) < _PRECISION:
            break
    return value
