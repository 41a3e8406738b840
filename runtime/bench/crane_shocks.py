"""Which lift-offs are claimed as shocks, by dynamic factor and by how fast the load rings.

Lift-offs at 10 samples a second through the production bank: the rope tightens as fast as its load
then rings (`simulators.crane_ringing`), damping is log-uniform within 0.3-2 s, loads are 15-90 % of
the capacity, the cell has a noise of 0.2 % of the rated load, and sampling begins anywhere.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.bank import Bank
from domain.equipment import Equipment, Kind, build_fleet
from domain.incidents import IncidentKind
from domain.instants import seconds
from runtime.bench.cranes import START_NS, Sampled, batch_of
from simulators.crane import TARE_NOISE
from simulators.crane_ringing import DECAY_S

FACTORS = (1.1, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5, 1.6, 1.9)
BANDS_HZ = ((2.0, 3.0), (3.0, 4.0), (4.0, 4.5), (4.5, 4.8), (4.8, 5.0), (2.0, 5.0))

_RATED_T = 10.0
_PER_S = 10
_SECONDS = 7
_LIFTS_S = (2.0, 3.0)

Floats = NDArray[np.float64]


def shares_claimed(
    seed: int,
    *,
    factors: Sequence[float] = FACTORS,
    bands_hz: Sequence[tuple[float, float]] = BANDS_HZ,
    lift_offs: int = 1_000,
) -> Mapping[tuple[float, tuple[float, float]], float]:
    """Share of lift-offs claimed as shocks, by factor and band of frequencies.

    Parameters
    ----------
    lift_offs
        Of each factor and band.
    """
    rng = np.random.default_rng(seed)
    cells = [(factor, band) for factor in factors for band in bands_hz]
    loads = [_loads(factor, band, lift_offs, rng) for factor, band in cells]
    claimed = _claimed(np.concatenate(loads)).reshape(len(cells), lift_offs)
    return dict(zip(cells, claimed.mean(axis=1).tolist(), strict=True))


def _loads(factor: float, band: tuple[float, float], n: int, rng: np.random.Generator) -> Floats:
    """Loads [t] of n lift-offs, float64[n, samples]."""
    least_s, most_s = DECAY_S
    decay_s = least_s * (most_s / least_s) ** rng.uniform(0.0, 1.0, (n, 1))
    omega = 2.0 * np.pi * rng.uniform(*band, (n, 1))
    first = np.arctan(omega * decay_s)
    swing = (factor - 1.0) / (np.exp(-first / (omega * decay_s)) * np.sin(first))
    age_s = np.arange(_SECONDS * _PER_S) / _PER_S - rng.uniform(*_LIFTS_S, (n, 1))
    hangs = 1.0 + swing * np.exp(-np.maximum(age_s, 0.0) / decay_s) * np.sin(omega * age_s)
    tightens = np.clip(1.0 + swing * omega * age_s, 0.0, 1.0)
    share = np.where(age_s > 0.0, hangs, tightens)
    noise = TARE_NOISE * rng.normal(0.0, 1.0, share.shape)
    return np.round(_RATED_T * (rng.uniform(0.15, 0.9, (n, 1)) * share + noise), 3)


def _claimed(loads: Floats) -> NDArray[np.bool_]:
    """Whether each lift-off is claimed."""
    n = len(loads)
    cranes = [Equipment(id=f"c-{k:06d}", kind=Kind.CRANE, rated_load_t=_RATED_T) for k in range(n)]
    fleet = build_fleet(1, cranes)
    bank = Bank(fleet, only=["crane_shock"])
    claimed, slots = np.zeros(n, dtype=np.bool_), np.arange(n)
    for k in range(loads.shape[1]):
        at_ns = START_NS + seconds(k / _PER_S)
        sample = Sampled.of(at_ns, slots, {"hook_load_t": loads[:, k]})
        for found in bank.step(batch_of(fleet.ids[Kind.CRANE], [sample], at_ns, k)):
            if found.kind is IncidentKind.SHOCK_LOAD:
                claimed[fleet.slots[found.equipment_id][1]] = True
    return claimed
