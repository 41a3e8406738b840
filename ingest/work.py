"""What one call of the decoder works on: limits, counts, the messages, and the output so far."""

from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np

from domain.channels import CHANNELS
from domain.equipment import Kind
from domain.messages import Message
from domain.readings import NO_CODE, ONLINE_UNSAID, Stream
from domain.refusals import Refusal, RefusalReason
from ingest import topics
from ingest.assembly import RowBuilder
from ingest.steady import PLACE_BITS, Candidates, SteadyRows

_ALIVE = int(Stream.ALIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """Limits of one payload and one device.

    Parameters
    ----------
    device_bytes_max, gateway_bytes_max
        Payload sizes of contract.md [byte].
    extras_max
        Channels outside the catalogue that one device may send.
    codes_max
        Codes of one item.
    """

    device_bytes_max: int = 64 * 1024
    gateway_bytes_max: int = 1024 * 1024
    extras_max: int = 64
    codes_max: int = 64


@dataclass(slots=True, kw_only=True)
class DecodeCounts:
    """What became of messages and items; messages = decoded + quarantined.

    Parameters
    ----------
    decoded, quarantined
        Messages with at least one usable item, and without.
    accepted, duplicated, refused_items, alive
        Items: rows given on, known already, refused, signs of life. They add up to ``items``.
    lost
        Change in the number of items missing by the devices' own numbering; negative when one
        arrives after all.
    """

    messages: int = 0
    decoded: int = 0
    quarantined: int = 0
    items: int = 0
    accepted: int = 0
    duplicated: int = 0
    lost: int = 0
    late: int = 0
    clock_wrong: int = 0
    bad_values: int = 0
    unknown_channels: int = 0
    refused_items: int = 0
    alive: int = 0

    def as_dict(self) -> dict[str, int]:
        """Counts by name."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


class Arrived(NamedTuple):
    """The message an item came in.

    Parameters
    ----------
    position, place
        Journal frame, and the message's place in it.
    number
        The message's place in this call.
    """

    message: Message
    position: int
    place: int
    number: int

    def arrival(self, place: int) -> int:
        """Number that orders the items of one call; ``place`` is the item's in its message."""
        return (self.number << PLACE_BITS) + place


@dataclass(slots=True)
class Work:
    """Output of one call under construction.

    Parameters
    ----------
    received
        Received time of every message.
    usable
        Whether anything in the message was of use.
    candidates
        Items that may prove steady, not applied yet.
    """

    builders: dict[Kind, RowBuilder] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    counts: DecodeCounts = field(default_factory=DecodeCounts)
    repeats: list[tuple[str, int]] = field(default_factory=list)
    gaps: dict[str, None] = field(default_factory=dict)
    arrived: list[Arrived] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    usable: list[bool] = field(default_factory=list)
    candidates: dict[Kind, Candidates] = field(default_factory=dict)

    def message(self, message: Message, position: int, index: int) -> Arrived:
        """Take a message in."""
        arrived = Arrived(message, position, index, len(self.arrived))
        self.arrived.append(arrived)
        self.received.append(message.received_at_ns)
        self.usable.append(False)
        return arrived

    def builder(self, kind: Kind) -> RowBuilder:
        """Rows of a kind."""
        found = self.builders.get(kind)
        if found is None:
            found = self.builders[kind] = RowBuilder(kind)
        return found

    def candidates_of(self, kind: Kind) -> Candidates:
        """Candidates of a kind."""
        found = self.candidates.get(kind)
        if found is None:
            found = self.candidates[kind] = Candidates(len(CHANNELS[kind]))
        return found

    def refuse(
        self,
        arrived: Arrived,
        item: int,
        reason: RefusalReason,
        detail: str,
        equipment_id: str = "",
    ) -> None:
        """Put a message (``item`` -1) or an item aside."""
        message = arrived.message
        self.refusals.append(
            Refusal(
                reason=reason,
                position=arrived.position,
                index=arrived.place,
                item=item,
                topic=message.topic,
                sender=topics.sender(message.topic),
                payload=message.payload,
                received_at_ns=message.received_at_ns,
                detail=detail,
                equipment_id=equipment_id,
            )
        )

    def add_steady(self, kind: Kind, rows: SteadyRows) -> None:
        """Add rows of steady devices."""
        n = len(rows.slot)
        if not n:
            return
        number = rows.arrival >> PLACE_BITS
        position = np.array([arrived.position for arrived in self.arrived], dtype=np.int64)
        alive = rows.stream == _ALIVE
        self.builder(kind).steady.append(
            {
                "device": rows.slot,
                "event_time_ns": rows.ts_ns,
                "received_at_ns": np.array(self.received, dtype=np.int64)[number],
                "position": position[number],
                "ordinal": rows.ordinal,
                "seq": rows.seq,
                "stream": rows.stream,
                "quality": np.zeros(n, dtype=np.int64),
                "code": np.full(n, NO_CODE, dtype=np.int64),
                "active": np.ones(n, dtype=np.int64),
                "online": np.where(alive, 1, ONLINE_UNSAID),
                "arrival": rows.arrival,
                "values": rows.values,
                "unknown": np.zeros(rows.values.shape, dtype=np.bool_),
            }
        )
        signs = int(alive.sum())
        self.counts.alive += signs
        self.counts.accepted += n - signs
        for used in np.unique(number).tolist():
            self.usable[used] = True
