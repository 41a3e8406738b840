r"""The Numenta Anomaly Benchmark's score, and event recall at a rate of false alarms beside it.

A detection at relative place y of a window (-1 its first sample, 0 its last) earns
:math:`\sigma(y) = 2/(1+e^{5y}) - 1` over :math:`\sigma(-1)`; only the first one of a window counts.
Outside, a detection costs :math:`A_{FP}\,\sigma(y)` behind the last window, in widths of that
window, or :math:`-A_{FP}` far away and before the first; a window without one costs
:math:`A_{FN}`. The sum over files is put on a scale where detecting nothing is 0 and perfection
is 100 (Lavin & Ahmad 2015; NAB's ``sweeper.py``).

The number misleads alone: windows are a tenth of a file and centred on the label, so that random
alarms reach 11 to 18. Point adjust does not occur here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

PROBATION_SHARE = 0.15
PROBATION_MAX = 750
"""NAB ignores detections in the first 15 % of a file, at most 750 samples."""
_FAR = 3.0
_STEEP = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a false alarm and a missed window cost; a hit earns at most 1."""

    false_positive: float
    false_negative: float


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(false_positive=0.11, false_negative=1.0),
    "reward_low_FP": Profile(false_positive=0.22, false_negative=1.0),
    "reward_low_FN": Profile(false_positive=0.11, false_negative=2.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One file.

    Parameters
    ----------
    times_s
        int64[n], rising.
    windows
        (first, last) sample of each labelled window, in order.
    """

    times_s: Ints
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """First sample whose detection counts."""
        return int(min(PROBATION_SHARE * len(self.times_s), PROBATION_SHARE * 5_000, PROBATION_MAX))


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Windows found and false alarms of a corpus.

    Parameters
    ----------
    recall
        Share of windows with a detection.
    precision
        Share of detections that lie in a window.
    false_per_day
        Detections outside windows per series-day.
    """

    recall: float
    precision: float | None
    false_per_day: float


def nab_score(
    recordings: Sequence[Recording], detections: Sequence[Ints], profile: Profile
) -> float:
    """Score of a corpus, 0 for no detection at all, 100 for perfection.

    Parameters
    ----------
    detections
        Sample indices for each recording, rising.
    """
    windows = sum(len(recording.windows) for recording in recordings)
    null = -profile.false_negative * windows
    raw = sum(
        _raw(recording, found, profile)
        for recording, found in zip(recordings, detections, strict=True)
    )
    return 100 * (raw - null) / (windows - null) if windows else 0.0


def events(recordings: Sequence[Recording], detections: Sequence[Ints]) -> Events:
    """Event recall, precision and rate of false alarms of a corpus."""
    hits = inside = total = windows = 0
    days = 0.0
    for recording, every in zip(recordings, detections, strict=True):
        found = every[every >= recording.probation]
        covered = np.zeros(len(recording.times_s), dtype=np.bool_)
        for first, last in recording.windows:
            covered[first : last + 1] = True
            hits += bool(((found >= first) & (found <= last)).any())
        inside += int(covered[found].sum())
        total += len(found)
        windows += len(recording.windows)
        times = recording.times_s[recording.probation :]
        days += float(times[-1] - times[0]) / 86_400
    return Events(
        recall=hits / windows if windows else 0.0,
        precision=inside / total if total else None,
        false_per_day=(total - inside) / days,
    )


def _raw(recording: Recording, every: Ints, profile: Profile) -> float:
    found = every[every >= recording.probation]
    raw, outside = 0.0, np.ones(len(found), dtype=np.bool_)
    for first, last in recording.windows:
        within = (found >= first) & (found <= last)
        outside &= ~within
        if within.any():
            width = last - first + 1
            place = -(last - found[within][0] + 1) / width
            raw += _sigmoid(place) / _sigmoid(-1.0)
        else:
            raw -= profile.false_negative
    return raw + profile.false_positive * sum(_behind(recording, int(at)) for at in found[outside])


def _behind(recording: Recording, at: int) -> float:
    """Weight of a false alarm, -1 to 0: less just behind a window."""
    ended = [window for window in recording.windows if window[1] < at]
    if not ended:
        return -1.0
    first, last = ended[-1]
    place = (at - last) / max(last - first, 1)
    return _sigmoid(place) if place <= _FAR else -1.0


def _sigmoid(place: float) -> float:
    return float(2 / (1 + np.exp(_STEEP * place)) - 1)
