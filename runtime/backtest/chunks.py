"""Chunks of history: rows of many devices over minutes or hours, as the detectors take them in."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from domain.equipment import Fleet
from domain.instants import NS_PER_S
from domain.messages import Frame, Message
from domain.readings import ReadingBatch
from ingest.decoder import Decoder

DECODED_MESSAGES = 2_000
"""About so many messages are decoded at once: the decoder walks over all of a call repeatedly."""


class Chunk(NamedTuple):
    """Rows received before an instant and after the chunk before.

    Parameters
    ----------
    batches
        In order of arrival.
    until_ns
        A full second since the start.
    """

    batches: tuple[ReadingBatch, ...]
    until_ns: int


def decoded(
    messages: Iterable[Message], fleet: Fleet, *, start_ns: int, slice_ns: int
) -> Iterator[Chunk]:
    """Messages through the production decoder, with the ticks that ingest would have written.

    Parameters
    ----------
    messages
        In order of arrival, none before ``start_ns``.
    slice_ns
        Time that a chunk covers, whole seconds; the last one ends where the messages do.
    """
    decoder = Decoder(fleet)
    frames: list[Frame] = []
    batches: list[ReadingBatch] = []
    held, until_ns = 0, start_ns + slice_ns
    for frame in _frames(messages, start_ns):
        frames.append(frame)
        held += len(frame.messages)
        over = not frame.messages and frame.received_at_ns >= until_ns
        if over or held >= DECODED_MESSAGES:
            batches += decoder.decode(frames).batches
            frames, held = [], 0
        if over:
            yield Chunk(tuple(batches), until_ns)
            batches, until_ns = [], until_ns + slice_ns
    if frames:
        yield Chunk((*batches, *decoder.decode(frames).batches), frames[-1].received_at_ns)


def _frames(messages: Iterable[Message], start_ns: int) -> Iterator[Frame]:
    """A frame for every second that has messages, and a tick (as an empty one) before each."""
    tick_ns, position = start_ns, 1
    yield Frame(position, tick_ns)
    heard: list[Message] = []
    for message in messages:
        while message.received_at_ns >= tick_ns + NS_PER_S:
            if heard:
                yield Frame(position + 1, heard[-1].received_at_ns, tuple(heard))
                heard = []
            tick_ns, position = tick_ns + NS_PER_S, position + 2
            yield Frame(position, tick_ns)
        heard.append(message)
    if heard:
        yield Frame(position + 1, heard[-1].received_at_ns, tuple(heard))
    yield Frame(position + 2, tick_ns + NS_PER_S)
