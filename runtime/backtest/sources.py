"""Where history comes from before it stands in columns: a world, recorded messages, a store.

A source is sent to worker processes, so it names things and opens them only when it is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
import numpy as np

from domain.equipment import Equipment, Fleet
from domain.errors import UsageError
from domain.instants import NS_PER_S
from domain.messages import Message
from ingest import topics
from runtime.backtest.chunks import Chunk, decoded
from runtime.backtest.database import in_memory
from simulators.outgoing import Outgoing
from simulators.parts import Part
from simulators.replay import Capture
from simulators.scenario import Scenario
from simulators.truth import Line
from simulators.world import World

_ROWS = 50_000


class Source(Protocol):
    """Messages of some devices."""

    @property
    def equipment(self) -> tuple[Equipment, ...]:
        """Registry rows of the devices."""

    def chunks(self, fleet: Fleet, *, start_ns: int, slice_ns: int) -> Iterator[Chunk]:
        """Their rows.

        Parameters
        ----------
        fleet
            Of exactly these devices.
        slice_ns
            Time that a chunk covers.
        """

    def truths(self) -> tuple[Line, ...]:
        """What really happened, as lines of a truth file, when only the source tells.

        Call it after the chunks.
        """


class WorldSource:
    """One part of a simulated world.

    Parameters
    ----------
    equipment
        Registry rows of the part.
    start_ns
        Instant of its first step.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        start_ns: int,
        *,
        part: Part,
        equipment: tuple[Equipment, ...],
    ) -> None:
        self._arguments = (scenario, seed, start_ns)
        self._part = part
        self._equipment = equipment
        self._truths: tuple[Line, ...] = ()

    @property
    def equipment(self) -> tuple[Equipment, ...]:
        """Registry rows of the part."""
        return self._equipment

    def chunks(self, fleet: Fleet, *, start_ns: int, slice_ns: int) -> Iterator[Chunk]:
        """Simulate the part, and decode what it sends."""
        world = World(*self._arguments, part=self._part)
        messages = map(_message, world.outgoing())
        yield from decoded(messages, fleet, start_ns=start_ns, slice_ns=slice_ns)
        self._truths = (*world.truth(), *world.statistics())

    def truths(self) -> tuple[Line, ...]:
        """What happened in the world that was simulated last."""
        return self._truths


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSource:
    """Some devices of a recorded MQTT stream (``capture.jsonl``).

    Parameters
    ----------
    start_ns
        Instant of ``t = 0``.
    """

    path: Path
    start_ns: int
    equipment: tuple[Equipment, ...]

    def chunks(self, fleet: Fleet, *, start_ns: int, slice_ns: int) -> Iterator[Chunk]:
        """Decode the messages of the devices and of their gateways."""
        stream = Capture(self.path).messages(start_ns=self.start_ns)
        return decoded(_own(stream, self.equipment), fleet, start_ns=start_ns, slice_ns=slice_ns)

    def truths(self) -> tuple[Line, ...]:
        """Nothing: the truth file tells."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesSource:
    """Some devices of a simulated history (``messages.parquet``).

    Parameters
    ----------
    start_ns
        Instant of ``t = 0``.
    """

    path: Path
    start_ns: int
    equipment: tuple[Equipment, ...]

    def chunks(self, fleet: Fleet, *, start_ns: int, slice_ns: int) -> Iterator[Chunk]:
        """Decode the messages of the devices."""
        return decoded(self._messages(), fleet, start_ns=start_ns, slice_ns=slice_ns)

    def truths(self) -> tuple[Line, ...]:
        """Nothing: the truth file tells."""
        return ()

    def _messages(self) -> Iterator[Message]:
        with in_memory() as connection:
            ids = {"id": np.array([one.id for one in self.equipment], dtype=object)}
            connection.register("own", ids)
            try:
                # The place of the id in the topic is the contract's (docs/contract.md).
                found = connection.execute(
                    "SELECT t, topic, payload, retain FROM read_parquet(?) "
                    "WHERE split_part(topic, '/', 4) IN (SELECT id FROM own)",
                    [str(self.path)],
                )
                while rows := found.fetchmany(_ROWS):
                    for t, topic, payload, retain in rows:
                        at_ns = self.start_ns + round(t * NS_PER_S)
                        yield Message(topic, payload.encode(), at_ns, retain)
            except duckdb.Error as error:
                raise UsageError(f"{self.path} cannot be read: {error}") from error


def _own(stream: Iterator[Outgoing], equipment: tuple[Equipment, ...]) -> Iterator[Message]:
    senders = {one.id for one in equipment} | {one.gateway_id for one in equipment}
    known: dict[str, bool] = {}
    for one in stream:
        own = known.get(one.topic)
        if own is None:
            own = known[one.topic] = _sender(one.topic) in senders
        if own:
            yield _message(one)


def _message(one: Outgoing) -> Message:
    return Message(one.topic, one.payload, one.at_ns, one.retain)


def _sender(topic: str) -> str | None:
    parsed = topics.parse(topic)
    if isinstance(parsed, topics.DeviceTopic):
        return parsed.equipment_id
    return None if parsed is None else parsed.gateway_id
