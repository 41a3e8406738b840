"""Units of SenML (RFC 8428 section 12.1, RFC 8798) to those of the channel catalogue."""

import math
from collections.abc import Mapping

Conversion = tuple[float, float, float]
"""Factor, divisor and offset: value · factor / divisor + offset. Two whole numbers round once."""

_SAME: Conversion = (1, 1, 0)

CONVERSIONS: Mapping[tuple[str, str], Conversion] = {
    ("Cel", "°C"): _SAME,
    ("degC", "°C"): _SAME,
    ("K", "°C"): (1, 1, -273.15),
    ("Pa", "MPa"): (1, 1_000_000, 0),
    ("hPa", "MPa"): (1, 10_000, 0),
    ("kPa", "MPa"): (1, 1_000, 0),
    ("bar", "MPa"): (1, 10, 0),
    ("m", "mm"): (1_000, 1, 0),
    ("cm", "mm"): (10, 1, 0),
    ("mm", "m"): (1, 1_000, 0),
    ("cm", "m"): (1, 100, 0),
    ("km", "m"): (1_000, 1, 0),
    ("km/h", "m/s"): (10, 36, 0),
    ("m/s", "km/h"): (36, 10, 0),
    ("m/s2", "g"): (1, 9.80665, 0),
    ("kg", "t"): (1, 1_000, 0),
    ("t", "kg"): (1_000, 1, 0),
    ("g", "kg"): (1, 1_000, 0),
    ("kg/s", "t/h"): (36, 10, 0),
    ("kg/h", "t/h"): (1, 1_000, 0),
    ("deg", "°"): _SAME,
    ("rad", "°"): (180, math.pi, 0),
    ("ms", "h"): (1, 3_600_000, 0),
    ("s", "h"): (1, 3_600, 0),
    ("min", "h"): (1, 60, 0),
    ("count", "1"): _SAME,
    ("/", ""): _SAME,
}
"""By stated unit and the channel's own. Pressures keep their reference: gauge stays gauge."""


def convert(value: float, unit: str, own: str) -> float | None:
    """Value in the channel's own unit; ``None`` when that cannot be said.

    >>> convert(850, "kPa", "MPa")
    0.85
    >>> convert(1, "kg", "MPa") is None
    True
    """
    if unit == own:
        return value
    conversion = CONVERSIONS.get((unit, own))
    if conversion is None:
        return None
    factor, divisor, offset = conversion
    return value * factor / divisor + offset
