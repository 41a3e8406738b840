r"""Boiler feed pump failure: the level needs water and gets none.

Three signatures, each an advisory; low water itself is the business of `boiler_low_water`:

- **no flow**: level `margin_mm` below the start level, pump on, feed flow next to nothing by a
  sample since the pump started, for `flow_hold_s`;
- **does not start**: level so low, pump known to be off, for `start_hold_s`;
- **no effect**: level so low for `effect_hold_s` while it has not risen `rise_mm` above the lowest
  level of that time, pump not known to be off.

        level   -40 mm ____\_______                 pump  ██████████████████████
                            \_______ -46 mm         flow  0.0 t/h
        s                    0        120 no effect       0      30 no flow

Times are judged at the samples, and begin anew when the level was unknown. It ends when the level
has been above the start level for `over_hold_s`. Shrink by a swing of the load lowers a level by
some 10 mm for a minute, but lets it rise again. It fails where the pump starts below -40 mm (a
setting), and with a level that is stuck. It says nothing of a full boiler whose control valve is
shut. State: 24 B a boiler.

Reference: shop settings of a 1.25 MPa boiler, pump start at -40 mm (secondary); low water
signature of industrial.md 1.5.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.boiler_trace import flag, observed, quantity
from detectors.current import NEVER, Bools, Floats, Ints, Rows, grown
from detectors.stages import FAR
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerFeedParameters:
    """Parameters of the feed pump rule.

    Parameters
    ----------
    start_level_mm, margin_mm
        Level at which the pump starts, and how far below it a level asks for water.
    flow_share, flow_min_tph
        Feed flow over rated evaporation that counts as none; without a rating, in t/h.
    flow_hold_s, start_hold_s, effect_hold_s
        How long each signature must stand.
    rise_mm
        Rise above the lowest level that shows that water comes in.
    over_hold_s
        A level above the start level must stand so long.
    """

    start_level_mm: float = -40.0
    margin_mm: float = 5.0
    flow_share: float = 0.05
    flow_min_tph: float = 0.05
    flow_hold_s: float = 30.0
    start_hold_s: float = 60.0
    effect_hold_s: float = 120.0
    rise_mm: float = 3.0
    over_hold_s: float = 10.0


class BoilerFeed:
    """Feed pump failures of n boilers.

    Attributes
    ----------
    lowest_mm
        float64[n], lowest level since it asked for water, NaN while it does not.
    dry_ns
        int64[n], since when it has asked for water and not risen, `NEVER` while it does not.
    empty_ns
        int64[n], since when the pump has run without flow.
    """

    name = "boiler_feed"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.FEED_PUMP_FAILURE
    channels = ("water_level_mm", "feed_pump_on", "feed_water_flow_tph")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerFeedParameters) -> None:
        self._p = parameters
        self.lowest_mm: Floats = np.empty(0)
        self.dry_ns: Ints = np.empty(0, dtype=np.int64)
        self.empty_ns: Ints = np.empty(0, dtype=np.int64)
        self._none_tph: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated evaporations."""
        none = fleet.rating(kind, "rated_evaporation_tph") * self._p.flow_share
        self._none_tph = np.where(np.isnan(none), self._p.flow_min_tph, none)
        self.lowest_mm = grown(self.lowest_mm, len(none), np.nan)
        self.dry_ns = grown(self.dry_ns, len(none), NEVER)
        self.empty_ns = grown(self.empty_ns, len(none), NEVER)

    def arrays(self) -> tuple[str, ...]:
        """Lowest level and times."""
        return ("lowest_mm", *self.times())

    def times(self) -> tuple[str, ...]:
        """Since when water is asked for, and since when the pump runs empty."""
        return ("dry_ns", "empty_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        level = column(context, device, "water_level_mm")
        pump = column(context, device, "feed_pump_on")
        known = context.current.known[device] & ~np.isnan(level)
        asks = known & (level <= p.start_level_mm - p.margin_mm)
        self._follow(rows, asks, level)
        self._run_empty(rows, asks & (pump == 1), context)
        effect_s = np.where(pump == 0, p.start_hold_s, p.effect_hold_s)
        dry, dry_ns = _stood(self.dry_ns[device], rows.event_ns, effect_s)
        empty, empty_ns = _stood(self.empty_ns[device], rows.event_ns, p.flow_hold_s)
        none = np.zeros(m, dtype=np.bool_)
        return Judgement(
            standing=levels(dry | empty, none, none),
            hold_ns=np.zeros((m, 3), dtype=np.int64),
            over=level > p.start_level_mm,
            over_hold_ns=same(m, p.over_hold_s),
            known=known,
            onset_ns=np.where(dry | empty, np.minimum(dry_ns, empty_ns), rows.event_ns),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        flow = observed(context, device, "feed_water_flow_tph")
        return (
            quantity("water_level_mm", observed(context, device, "water_level_mm"), "mm"),
            quantity("lowest_level_mm", self.lowest_mm[device], "mm"),
            flag("feed_pump_on", observed(context, device, "feed_pump_on")),
            quantity("feed_water_flow_tph", flow, "t/h"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "water_level_normal"

    def _follow(self, rows: Rows, asks: Bools, level: Floats) -> None:
        """Keep the lowest level while water is asked for; a rise begins the wait anew."""
        device = rows.device
        lowest, since_ns = self.lowest_mm[device], self.dry_ns[device]
        begins = asks & ~(level < lowest + self._p.rise_mm)
        lowest = np.where(begins, level, np.fmin(lowest, level))
        self.lowest_mm[device] = np.where(asks, lowest, np.nan)
        self.dry_ns[device] = np.where(asks, np.where(begins, rows.event_ns, since_ns), NEVER)

    def _run_empty(self, rows: Rows, runs: Bools, context: Context) -> None:
        """Keep since when the pump runs without flow."""
        device = rows.device
        flow = column(context, device, "feed_water_flow_tph")
        current, columns = context.current, COLUMNS[Kind.BOILER]
        flow_ns = current.reported_ns[device, columns["feed_water_flow_tph"]]
        sampled = flow_ns > current.changed_ns[device, columns["feed_pump_on"]]
        empty = runs & sampled & (flow <= self._none_tph[device])
        since_ns = self.empty_ns[device]
        begun_ns = np.where(since_ns == NEVER, rows.event_ns, since_ns)
        self.empty_ns[device] = np.where(empty, begun_ns, NEVER)


def _stood(since_ns: Ints, event_ns: Ints, hold_s: Floats | float) -> tuple[Bools, Ints]:
    """Whether something has stood for its hold, and since when (`FAR` where it has not)."""
    long = event_ns - since_ns >= np.asarray(hold_s) * NS_PER_S
    stood = (since_ns != NEVER) & long
    return stood, np.where(stood, since_ns, FAR)
