r"""Wind over a crane's limit: gusts against the limit, the mean against a share of it.

Two exponential means over event time, one of `gust_s` and one of `mean_s`, of the lesser of two
neighbouring samples of `wind_speed_mps`, so that a lone spike is no wind:

.. math:: w_k = w_{k-1} + (1 - e^{-\Delta t / \tau}) (\min(x_k, x_{k-1}) - w_{k-1})

The mean starts as the plain mean of its samples and counts once it covers `mean_s`, so a first gust
is no mean wind. A crane that is not in use (no load, no command for `parked_s`) is weather-vaned or
anchored: there an excess is an advisory. Where neither load nor command is known it counts as used.

    gust     ____╱‾╲__╱‾ limit ‾‾‾╲____   suspected, in use
    mean     ________╱ 0.75 ‾╱ limit ‾╲_  advisory; confirmed, in use

It fails with an anemometer in the lee or frozen, and says nothing without `wind_limit_mps`.

Sources: work stop of a tower crane at 20 m/s (EN 14439, V2); vendors warn at 75 % of the limit
(V2); a gust is the mean of 3 s, as smooth as a time constant of 1.5 s
(meteorological usage, M). State 48 B a crane.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.crane_ratings import Ratings, observed, reported, since_s, whether
from detectors.current import Bools, Floats, Ints, Rows, grown
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S

GAP_MAX_S = 60.0
"""After a longer silence of the anemometer both means begin anew (ours)."""

_PAIR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CraneWindParameters:
    """Parameters of the wind rule; shares of the registered limit."""

    warn_share: float = 0.75
    gust_s: float = 1.5
    mean_s: float = 60.0
    loaded_ratio: float = 0.03
    parked_s: float = 120.0
    over_mean_share: float = 0.7
    over_gust_share: float = 0.9
    over_hold_s: float = 60.0


class CraneWind:
    """Wind at n cranes."""

    name = "crane_wind"
    kinds = (Kind.CRANE,)
    incident = IncidentKind.WIND_OVER_LIMIT
    channels = ("wind_speed_mps", "hook_load_t", "hoist_command")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: CraneWindParameters) -> None:
        self._p = parameters
        self._ratings = Ratings()
        self._limit_mps: Floats = np.empty(0)
        self.gust_mps: Floats = np.empty(0)
        self.mean_mps: Floats = np.empty(0)
        self.last_mps: Floats = np.empty(0)
        self.samples: Ints = np.empty(0, dtype=np.int64)
        self.began_ns: Ints = np.empty(0, dtype=np.int64)
        self.sample_ns: Ints = np.empty(0, dtype=np.int64)
        self.used_ns: Ints = np.empty(0, dtype=np.int64)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read limits and rated loads."""
        self._ratings.grow(fleet)
        self._limit_mps = fleet.rating(kind, "wind_limit_mps")
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), len(self._limit_mps), 0))

    def arrays(self) -> tuple[str, ...]:
        """Both means, and since when they run."""
        return ("gust_mps", "mean_mps", "last_mps", "samples", *self.times())

    def times(self) -> tuple[str, ...]:
        """First and last sample, last use."""
        return ("began_ns", "sample_ns", "used_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        self._average(rows)
        used = self._used(rows, context)
        limit, gust = self._limit_mps[device], self.gust_mps[device]
        covered = since_s(self.sample_ns[device], self.began_ns[device]) >= p.mean_s
        mean = np.where(covered, self.mean_mps[device], 0.0)
        gusty = gust > limit
        return Judgement(
            standing=levels(
                gusty | (mean > p.warn_share * limit), gusty & used, used & (mean > limit)
            ),
            hold_ns=np.zeros((m, 3), dtype=np.int64),
            over=(mean < p.over_mean_share * limit) & (gust < p.over_gust_share * limit),
            over_hold_ns=same(m, p.over_hold_s),
            known=whether(
                context.current.known[device], limit, column(context, device, "wind_speed_mps")
            )
            & (self.samples[device] >= _PAIR),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del context
        away_s = (event_ns - int(self.used_ns[device])) / NS_PER_S
        return (
            observed("gust_mps", self.gust_mps[device], "m/s"),
            observed("mean_wind_mps", self.mean_mps[device], "m/s"),
            observed("wind_limit_mps", self._limit_mps[device], "m/s"),
            Evidence(name="in_use", value=away_s < self._p.parked_s),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "wind_normal"

    def _average(self, rows: Rows) -> None:
        wind = reported(rows, "wind_speed_mps")
        fresh = ~np.isnan(wind) & (rows.event_ns > self.sample_ns[rows.device])
        device, wind, event_ns = rows.device[fresh], wind[fresh], rows.event_ns[fresh]
        apart_s = since_s(event_ns, self.sample_ns[device])
        anew = (self.samples[device] == 0) | (apart_s > GAP_MAX_S)
        count = np.where(anew, 1, self.samples[device] + 1)
        apart_s = np.minimum(apart_s, GAP_MAX_S)
        steady = np.where(anew, wind, np.minimum(wind, self.last_mps[device]))
        self.last_mps[device] = wind
        for name, span_s, least in (
            ("gust_mps", self._p.gust_s, 0.0),
            ("mean_mps", self._p.mean_s, 1.0 / count),
        ):
            array = getattr(self, name)
            share = np.maximum(1.0 - np.exp(-apart_s / span_s), least)
            # The first sample has no neighbour yet; the second decides for both.
            share = np.where(count <= _PAIR, 1.0, share)
            array[device] += share * (steady - array[device])
        self.samples[device] = count
        self.began_ns[device] = np.where(anew, event_ns, self.began_ns[device])
        self.sample_ns[device] = event_ns

    def _used(self, rows: Rows, context: Context) -> Bools:
        """Whether cranes are in use, or were within `parked_s`."""
        device, p = rows.device, self._p
        load = column(context, device, "hook_load_t")
        command = column(context, device, "hoist_command")
        unknown = np.isnan(load) & np.isnan(command)
        loaded = load > p.loaded_ratio * self._ratings.rated_t[device]
        using = loaded | (np.abs(command) == 1) | unknown
        self.used_ns[device] = np.where(using, rows.event_ns, self.used_ns[device])
        return np.asarray(since_s(rows.event_ns, self.used_ns[device]) < p.parked_s)
