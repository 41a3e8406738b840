"""Parts of an engine that hold state, and how they continue from a snapshot."""

import json
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Part(Protocol):
    """Something with arrays over the devices of a kind."""

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps; ``trace.sample_ns`` is one of its parts."""

    def times(self) -> tuple[str, ...]:
        """Names of those that hold event times."""


def array_of(part: Part, name: str) -> NDArray[Any]:
    """Array of a part by its name in `Part.arrays`."""
    found: NDArray[Any] = attrgetter(name)(part)
    return found


def inside(attribute: str, names: Iterable[str]) -> tuple[str, ...]:
    """Names of the arrays of a part that is an attribute of another."""
    return tuple(f"{attribute}.{name}" for name in names)


def overwrite(target: NDArray[np.generic], saved: NDArray[np.generic]) -> None:
    """Take over the saved rows; devices that joined later keep their fresh state."""
    target[: len(saved)] = saved


def fits(part: Part, prefix: str, saved: Mapping[str, NDArray[np.generic]]) -> bool:
    """Whether every array of a part was saved, with the same form a device."""
    return all(
        f"{prefix}/{name}" in saved
        and saved[f"{prefix}/{name}"].shape[1:] == array_of(part, name).shape[1:]
        for name in part.arrays()
    )


def packed(header: Mapping[str, Any], arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Arrays as bytes, in one allocation: their copies are felt in the memory needed.

    Eight bytes of length, a JSON object, and the cells of each array one after the other.
    """
    described = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
    head = json.dumps({**header, "arrays": described}).encode()
    cells = (np.ascontiguousarray(array).data for array in arrays.values())
    return b"".join((len(head).to_bytes(8, "big"), head, *cells))


def unpacked(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    """Header and arrays of `packed` bytes; the arrays are views and cannot be written.

    Raises
    ------
    ValueError
        If the bytes are something else.
    """
    length = int.from_bytes(data[:8], "big")
    header = json.loads(data[8 : 8 + length])
    arrays, at = {}, 8 + length
    for name, dtype, shape in header["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(data, dtype=dtype, count=count, offset=at).reshape(shape)
        arrays[name] = array
        at += array.nbytes
    return header, arrays
