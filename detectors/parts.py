"""Parts of an engine that hold state, and how they continue from a snapshot."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Part(Protocol):
    """Something with arrays over the devices of a kind."""

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""

    def times(self) -> tuple[str, ...]:
        """Names of those that hold event times."""


def overwrite(target: NDArray[np.generic], saved: NDArray[np.generic]) -> None:
    """Take over the saved rows; devices that joined later keep their fresh state."""
    target[: len(saved)] = saved


def fits(part: Part, prefix: str, saved: Mapping[str, NDArray[np.generic]]) -> bool:
    """Whether every array of a part was saved, with the same form a device."""
    return all(
        f"{prefix}/{name}" in saved
        and saved[f"{prefix}/{name}"].shape[1:] == getattr(part, name).shape[1:]
        for name in part.arrays()
    )
