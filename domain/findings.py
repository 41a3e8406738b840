"""What a detector claims, and on what evidence."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from domain.incidents import IncidentKind, Level


class Phase(StrEnum):
    """Whether a finding begins (or strengthens) a condition, or ends it."""

    RAISED = "raised"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One observation behind a finding.

    Parameters
    ----------
    name
        Channel, code (``gbt24476:04``) or a named observation such as ``stopped_s``.
    value
        What was observed; ``None`` = unknown, which is evidence too.
    unit
        Unit of ``value``, empty for flags and texts.
    log_odds
        How much this speaks for (positive) or against (negative) the claim, in natural log-odds;
        ``None`` where the detector does not weigh evidence.
    since_ns
        Event time since when it holds, when known.
    """

    name: str
    value: float | bool | str | None
    unit: str = ""
    log_odds: float | None = None
    since_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One claim of one detector about one device.

    Parameters
    ----------
    onset_ns
        Event time of the condition's onset as judged live; for `Phase.ENDED`, when it ended.
    detected_at_ns
        Received time of the message or tick that raised it.
    late
        The condition stood in late data; it opens nothing that was closed after its onset.
    position
        Journal frame that raised it.
    reason
        For `Phase.ENDED`: why it ended, a stable word such as ``door_opened_at_level``.
    """

    detector: str
    kind: IncidentKind
    equipment_id: str
    level: Level
    phase: Phase
    onset_ns: int
    detected_at_ns: int
    position: int
    late: bool = False
    evidence: tuple[Evidence, ...] = ()
    reason: str = ""

    @property
    def id(self) -> str:
        """Hash of what caused the finding: a replay gives the same one."""
        cause = (
            self.detector,
            self.kind,
            self.equipment_id,
            self.level,
            self.phase,
            self.onset_ns,
            self.position,
        )
        return hashlib.blake2b("\x1f".join(map(str, cause)).encode(), digest_size=16).hexdigest()


def standing_claims(findings: Iterable[Finding]) -> set[tuple[str, IncidentKind]]:
    """Detectors and kinds whose condition stands: the newest finding of each decides.

    Parameters
    ----------
    findings
        Those of one incident, oldest first.
    """
    newest = {(one.detector, one.kind): one.phase for one in findings}
    return {claim for claim, phase in newest.items() if phase is Phase.RAISED}
