r"""Flame sequence of a burner: purge, pilot, main flame, and lock-out when that fails.

    stage   off | purge 20 s | pilot 5 s | low | high | off        right
    stage   off | low                                              main flame without purge
    stage   off | purge | pilot | off | purge | pilot | off | ...  failed tries, then lock-out
    stage   high, flame off                                        fuel without flame

Advisories, while they stand and for `remember_s` after they happened:

- **no purge**: fuel (stages pilot, low, high) on from off or lock-out, or after a purge shorter
  than `purge_min_s`, seen by rows so close that no purge fits between them; claimed after
  `settle_s`, unless a purge that was overtaken on its way arrives by then;
- **failed tries**: `tries_max` ignitions in `tries_s` that reached no main flame; and a lock-out
  out of purge or pilot, or out of a main stage for no reason that a limiter had;
- **flame without fuel**: flame on for `ghost_hold_s` while the stage is off or lock-out;
- **fuel without flame**: low or high with flame off for `out_hold_s`, where the flame sensor has
  been seen to work in a main stage.

None is dispatched: a signal of stage or flame that is stuck looks like a burner that fails, and
what a failure leads to has detectors of its own.

It fails where the terminal does not report `burner_stage`, misses what happens between slow rows,
and cannot tell a burner that is meant to relight without purge. State: 100 B a boiler.

Reference: programmed ignition, post-purge 20-30 s, lock-out until reset (secondary, vendors).
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.boiler_samples import reported
from detectors.boiler_trace import flag, observed, quantity
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

_OFF, _PURGE, _PILOT, _LOW, _HIGH, _LOCK_OUT = range(6)
_PURGE_MAX_S = 300.0
"""A purge longer ago than this excuses no ignition (ours)."""

_TRIES = 8
"""Ignitions remembered a boiler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerFlameParameters:
    """Parameters of the flame sequence.

    Parameters
    ----------
    purge_min_s
        Shortest purge; rows further apart than half of it prove no missing one.
    tries_max, tries_s
        Ignitions (at most 8) in that time that reached no main flame.
    ghost_hold_s, out_hold_s
        Flame without fuel, and fuel without flame, must stand so long.
    low_level_mm
        A lock-out at or below this level is the limiter's.
    settle_s, remember_s
        An irregular ignition or lock-out is claimed from so long after it, and for so long.
    """

    purge_min_s: float = 10.0
    tries_max: float = 3.0
    tries_s: float = 900.0
    ghost_hold_s: float = 30.0
    out_hold_s: float = 10.0
    low_level_mm: float = -40.0
    settle_s: float = 30.0
    remember_s: float = 600.0


