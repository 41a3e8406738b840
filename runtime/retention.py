"""Retention: what may be deleted, and when. Nothing that a consumer still needs ever is."""

from dataclasses import dataclass
from pathlib import Path

import structlog

from domain.errors import DependencyError
from domain.instants import seconds
from domain.ports import StateStore, TelemetryStore
from ingest.journal import prune
from runtime.settings import Settings
from runtime.snapshots import Snapshots

INTERVAL_S = 60.0
"""How often [s of journal time] retention looks for something to delete."""

KEPT_SHARE = 0.6
"""Share of the journal's budget that segments nobody needs may fill: the first high-water mark of
the budget is reached by what is still needed alone."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Retention:
    """Deletes old journal segments, telemetry and rows of the ledger.

    Parameters
    ----------
    journal
        Directory of the journal.
    """

    journal: Path
    snapshots: Snapshots
    telemetry: TelemetryStore
    state: StateStore
    settings: Settings
    next_ns: int = 0

    def run_when_due(self, now_ns: int) -> None:
        """Delete what is due at a received time, at most once per `INTERVAL_S`.

        A store or disk that refuses is left until the next time.
        """
        if now_ns < self.next_ns:
            return
        self.next_ns = now_ns + seconds(INTERVAL_S)
        try:
            self._run(now_ns)
        except (DependencyError, OSError) as error:
            _log.warning("retention_failed", error=str(error))

    def _run(self, now_ns: int) -> None:
        journal, day_ns = self.settings.journal, seconds(86_400)
        pruned = prune(
            self.journal,
            before_ns=now_ns - seconds(journal.keep_h * 3_600),
            max_bytes=int(KEPT_SHARE * journal.max_bytes),
            passed_position=self._passed(),
        )
        rows = self.telemetry.prune(now_ns - int(self.settings.telemetry.keep_days * day_ns))
        with self.state.writing() as tx:
            tx.ledger.prune(now_ns - int(self.settings.ledger.keep_days * day_ns))
        if pruned.segments or rows > 0:
            _log.info("retention", journal_segments=len(pruned.segments), telemetry_rows=rows)

    def _passed(self) -> int:
        """Position up to which nobody reads the journal again.

        Rows not yet in the telemetry store are decoded from the newest snapshot before them; while
        there is none, they are decoded from the journal's start.
        """
        oldest = self.snapshots.oldest_position()
        return oldest if oldest <= self.telemetry.position() else 0
