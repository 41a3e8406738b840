r"""Limits of a CUSUM from a budget of false alarms: no simulation, no tuning.

For independent standard normal input and allowance k, a one-sided CUSUM with limit h runs

.. math:: L(h, k) \approx \frac{e^{2kb} - 2kb - 1}{2k^2}, \qquad b = h + 1.166

samples between false alarms (Siegmund 1985, *Sequential Analysis*, eq. 2.55 and the corrected
boundary). Two sides halve it. It fails when the input is not whitened: lag-1 correlation 0.6 needs
nearly twice the limit.
"""

import numpy as np

from detectors.statistics.lanes import Floats

OVERSHOOT = 1.166
"""Siegmund's continuity correction, twice 0.583."""
_NEWTON_STEPS = 40


def run_length(h: Floats, k: float) -> Floats:
    """Samples between false alarms of a one-sided CUSUM.

    >>> round(float(run_length(np.array([25.6]), 0.25)[0]) / 86_400 / 2)  # days, two-sided
    30
    """
    b = 2 * k * (h + OVERSHOOT)
    length: Floats = (np.expm1(b) - b) / (2 * k * k)
    return length


def limit(samples: Floats, k: float) -> Floats:
    """Limit of a two-sided CUSUM with one false alarm in so many samples.

    >>> round(float(limit(np.array([30 * 86_400.0]), 0.25)[0]), 1)
    25.6
    """
    wanted = np.maximum(2 * samples, 1.0) * 2 * k * k
    b = np.log1p(wanted)
    for _ in range(_NEWTON_STEPS):
        b = np.log1p(wanted + b)
    return np.maximum(b / (2 * k) - OVERSHOOT, 0.0)