class BoilerFlame:
    """Flame sequences of n boilers.

    Attributes
    ----------
    stage
        float64[n], last known stage, NaN = none yet.
    stage_ns
        int64[n], since when it is the stage.
    row_ns, gap_ns, said_ns
        int64[n], the row before, the last one after a gap, and the last that reported a stage.
    sharp
        bool[n], no gap lay before the stage was reported.
    try_ns
        int64[n, 8], ignitions since the last main flame, newest last.
    irregular_ns
        int64[n], last irregular ignition or lock-out.
    sensed
        bool[n], the flame sensor has shown a flame in a main stage.
    """

    name = "boiler_flame"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.FLAME_SEQUENCE
    channels = ("burner_stage", "flame_on", "steam_pressure_mpa", "water_level_mm", "low_water")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerFlameParameters) -> None:
        self._p = parameters
        self.stage: Floats = np.empty(0)
        self.stage_ns: Ints = np.empty(0, dtype=np.int64)
        self.row_ns: Ints = np.empty(0, dtype=np.int64)
        self.try_ns: Ints = np.empty((0, _TRIES), dtype=np.int64)
        self.irregular_ns: Ints = np.empty(0, dtype=np.int64)
        self.gap_ns: Ints = np.empty(0, dtype=np.int64)
        self.said_ns: Ints = np.empty(0, dtype=np.int64)
        self.sharp: Bools = np.empty(0, dtype=np.bool_)
        self.sensed: Bools = np.empty(0, dtype=np.bool_)
        self._rated: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated pressures."""
        self._rated = fleet.rating(kind, "rated_pressure_mpa")
        n = len(self._rated)
        self.stage = grown(self.stage, n, np.nan)
        for name in self.times():
            setattr(self, name, grown(getattr(self, name), n, NEVER))
        self.sharp = grown(self.sharp, n, 0)
        self.sensed = grown(self.sensed, n, 0)

    def arrays(self) -> tuple[str, ...]:
        """The automaton."""
        return (*self.times(), "stage", "sharp", "sensed")

    def times(self) -> tuple[str, ...]:
        """Times of stages, rows, tries and irregularities."""
        return ("stage_ns", "row_ns", "gap_ns", "said_ns", "try_ns", "irregular_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        stage = column(context, device, "burner_stage")
        flame = column(context, device, "flame_on")
        main = (stage == _LOW) | (stage == _HIGH)
        known = context.current.known[device] & ~np.isnan(stage)
        self._advance(rows, np.where(known, stage, np.nan), context)
        self.sensed[device] |= known & main & (flame == 1)
        ghost = (flame == 1) & ((stage == _OFF) | (stage == _LOCK_OUT))
        out = (flame == 0) & main & self.sensed[device]
        recent = self._recent(device, rows.event_ns)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        stands_s = np.where(recent, 0.0, np.where(out, p.out_hold_s, p.ghost_hold_s))
        hold_ns[:, 0] = (stands_s * NS_PER_S).astype(np.int64)
        none = np.zeros(m, dtype=np.bool_)
        return Judgement(
            standing=levels(recent | ghost | out, none, none),
            hold_ns=hold_ns,
            over=~(recent | ghost | out),
            over_hold_ns=same(m, p.out_hold_s),
            known=known,
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        one = np.array([device], dtype=np.int32)
        tries = self._tries(one, np.array([event_ns]))[0]
        return (
            quantity("burner_stage", observed(context, device, "burner_stage")),
            flag("flame_on", observed(context, device, "flame_on")),
            quantity("ignitions_without_main_flame", float(tries)),
            Evidence(name="irregular_ignition", value=bool(self._recent_one(device, event_ns))),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "sequence_regular"

    def _advance(self, rows: Rows, stage: Floats, context: Context) -> None:
        """Follow the automaton; stages that are not known leave it where it was."""
        device, event_ns = rows.device, rows.event_ns
        before, since_ns = self.stage[device], self.stage_ns[device]
        close = self._close(rows)
        changes = ~np.isnan(stage) & (stage != before)
        moves = changes & ~np.isnan(before)
        fuel = (stage >= _PILOT) & (stage <= _HIGH)
        from_rest = (before == _OFF) | (before == _LOCK_OUT)
        short = (before == _PURGE) & self.sharp[device] & close
        short &= event_ns - since_ns < seconds(self._p.purge_min_s)
        irregular = moves & fuel & ((from_rest & close) | short)
        self._excuse(rows)
        irregular |= moves & (stage == _LOCK_OUT) & self._unexplained(rows, before, context)
        self.irregular_ns[device[irregular]] = event_ns[irregular]
        tries = device[moves & (stage == _PILOT)]
        self.try_ns[tries, :-1] = self.try_ns[tries, 1:]
        self.try_ns[tries, -1] = event_ns[moves & (stage == _PILOT)]
        self.try_ns[device[(stage == _LOW) | (stage == _HIGH)]] = NEVER
        self.stage[device] = np.where(changes, stage, before)
        self.stage_ns[device] = np.where(changes, event_ns, since_ns)
        self.sharp[device] = np.where(changes, close, self.sharp[device])
        self.row_ns[device] = np.maximum(self.row_ns[device], event_ns)

    def _close(self, rows: Rows) -> Bools:
        """Whether no row is missing since the stage was last reported that could hide a purge."""
        device, event_ns = rows.device, rows.event_ns
        gap = event_ns - self.row_ns[device] > seconds(self._p.purge_min_s / 2)
        self.gap_ns[device[gap]] = event_ns[gap]
        close = ~gap & (self.said_ns[device] >= self.gap_ns[device])
        said = ~np.isnan(reported(rows, "burner_stage"))
        self.said_ns[device[said]] = event_ns[said]
        return np.asarray(close)

    def _excuse(self, rows: Rows) -> None:
        """Forget an ignition without purge when the purge arrives after it."""
        device = rows.device
        ago_ns = self.irregular_ns[device] - rows.event_ns
        purge = (reported(rows, "burner_stage") == _PURGE) & (ago_ns > 0)
        self.irregular_ns[device[purge & (ago_ns <= seconds(_PURGE_MAX_S))]] = NEVER

    def _unexplained(self, rows: Rows, before: Floats, context: Context) -> Bools:
        """Whether a lock-out follows a failed ignition, or no limiter had a reason for it."""
        device = rows.device
        pressure = column(context, device, "steam_pressure_mpa")
        level = column(context, device, "water_level_mm")
        dry = column(context, device, "low_water") == 1
        below = pressure < self._rated[device]
        no_reason = below & (level > self._p.low_level_mm) & ~dry
        return np.asarray((before == _PURGE) | (before == _PILOT) | no_reason)

    def _tries(self, device: Devices, event_ns: Ints) -> Ints:
        """Ignitions without main flame within `tries_s`."""
        times = self.try_ns[device]
        recent = (times != NEVER) & (event_ns[:, None] - times <= seconds(self._p.tries_s))
        return np.asarray(recent.sum(axis=1))

    def _recent(self, device: Devices, event_ns: Ints) -> Bools:
        """Whether something irregular happened a short while ago."""
        irregular_ns = self.irregular_ns[device]
        age_ns = event_ns - irregular_ns
        settled = age_ns >= seconds(self._p.settle_s)
        irregular = (irregular_ns != NEVER) & settled & (age_ns <= seconds(self._p.remember_s))
        return np.asarray(irregular | (self._tries(device, event_ns) >= self._p.tries_max))

    def _recent_one(self, device: int, event_ns: int) -> bool:
        return bool(self._recent(np.array([device], dtype=np.int32), np.array([event_ns]))[0])
