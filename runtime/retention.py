"""Retention: what may be deleted, and when. Nothing that a consumer still needs ever is."""

from dataclasses import dataclass
from pathlib import Path

import structlog

from domain.instants import seconds
from domain.ports import TelemetryStore
from ingest.journal import prune
from runtime.settings import JournalSettings, TelemetrySettings
from runtime.snapshots import SnapshotDirectory

INTERVAL_S = 600.0
"""How often [s of journal time] retention looks for something to delete."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Retention:
    """Deletes old journal segments and old telemetry.

    Parameters
    ----------
    journal
        Directory of the journal.
    """

    journal: Path
    snapshots: SnapshotDirectory
    telemetry: TelemetryStore
    journal_settings: JournalSettings
    telemetry_settings: TelemetrySettings
    next_ns: int = 0

    def run_when_due(self, now_ns: int) -> None:
        """Delete what is due at a received time, at most once per `INTERVAL_S`."""
        if now_ns < self.next_ns:
            return
        self.next_ns = now_ns + seconds(INTERVAL_S)
        passed = min(self.snapshots.oldest_position(), self.telemetry.position())
        pruned = prune(
            self.journal,
            before_ns=now_ns - seconds(self.journal_settings.keep_h * 3_600),
            max_bytes=self.journal_settings.max_bytes,
            passed_position=passed,
        )
        rows = self.telemetry.prune(now_ns - seconds(self.telemetry_settings.keep_days * 86_400))
        if pruned.segments or rows > 0:
            _log.info("retention", journal_segments=len(pruned.segments), telemetry_rows=rows)
