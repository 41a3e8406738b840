r"""Boiler tube leak: more water goes in than steam comes out.

Feed and steam flow are integrated over blocks of at least `block_s` that end when the feed pump
stops (the same level each time, so that the water stored does not matter), or after 8 times that.
The loss of block :math:`i` as a share of the rated evaporation is

.. math::

    r_i = \frac{\int (q_f - q_s) \, dt}{q_{rated} \, t_i}, \qquad
    S_i = \max(0, S_{i-1} + (r_i - b - k) \, t_i)

a one-sided CUSUM (Page 1954) in rated hours, held at :math:`2 h`. :math:`b` is the usual loss, that
is blow-down and the bias of the meters, learned over `usual_h` from blocks that are not far off;
nothing is judged in the first `warm_up_blocks`. An advisory when :math:`S_i > h`; it ends when
:math:`S` is 0 again.

    h      1    2    3    4    5    6
    loss   2 %  2 %  1 %  8 %  9 %  7 %
    S      0    0    0    0.04 0.09 0.12 > 0.1

A loss of 5 % of the rated evaporation beyond the usual takes some 3 h. Left out: time in which a
flow is unknown or not sampled for `gap_max_s`, blocks of which that is more than half, and blocks
in which a meter did not move at all although it showed flow. It says nothing without steam flow,
feed flow or rated evaporation. It fails for a leak that was there from the first hours on, grows
over months, or is smaller than the meters are steady. State: 100 B a boiler.

Reference: mass balance CUSUM over hours (industrial.md 1.5, derived); Page, Biometrika 41 (1954).
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.boiler_trace import observed, quantity
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

_S_PER_H = 3_600.0
_NOT_YET = -1.0
"""Blocks of a boiler whose first block is still open."""

_LONGEST = 8.0
"""A block ends after so many times the shortest, where the pump does not stop (ours)."""

_FAR_OFF = 3.0
"""Blocks further from the usual than so many times the slack teach nothing (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerBalanceParameters:
    """Parameters of the mass balance.

    Parameters
    ----------
    block_s, gap_max_s
        Shortest block, and the longest time between rows that is integrated.
    slack_share
        :math:`k`, loss over the usual that is not counted, as a share of the rated evaporation.
    limit_h
        :math:`h`, in hours of rated evaporation.
    usual_h, warm_up_blocks
        Time constant of the usual loss, and the blocks that only teach it.
    over_hold_s
        A CUSUM of 0 must stand so long.
    """

    block_s: float = 900.0
    gap_max_s: float = 120.0
    slack_share: float = 0.02
    limit_h: float = 0.1
    usual_h: float = 120.0
    warm_up_blocks: float = 24.0
    over_hold_s: float = 60.0


class BoilerBalance:
    """Mass balances of n boilers.

    Attributes
    ----------
    feed_t, steam_t, counted_s
        float64[n], both flows and the time that the open block has counted.
    block_ns, row_ns
        int64[n], when the open block began, and the row before.
    flow_tph
        float64[n, 2], feed and steam flow since the row before, NaN = unknown.
    pumped
        bool[n], the pump ran at the row before.
    moved
        bool[n, 2], feed and steam flow have changed in the open block.
    usual_share, blocks
        float64[n], usual loss, and how many blocks taught it, -1 before the first one.
    sum_h, last_share
        float64[n], the CUSUM, and the loss of the last block.
    since_ns
        int64[n], when the CUSUM left 0.
    """

    name = "boiler_balance"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.TUBE_LEAK
    channels = ("feed_water_flow_tph", "steam_flow_tph", "feed_pump_on")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerBalanceParameters) -> None:
        self._p = parameters
        self.feed_t: Floats = np.empty(0)
        self.steam_t: Floats = np.empty(0)
        self.counted_s: Floats = np.empty(0)
        self.usual_share: Floats = np.empty(0)
        self.blocks: Floats = np.empty(0)
        self.sum_h: Floats = np.empty(0)
        self.last_share: Floats = np.empty(0)
        self.flow_tph: Floats = np.empty((0, 2))
        self.block_ns: Ints = np.empty(0, dtype=np.int64)
        self.row_ns: Ints = np.empty(0, dtype=np.int64)
        self.since_ns: Ints = np.empty(0, dtype=np.int64)
        self.pumped: Bools = np.empty(0, dtype=np.bool_)
        self.moved: Bools = np.empty((0, 2), dtype=np.bool_)
        self._rated_tph: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated evaporations."""
        self._rated_tph = fleet.rating(kind, "rated_evaporation_tph")
        for name in self.arrays():
            fill = {"flow_tph": np.nan, "blocks": _NOT_YET}.get(name, 0)
            setattr(self, name, grown(getattr(self, name), len(self._rated_tph), fill))

    def arrays(self) -> tuple[str, ...]:
        """Open block, usual loss, and CUSUM."""
        return (*self.times(), *_TOTALS, *_MEMORY, "flow_tph", "pumped", "moved")

    def times(self) -> tuple[str, ...]:
        """Begin of the block, row before, and begin of the loss."""
        return ("block_ns", "row_ns", "since_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        names = ("feed_water_flow_tph", "steam_flow_tph")
        flow = np.stack([column(context, device, name) for name in names], axis=1)
        self._integrate(rows, flow)
        pumped = column(context, device, "feed_pump_on") == 1
        self._close(device, rows.event_ns, self.pumped[device] & ~pumped)
        self.pumped[device] = pumped
        known = ~np.isnan(flow).any(axis=1) & ~np.isnan(self._rated_tph[device])
        leaks = self.sum_h[device] > p.limit_h
        none = np.zeros(m, dtype=np.bool_)
        since_ns = self.since_ns[device]
        return Judgement(
            standing=levels(leaks, none, none),
            hold_ns=np.zeros((m, 3), dtype=np.int64),
            over=self.sum_h[device] <= 0,
            over_hold_ns=same(m, p.over_hold_s),
            known=context.current.known[device] & known,
            onset_ns=np.where(leaks, since_ns, rows.event_ns),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        feed_tph = observed(context, device, "feed_water_flow_tph")
        return (
            quantity("loss_share", self.last_share[device]),
            quantity("usual_loss_share", self.usual_share[device]),
            quantity("cusum_h", self.sum_h[device], "h"),
            quantity("feed_water_flow_tph", feed_tph, "t/h"),
            quantity("steam_flow_tph", observed(context, device, "steam_flow_tph"), "t/h"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "balance_closed"

    def _integrate(self, rows: Rows, flow: Floats) -> None:
        """Add what flowed since the row before; a row that is out of order adds nothing."""
        ahead = rows.event_ns > self.row_ns[rows.device]
        device, event_ns, flow = rows.device[ahead], rows.event_ns[ahead], flow[ahead]
        before = self.flow_tph[device]
        passed_s = (event_ns - self.row_ns[device]) / NS_PER_S
        counts = ~np.isnan(before).any(axis=1) & (self.row_ns[device] != NEVER)
        counts &= passed_s <= self._p.gap_max_s
        hours = np.where(counts, passed_s / _S_PER_H, 0.0)
        amount = np.where(counts[:, None], before, 0.0) * hours[:, None]
        self.feed_t[device] += amount[:, 0]
        self.steam_t[device] += amount[:, 1]
        self.counted_s[device] += np.where(counts, passed_s, 0.0)
        with np.errstate(invalid="ignore"):
            self.moved[device] |= np.abs(flow - before) > 0
        self.flow_tph[device] = flow
        opens = self.block_ns[device] == NEVER
        self.block_ns[device[opens]] = event_ns[opens]
        self.row_ns[device] = event_ns

    def _close(self, device: Devices, event_ns: Ints, stops: Bools) -> None:
        """Judge blocks that are over, and open the next ones."""
        p = self._p
        age_ns = event_ns - self.block_ns[device]
        over = (age_ns >= seconds(_LONGEST * p.block_s)) | (stops & (age_ns >= seconds(p.block_s)))
        over &= self.block_ns[device] != NEVER
        device, event_ns, age_ns = device[over], event_ns[over], age_ns[over]
        hours = self.counted_s[device] / _S_PER_H
        flow_t = np.stack([self.feed_t[device], self.steam_t[device]], axis=1)
        # A meter that shows flow and never moves is stuck; one that shows none may be right.
        alive = (self.moved[device] | (flow_t == 0)).all(axis=1)
        whole = self.counted_s[device] * 2 * NS_PER_S >= age_ns
        usable = alive & whole & (hours > 0) & ~np.isnan(self._rated_tph[device])
        # The first block began at any level.
        begun = self.blocks[device] != _NOT_YET
        self.blocks[device[~begun]] = 0.0
        usable &= begun
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (flow_t[:, 0] - flow_t[:, 1]) / (self._rated_tph[device] * hours)
        self._judge_block(
            device[usable], self.block_ns[device][usable], share[usable], hours[usable]
        )
        self.block_ns[device] = event_ns
        for name in _TOTALS:
            getattr(self, name)[device] = 0.0
        self.moved[device] = False

    def _judge_block(self, device: Devices, begun_ns: Ints, share: Floats, hours: Floats) -> None:
        """Move the CUSUM by the loss of a block, and learn what is usual."""
        p, usual = self._p, self.usual_share[device]
        young = self.blocks[device] < p.warm_up_blocks
        moved_h = self.sum_h[device] + (share - usual - p.slack_share) * hours
        sum_h = np.where(young, 0.0, np.clip(moved_h, 0.0, 2 * p.limit_h))
        begins = (sum_h > 0) & (self.since_ns[device] == NEVER)
        since_ns = np.where(begins, begun_ns, self.since_ns[device])
        self.since_ns[device] = np.where(sum_h > 0, since_ns, NEVER)
        self.sum_h[device], self.last_share[device] = sum_h, share
        teaches = young | (np.abs(share - usual) <= _FAR_OFF * p.slack_share)
        blocks = self.blocks[device] + teaches
        gain = np.where(young, 1.0 / np.maximum(blocks, 1.0), hours / p.usual_h)
        self.usual_share[device] = usual + teaches * gain * (share - usual)
        self.blocks[device] = blocks


_TOTALS = ("feed_t", "steam_t", "counted_s")
_MEMORY = ("usual_share", "blocks", "sum_h", "last_share")
