r"""Saturation of steam: boiling temperature and pressure of each other.

.. math::

    1 / T = a_0 x^2 + a_1 x + a_2, \qquad x = b_0 T^{-2} + b_1 T^{-1} + b_2, \qquad x = \ln p

with :math:`T` in K and :math:`p` in MPa absolute, each fitted by least squares to nine points of
IAPWS-IF97 between 0.2 and 2.6 MPa (industrial.md 1.4). Against published steam tables the
temperature is right within `ERROR_MAX_K` and the pressure within `ERROR_MAX_SHARE`, from
`PRESSURE_MIN_MPA` to `PRESSURE_MAX_MPA`; outside, both functions give NaN.
"""

import numpy as np

from detectors.current import Floats

ATMOSPHERE_MPA = 0.101325
"""Absolute pressure of gauge zero."""

PRESSURE_MIN_MPA = 0.1
PRESSURE_MAX_MPA = 4.0
"""Borders of both functions, absolute."""

ERROR_MAX_K = 0.12
"""Largest error of `saturation_c` within the borders."""

ERROR_MAX_SHARE = 0.003
"""Largest error of `saturation_mpa` within the borders, as a share of the pressure."""

_ZERO_C_K = 273.15
_POINTS = np.array(
    [  # p MPa absolute, T degC
        (0.2, 120.21),
        (0.3, 133.53),
        (0.5, 151.84),
        (0.8, 170.41),
        (0.9, 175.36),
        (1.1, 184.07),
        (1.35, 193.35),
        (1.7, 204.31),
        (2.6, 226.05),
    ]
)
_LOG_MPA = np.log(_POINTS[:, 0])
_PER_K = 1.0 / (_POINTS[:, 1] + _ZERO_C_K)
_TEMPERATURE_FIT = np.polyfit(_LOG_MPA, _PER_K, 2)
_PRESSURE_FIT = np.polyfit(_PER_K, _LOG_MPA, 2)


def saturation_c(gauge_mpa: Floats) -> Floats:
    """Boiling temperature [degC] at gauge pressures, NaN outside the borders.

    Examples
    --------
    >>> import numpy as np
    >>> saturation_c(np.array([0.8 - ATMOSPHERE_MPA])).round(1).tolist()
    [170.4]
    """
    absolute = np.asarray(gauge_mpa, dtype=np.float64) + ATMOSPHERE_MPA
    inside = (absolute >= PRESSURE_MIN_MPA) & (absolute <= PRESSURE_MAX_MPA)
    x = np.log(np.where(inside, absolute, 1.0))
    return np.where(inside, 1.0 / np.polyval(_TEMPERATURE_FIT, x) - _ZERO_C_K, np.nan)


def saturation_mpa(temperature_c: Floats) -> Floats:
    """Gauge pressure at which water boils at temperatures [degC], NaN outside the borders.

    Examples
    --------
    >>> import numpy as np
    >>> saturation_mpa(np.array([170.41])).round(3).tolist()
    [0.699]
    """
    kelvin = np.asarray(temperature_c, dtype=np.float64) + _ZERO_C_K
    sensible = kelvin > 1.0
    x = np.polyval(_PRESSURE_FIT, 1.0 / np.where(sensible, kelvin, 1.0))
    absolute = np.exp(np.minimum(x, np.log(2 * PRESSURE_MAX_MPA)))
    inside = sensible & (absolute >= PRESSURE_MIN_MPA) & (absolute <= PRESSURE_MAX_MPA)
    return np.where(inside, absolute - ATMOSPHERE_MPA, np.nan)
