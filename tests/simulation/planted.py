"""Bugs that the simulation must find: production classes with one mistake each.

Each is a mistake that a reviewer could make or miss; nothing but the mistake differs.
"""

from collections.abc import Mapping
from typing import Any
from unittest import mock

from ingest.chain import Acknowledge, Chain
from ingest.disk import Mark
from ingest.sequence import Sequence
from runtime.pipeline import CONSUMER, Pipeline
from tests.simulation.simulation import Build


class AutoAck(Chain):
    """Acknowledges what it receives, as paho does when nobody asks it not to."""

    _send: Acknowledge = staticmethod(lambda _mid, _qos: None)

    def receive(self, topic: str, payload: bytes, mid: int, qos: int, *, retain: bool) -> None:
        super().receive(topic, payload, mid, qos, retain=retain)
        self._send(mid, qos)

    def commit(self, acknowledge: Acknowledge) -> int:
        self._send = acknowledge
        return super().commit(lambda _mid, _qos: None)


class AckBeforeCommit(Chain):
    """Acknowledges a frame before it is durable."""

    def commit(self, acknowledge: Acknowledge) -> int:
        if self._frame is None and self._mark < Mark.STOPPED:
            self._frame = self._take()
            if self._frame is not None:
                super()._acknowledge(self._frame.entries, acknowledge)
        return super().commit(acknowledge)

    def _acknowledge(self, frame: Any, acknowledge: Acknowledge) -> None:
        """It was done before."""


class LostGeneration(Chain):
    """Acknowledges whatever was received, on whichever connection there is now."""

    def _new_generation(self, *, connected: bool) -> None:
        super()._new_generation(connected=connected)
        self._generation = 1


class OffsetBeforeStore(Pipeline):
    """Records the position of frames before it has applied them."""

    def step(self) -> int:
        frames = self._frames.read(self._position, self._batch_messages)
        if frames:
            with self._state.writing() as tx:
                tx.offsets.put(CONSUMER, frames[-1].position)
        return super().step()


_numbered = Sequence.numbered


def _always_new(sequence: Sequence, boot: str, seq: int, received_at_ns: int = 0) -> bool:
    """Takes a number in, and forgets to say that it was there already."""
    _numbered(sequence, boot, seq, received_at_ns)
    return True


PLANTED: Mapping[str, Build] = {
    "auto-ack": Build(chain=AutoAck),
    "ack-before-commit": Build(chain=AckBeforeCommit),
    "no-dedup": Build(patches=lambda: mock.patch.object(Sequence, "numbered", _always_new)),
    "lost-generation-check": Build(chain=LostGeneration),
    "offset-before-store": Build(pipeline=OffsetBeforeStore),
}
"""Every planted bug by its name."""
