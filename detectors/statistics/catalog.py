"""Every statistic of a series, one line each; the engine and the contract suite read this list."""

from collections.abc import Callable

from detectors.statistics.base import Statistic
from detectors.statistics.drift import Drift
from detectors.statistics.level_shift import LevelShift
from detectors.statistics.missing import Missing
from detectors.statistics.noise import Noise
from detectors.statistics.oscillation import Oscillation
from detectors.statistics.spike import Spike
from detectors.statistics.stuck import Stuck

STATISTICS: tuple[Callable[[], Statistic], ...] = (
    Missing,
    Spike,
    LevelShift,
    Drift,
    Noise,
    Stuck,
    Oscillation,
)
