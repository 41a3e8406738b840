"""What cranes may lift, as arrays, and the rings of last samples that crane rules look back on."""

import numpy as np

from detectors.base import Context, column
from detectors.current import Bools, Devices, Floats, Ints, Rows
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.instants import NS_PER_S


class Ratings:
    """Capacity of n cranes by load chart, or by rated load where there is none.

    Attributes
    ----------
    rated_t
        float64[n], rated load, else the chart's largest capacity; NaN where both are unknown.
    """

    def __init__(self) -> None:
        self.rated_t: Floats = np.empty(0)
        self._points: Ints = np.empty(0, dtype=np.int64)
        self._radius_m: Floats = np.empty((0, 1))
        self._capacity_t: Floats = np.empty((0, 1))

    def grow(self, fleet: Fleet) -> None:
        """Read rated loads and load charts."""
        charts = [equipment.load_chart for equipment in fleet.members(Kind.CRANE)]
        self._points = np.array([len(chart) for chart in charts], dtype=np.int64)
        width = max(1, int(self._points.max(initial=0)))
        self._radius_m = np.full((len(charts), width), np.inf)
        self._capacity_t = np.full((len(charts), width), np.nan)
        for slot, chart in enumerate(charts):
            if chart:
                radius_m, capacity_t = np.array(chart, dtype=np.float64).T
                self._radius_m[slot, : len(chart)] = radius_m
                self._capacity_t[slot, : len(chart)] = capacity_t
        rated_t = fleet.rating(Kind.CRANE, "rated_load_t")
        largest_t = np.fmax.reduce(self._capacity_t, axis=1, initial=np.nan)
        self.rated_t = np.where(np.isnan(rated_t), largest_t, rated_t)

    def capacity_t(self, device: Devices, radius_m: Floats) -> Floats:
        """Capacity [t] of m cranes at their radius: linear between points of the chart.

        Beyond the chart the nearest capacity counts; without chart or radius the rated load.
        """
        capacity_t: Floats = self.rated_t[device]
        charted = np.flatnonzero((self._points[device] > 0) & ~np.isnan(radius_m))
        capacity_t[charted] = self._charted_t(device[charted], radius_m[charted])
        return capacity_t

    def _charted_t(self, device: Devices, radius_m: Floats) -> Floats:
        points, radii = self._points[device], self._radius_m[device]
        right = (radii <= radius_m[:, None]).sum(axis=1)
        near, far = np.clip(right - 1, 0, points - 1), np.clip(right, 0, points - 1)
        row = np.arange(len(device))
        start_m, most_t = radii[row, near], self._capacity_t[device, near]
        least_t = self._capacity_t[device, far]
        with np.errstate(invalid="ignore", divide="ignore"):
            span_m = radii[row, far] - start_m
            between_t = most_t + (least_t - most_t) * (radius_m - start_m) / span_m
        capacity_t: Floats = np.where(near == far, most_t, between_t)
        return capacity_t


def reported(rows: Rows, name: str) -> Floats:
    """What rows themselves report of a crane's channel, NaN where they do not."""
    values: Floats = rows.reported[:, COLUMNS[Kind.CRANE][name]]
    return values


def push(ring: Floats | Ints, device: Devices, newest: Floats | Ints) -> None:
    """Append to the rings of different devices; the oldest entry of each falls out."""
    ring[device, :-1] = ring[device, 1:]
    ring[device, -1] = newest


def settled(ring: Floats) -> Floats:
    """Median of rings of three samples, which no single spike moves; the last of fewer."""
    middle = median(ring)
    return np.where(np.isnan(middle), ring[:, -1], middle)


def median(ring: Floats) -> Floats:
    """Median of rings of three samples, NaN where there are fewer; faster than sorting."""
    first, second, third = ring[:, 0], ring[:, 1], ring[:, 2]
    low, high = np.minimum(first, second), np.maximum(first, second)
    middle: Floats = np.maximum(low, np.minimum(high, third))
    return middle


def whether(condition: Bools, *needed: Floats) -> Bools:
    """The condition where everything that it needs is known."""
    unknown = np.zeros(len(condition), dtype=np.bool_)
    for values in needed:
        unknown |= np.isnan(values)
    return condition & ~unknown


def since_s(event_ns: Ints, earlier_ns: Ints) -> Floats:
    """Seconds from one instant to another."""
    return np.asarray((event_ns - earlier_ns) / NS_PER_S)


def observed(name: str, value: float, unit: str = "") -> Evidence:
    """One number as evidence; NaN is unknown."""
    return Evidence(name=name, value=None if np.isnan(value) else float(value), unit=unit)


def present(context: Context, device: int, *names: tuple[str, str]) -> tuple[Evidence, ...]:
    """Current values of channels of one device, each given with its unit, as evidence."""
    one = np.array([device], dtype=np.int32)
    return tuple(observed(name, column(context, one, name)[0], unit) for name, unit in names)
