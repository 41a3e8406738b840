"""Reading the journal past damage: only as far as the operator has given it up."""

from typing import Protocol

import structlog

from domain.messages import Frame
from ingest.journal import JournalCorruptError

_log = structlog.get_logger(__name__)


class FrameReader(Protocol):
    """What the pipeline and the loader need of the journal."""

    def read(self, after_position: int, limit_messages: int) -> list[Frame]:
        """Frames after a position, in order."""


class Frames:
    """Frames of a reader, without the damaged ones that the operator has given up.

    Parameters
    ----------
    give_up_to
        Last position whose damage is passed over; beyond it damage is an error. Nothing that can
        be read is ever left out.
    """

    def __init__(self, reader: FrameReader, give_up_to: int = 0) -> None:
        self._reader = reader
        self._give_up_to = give_up_to
        self._given_up = 0

    def read(self, after_position: int, limit_messages: int) -> list[Frame]:
        """Frames after a position, in order; empty when there is nothing new.

        Raises
        ------
        JournalCorruptError
            If the next frame is damaged and not given up.
        JournalReadError, JournalRewoundError
            As `ingest.journal.JournalReader.read` says.
        """
        while True:
            try:
                return self._reader.read(after_position, limit_messages)
            except JournalCorruptError as error:
                if error.position > self._give_up_to:
                    raise
                after_position = error.position
                if after_position > self._given_up:
                    self._given_up = after_position
                    _log.error("journal_frame_given_up", position=after_position, error=str(error))
