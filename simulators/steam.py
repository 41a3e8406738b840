r"""Water and steam at saturation, and the two-state boiler model.

The model is the first two states of Astrom and Bell, Automatica 36 (2000) 363-378: total water
volume :math:`V_w` and pressure :math:`p`, all of drum, water and metal at saturation.

.. math::

    e_{11} \dot V_w + e_{12} \dot p &= q_f - q_s \\
    e_{21} \dot V_w + e_{22} \dot p &= Q + q_f h_f - q_s h_s

Properties are polynomials of degree 4 in :math:`\ln p`, fitted to points of IAPWS-IF97 between 0.2
and 2.6 MPa absolute (industrial.md 1.4); outside they are held at the border.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ATMOSPHERE_MPA = 0.101325
"""Absolute pressure of gauge zero."""

METAL_KJ_PER_KG_K = 0.55
"""Specific heat of boiler steel."""

PRESSURE_MIN_MPA = 0.15
PRESSURE_MAX_MPA = 2.6
"""Borders of the fit, absolute."""

_DEGREE = 4
_POINTS = np.array(
    [  # p MPa, T degC, rho_w, rho_s kg/m3, h_w, h_s kJ/kg
        (0.2, 120.21, 942.94, 1.129, 504.7, 2706.2),
        (0.3, 133.53, 931.81, 1.651, 561.5, 2724.9),
        (0.5, 151.84, 915.28, 2.668, 640.2, 2748.1),
        (0.8, 170.41, 897.03, 4.161, 721.0, 2768.3),
        (0.9, 175.36, 891.91, 4.654, 742.7, 2773.0),
        (1.1, 184.07, 882.62, 5.636, 781.2, 2780.7),
        (1.35, 193.35, 872.31, 6.859, 822.6, 2787.7),
        (1.7, 204.31, 859.58, 8.571, 871.9, 2794.5),
        (2.6, 226.05, 832.37, 13.004, 971.7, 2802.5),
    ]
)
_FITS = np.polyfit(np.log(_POINTS[:, 0]), _POINTS[:, 1:], _DEGREE)
_SLOPES = np.array([np.polyder(fit) for fit in _FITS.T]).T


@dataclass(frozen=True, slots=True)
class Saturation:
    """Properties at saturation and their derivatives by pressure (``d_`` per MPa)."""

    temperature_c: Array
    rho_w: Array
    rho_s: Array
    h_w: Array
    h_s: Array
    d_temperature: Array
    d_rho_w: Array
    d_rho_s: Array
    d_h_w: Array
    d_h_s: Array


def saturation(pressure_mpa: Array) -> Saturation:
    """Properties at absolute pressures: densities in kg/m3, enthalpies in kJ/kg."""
    p = np.clip(np.asarray(pressure_mpa, dtype=np.float64), PRESSURE_MIN_MPA, PRESSURE_MAX_MPA)
    x = np.log(p)
    values = _polynomials(_FITS, x)
    slopes = _polynomials(_SLOPES, x) / p
    return Saturation(*values, *slopes)


def saturation_temperature_c(pressure_mpa: Array) -> Array:
    """Boiling temperature at an absolute pressure."""
    p = np.clip(pressure_mpa, PRESSURE_MIN_MPA, PRESSURE_MAX_MPA)
    return np.asarray(_polynomials(_FITS[:, :1], np.log(p))[0])


def _polynomials(coefficients: Array, x: Array) -> Array:
    """Value of each column's polynomial at each x, float64[columns, n], by Horner's rule."""
    value = np.broadcast_to(coefficients[0][:, None], (coefficients.shape[1], x.size)).copy()
    for row in coefficients[1:]:
        value *= x
        value += row[:, None]
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerSize:
    """A small boiler: assumed geometry of industrial.md 1.4.

    Parameters
    ----------
    water_m3, steam_m3, metal_kg
        Contents at the normal level.
    surface_m2
        Area of the water surface, which turns volume into level.
    rated_mpa
        Rated working pressure, gauge.
    heat_kw
        Heat that the rated evaporation takes from 60 degC feed-water.
    """

    evaporation_tph: float
    water_m3: float
    steam_m3: float
    metal_kg: float
    surface_m2: float
    rated_mpa: float
    heat_kw: float


SIZES = (
    BoilerSize(
        evaporation_tph=0.5,
        water_m3=0.6,
        steam_m3=0.3,
        metal_kg=1_500,
        surface_m2=0.9,
        rated_mpa=0.7,
        heat_kw=350,
    ),
    BoilerSize(
        evaporation_tph=2.0,
        water_m3=3.0,
        steam_m3=1.2,
        metal_kg=5_000,
        surface_m2=2.8,
        rated_mpa=0.8,
        heat_kw=1_402,
    ),
    BoilerSize(
        evaporation_tph=4.0,
        water_m3=6.0,
        steam_m3=2.0,
        metal_kg=9_000,
        surface_m2=4.5,
        rated_mpa=1.0,
        heat_kw=2_807,
    ),
    BoilerSize(
        evaporation_tph=10.0,
        water_m3=13.0,
        steam_m3=4.0,
        metal_kg=20_000,
        surface_m2=8.0,
        rated_mpa=1.25,
        heat_kw=7_051,
    ),
)
"""The four sizes whose responses industrial.md 1.4 tabulates."""


def rates(
    *,
    pressure_mpa: Array,
    water_m3: Array,
    total_m3: Array,
    metal_kg: Array,
    heat_kw: Array,
    feed_kgps: Array,
    feed_kj_per_kg: Array,
    steam_kgps: Array,
    drain_kgps: Array,
) -> tuple[Array, Array]:
    """Change of pressure [MPa/s] and water volume [m3/s].

    Parameters
    ----------
    pressure_mpa
        Absolute. All arguments are float64[n].
    drain_kgps
        Water leaving at saturation (blow-down).
    """
    s = saturation(pressure_mpa)
    steam_m3 = total_m3 - water_m3
    e11 = s.rho_w - s.rho_s
    e12 = steam_m3 * s.d_rho_s + water_m3 * s.d_rho_w
    e21 = s.rho_w * s.h_w - s.rho_s * s.h_s
    # 1 MPa x 1 m3 = 1000 kJ: the pressure term of the energy balance in the units used here.
    e22 = (
        steam_m3 * (s.h_s * s.d_rho_s + s.rho_s * s.d_h_s)
        + water_m3 * (s.h_w * s.d_rho_w + s.rho_w * s.d_h_w)
        - 1000.0 * total_m3
        + metal_kg * METAL_KJ_PER_KG_K * s.d_temperature
    )
    mass = feed_kgps - steam_kgps - drain_kgps
    energy = heat_kw + feed_kgps * feed_kj_per_kg - steam_kgps * s.h_s - drain_kgps * s.h_w
    determinant = e11 * e22 - e12 * e21
    pressure_rate = (e11 * energy - e21 * mass) / determinant
    water_rate = (e22 * mass - e12 * energy) / determinant
    return pressure_rate, water_rate
