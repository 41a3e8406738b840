"""Structure of arrays over lanes: one lane is one series, or one device where that is said.

Lanes lie on the last axis, so that every operation runs along memory. Kernels see dense blocks of
observed lanes only; what is not observed is not even loaded, and therefore neither learns nor
scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Single = NDArray[np.floating[Any]]
"""Single precision; NumPy's types lose that in mixed expressions, the arrays do not."""
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Selection = slice | NDArray[np.int64]
State = dict[str, NDArray[Any]]
"""Arrays of one block of lanes by name; kernels change them in place."""


@dataclass(frozen=True, slots=True)
class Column:
    """What one state array is.

    Parameters
    ----------
    dtype
        Any NumPy type name.
    fill
        Value of a lane that was never observed.
    rows
        ``None`` gives an array of shape (n,), a number gives (rows, n).
    """

    dtype: str = "f4"
    fill: float = 0.0
    rows: int | None = None


_VIEWS_MAX = 1_024
"""Blocks whose views are kept, so that history is worked off without making them anew."""

Columns = Mapping[str, Column]


class Lanes:
    """State of n lanes, as columns describe it."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._arrays: State = {name: _empty(column, 0) for name, column in columns.items()}
        self._views: dict[tuple[int, int], State] = {}
        self.n = 0

    def grow(self, n: int) -> None:
        """Make room for n lanes; old ones keep their state."""
        if n <= self.n:
            return
        for name, column in self._columns.items():
            larger = _empty(column, n)
            larger[..., : self.n] = self._arrays[name]
            self._arrays[name] = larger
        self._views.clear()
        self.n = n

    def take(self, lanes: Selection) -> State:
        """State of some lanes: views for a slice, copies for indices."""
        if not isinstance(lanes, slice):
            return {name: array[..., lanes] for name, array in self._arrays.items()}
        key = (lanes.start, lanes.stop)
        if key not in self._views:
            if len(self._views) >= _VIEWS_MAX:
                self._views.clear()
            self._views[key] = {name: array[..., lanes] for name, array in self._arrays.items()}
        return self._views[key]

    def one(self, name: str, lanes: Selection) -> NDArray[Any]:
        """One state array of some lanes."""
        selected: NDArray[Any] = self._arrays[name][..., lanes]
        return selected

    def some(self, names: Sequence[str], lanes: Ints) -> State:
        """Copies of a few state arrays of some lanes."""
        return {name: self._arrays[name][..., lanes] for name in names}

    def put(self, lanes: Selection, state: State) -> None:
        """Write back what `take` or `some` copied."""
        if isinstance(lanes, slice):
            return
        for name, array in state.items():
            self._arrays[name][..., lanes] = array

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Every state array by name, for snapshots."""
        yield from self._arrays.items()

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved arrays of the same or fewer lanes."""
        for name, array in saved.items():
            self._arrays[name][..., : array.shape[-1]] = array


def _empty(column: Column, n: int) -> NDArray[Any]:
    shape = (n,) if column.rows is None else (column.rows, n)
    return np.full(shape, column.fill, dtype=column.dtype)


def contiguous(device: Ints) -> Selection:
    """A slice where devices follow each other without a hole, so that state need not be copied."""
    first = int(device[0])
    if device[-1] - first == len(device) - 1 and (np.diff(device) == 1).all():
        return slice(first, first + len(device))
    return device


def indices(lanes: Selection) -> Ints:
    """Lanes of a selection, one by one."""
    return np.arange(lanes.start, lanes.stop) if isinstance(lanes, slice) else lanes


def expand(device: Selection, channels: int) -> Selection:
    """Lanes of all channels of devices."""
    if isinstance(device, slice):
        return slice(device.start * channels, device.stop * channels)
    return (device[:, None] * channels + np.arange(channels)).reshape(-1)


def lane_at(lanes: Selection, cell: int) -> int:
    """Lane at a place of a selection."""
    return lanes.start + cell if isinstance(lanes, slice) else int(lanes[cell])
