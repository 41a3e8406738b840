"""Saturation fits against published steam tables, and against each other."""

import numpy as np
import pytest

from detectors.steam import (
    ATMOSPHERE_MPA,
    ERROR_MAX_K,
    ERROR_MAX_SHARE,
    saturation_c,
    saturation_mpa,
)

TABLE = np.array(
    [  # MPa absolute, degC: IAPWS-IF97, points that the fit has not seen
        (0.1, 99.61),
        (0.15, 111.35),
        (0.4, 143.61),
        (0.6, 158.83),
        (1.0, 179.88),
        (1.5, 198.30),
        (2.0, 212.38),
        (3.0, 233.86),
        (4.0, 250.36),
    ]
)


def test_the_fits_keep_the_errors_that_they_state() -> None:
    absolute, boils = TABLE.T
    gauge = absolute - ATMOSPHERE_MPA
    found_c = saturation_c(gauge + 1e-12)
    assert np.abs(found_c[:-1] - boils[:-1]).max() < ERROR_MAX_K
    found_mpa = saturation_mpa(boils[1:-1]) + ATMOSPHERE_MPA
    assert np.abs(found_mpa / absolute[1:-1] - 1).max() < ERROR_MAX_SHARE


def test_the_fits_invert_each_other_and_rise() -> None:
    gauge = np.linspace(0.0, 3.85, 200)
    boils = saturation_c(gauge)
    assert (np.diff(boils) > 0).all()
    assert saturation_mpa(boils) == pytest.approx(gauge, abs=0.01)


@pytest.mark.parametrize("gauge_mpa", [-0.11, -0.02, 4.5, float("nan")])
def test_nothing_is_said_outside_the_borders(gauge_mpa: float) -> None:
    assert np.isnan(saturation_c(np.array([gauge_mpa]))).all()


@pytest.mark.parametrize("temperature_c", [-273.15, -50.0, 90.0, 800.0, float("nan")])
def test_nothing_is_said_of_temperatures_outside_the_borders(temperature_c: float) -> None:
    assert np.isnan(saturation_mpa(np.array([temperature_c]))).all()
