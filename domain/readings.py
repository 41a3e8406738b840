"""`ReadingBatch`: what devices of one kind reported, as columns."""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS
from domain.equipment import Kind


class Stream(IntEnum):
    """Stream of the topic an item came on."""

    STATUS = 0
    TELEMETRY = 1
    FAULT = 2
    EVENT = 3
    ALIVE = 4


STREAMS = {stream.name.lower(): stream for stream in Stream}
"""Streams by the word of the topic grammar."""


class Quality(IntFlag):
    """What is to be known about a row besides its values; 0 = nothing remarkable."""

    LATE = 1
    """Arrived more than 2 min after its device's usual lag: history, it runs no hold timer."""
    CLOCK_WRONG = 2
    """The device's clock is wrong; event time is the received time."""
    CLOCK_STEP = 4
    """Former event times of this device do not compare with this row: its clock was judged anew."""
    RETAINED = 8
    """Delivered as a retained message: history, never live."""
    NO_ZONE = 16
    """The time carried no offset and was read as Asia/Shanghai."""
    BAD_VALUE = 32
    """At least one channel was NaN, infinite, a sentinel or implausible, and is unknown."""
    UNKNOWN_CHANNEL = 64
    """At least one channel is not in the catalogue; it is stored and feeds no rule."""
    REBOOTED = 128
    """First row of a new boot of the device."""


NO_SEQ = -1
NO_CODE = -1
ONLINE_UNSAID = -1


@dataclass(frozen=True, slots=True)
class Extra:
    """A reading of a channel that the catalogue does not know."""

    row: int
    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadingBatch:
    """Rows of one kind in order of arrival; n rows, c channels of the kind. Arrays are read-only.

    Parameters
    ----------
    ids
        Equipment ids of the kind in slot order; ``ids[device[i]]`` sent row i.
    device
        int32[n], slot within the kind.
    event_time_ns, received_at_ns
        int64[n], device clock (see `Quality.CLOCK_WRONG`) and ours.
    position
        int64[n], journal frame the row came from, never falling.
    ordinal
        int64[n], running number of the device's rows, the same in every replay: it keeps rows apart
        that share an event time.
    seq
        int64[n], the device's item count, `NO_SEQ` when not sent.
    stream, quality
        uint8[n] of `Stream`, uint16[n] of `Quality` flags.
    values
        float64[n, c]; NaN = not reported (unchanged) or, with ``unknown``, unknown from now on.
        Flags are 0/1; labels are indices into ``vocabulary``.
    unknown
        bool[n, c]; the channel was sent as null or was unusable. Its value is NaN.
    code
        int32[n], index into ``vocabulary`` of ``dialect:code``, `NO_CODE` for rows without one. An
        item with several codes is several rows with one event time.
    active
        int8[n], 1 when the code's condition begins (or is momentary), 0 when it ends.
    online
        int8[n], for alive rows 1 online, 0 offline; `ONLINE_UNSAID` elsewhere. Alive rows carry no
        values and are not stored as telemetry.
    vocabulary
        Texts that values and codes point into; it only ever grows, so an index keeps its meaning.
    extras
        Readings of channels outside the catalogue.
    """

    kind: Kind
    ids: tuple[str, ...]
    device: NDArray[np.int32]
    event_time_ns: NDArray[np.int64]
    received_at_ns: NDArray[np.int64]
    position: NDArray[np.int64]
    ordinal: NDArray[np.int64]
    seq: NDArray[np.int64]
    stream: NDArray[np.uint8]
    quality: NDArray[np.uint16]
    values: NDArray[np.float64]
    unknown: NDArray[np.bool_]
    code: NDArray[np.int32]
    active: NDArray[np.int8]
    online: NDArray[np.int8]
    vocabulary: tuple[str, ...] = ()
    extras: tuple[Extra, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes once, and make the arrays read-only."""
        n, channels = self.device.shape[0], len(CHANNELS[self.kind])
        for name in _ROW_COLUMNS:
            column = getattr(self, name)
            if column.shape != (n,):
                msg = f"{name} has shape {column.shape}, expected ({n},)"
                raise ValueError(msg)
            column.flags.writeable = False
        for name in ("values", "unknown"):
            column = getattr(self, name)
            if column.shape != (n, channels):
                msg = f"{name} has shape {column.shape}, expected ({n}, {channels})"
                raise ValueError(msg)
            column.flags.writeable = False
        if n and not (self.device.min() >= 0 and self.device.max() < len(self.ids)):
            msg = "device slots lie outside the fleet"
            raise ValueError(msg)

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.device.shape[0])

    def label(self, value: float) -> str | None:
        """Text of a label value or code index; ``None`` for NaN and `NO_CODE`."""
        return None if np.isnan(value) or value < 0 else self.vocabulary[int(value)]


_ROW_COLUMNS = (
    "device",
    "event_time_ns",
    "received_at_ns",
    "position",
    "ordinal",
    "seq",
    "stream",
    "quality",
    "code",
    "active",
    "online",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One stored row as readers see it.

    Parameters
    ----------
    values
        Reported channels only: numbers, flags as bool, labels as text; ``None`` = unknown since.
        Channels outside the catalogue stand beside the others under their own names.
    code
        ``dialect:code`` or ``None``; ``active`` says whether it began or ended.
    """

    equipment_id: str
    event_time_ns: int
    received_at_ns: int
    stream: Stream
    quality: Quality
    seq: int | None
    values: dict[str, float | bool | str | None]
    code: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """Last reported value of one channel, with the event time it was reported for."""

    value: float | bool | str | None
    event_time_ns: int
