"""What really happened in a simulated world: never in a payload, always in the verdict."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from domain.instants import to_iso
from simulators.scenario import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One line of a truth file.

    Parameters
    ----------
    kind
        Incident kind of a fault; ``None`` for a nuisance.
    cause
        Name of the injection.
    from_ns, to_ns
        When the dangerous condition (or the nuisance) physically began and ended. ``None`` = it
        never began, or it stood at the end.
    evidence_from_ns
        When the device first sent data in which the condition shows, ``None`` = it never did.
    may_raise
        Further incident kinds that are true of this device between these instants.
    """

    kind: str | None
    equipment_id: str
    cause: str
    from_ns: int | None
    to_ns: int | None
    evidence_from_ns: int | None
    may_raise: tuple[str, ...]

    def line(self) -> str:
        """JSON text without its newline; instants in ISO 8601 UTC."""
        what = {"nuisance": self.cause} if self.kind is None else {"kind": self.kind}
        record: dict[str, object] = {
            **what,
            "equipment_id": self.equipment_id,
            "from": _iso(self.from_ns),
            "to": _iso(self.to_ns),
            "cause": self.cause,
            "may_raise": list(self.may_raise),
        }
        if self.kind is not None:
            record |= {
                "evidence_sent": self.evidence_from_ns is not None,
                "evidence_from": _iso(self.evidence_from_ns),
            }
        return json.dumps(record, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A true count or figure of a device, as its own kind of line in a truth file.

    Parameters
    ----------
    statistic
        ``hoist_cycles``: loads lifted and set down (or lost). ``load_spectrum_kp``: mean cube of
        load over rated load of these cycles. ``trips``: runs of a lift that served calls.
        ``traffic_days``: the same over the lift's natural trips a day.
    from_ns, to_ns
        Time that it covers.
    """

    statistic: str
    equipment_id: str
    value: float
    from_ns: int
    to_ns: int

    def line(self) -> str:
        """JSON text without its newline."""
        record = {
            "statistic": self.statistic,
            "equipment_id": self.equipment_id,
            "from": to_iso(self.from_ns),
            "to": to_iso(self.to_ns),
            "value": round(self.value, 6),
        }
        return json.dumps(record, ensure_ascii=False)


Line = Truth | Statistic
"""What stands in a truth file."""


def write_truth(path: Path, truths: Iterable[Line]) -> None:
    """Write a truth file, one JSON object a line."""
    text = "".join(truth.line() + "\n" for truth in truths)
    path.write_text(text, encoding="utf-8")


@dataclass(slots=True)
class TruthNote:
    """Truth of one entry while the world runs; the script of the injection fills it in.

    Parameters
    ----------
    place
        Of the entry within its scenario.
    evident
        The device's data show the condition from now on, if its terminal speaks.
    over
        The condition ended in an earlier step, so that later data are no evidence of it.
    """

    entry: Entry
    place: int = 0
    from_ns: int | None = None
    to_ns: int | None = None
    evidence_from_ns: int | None = None
    evident: bool = False
    over: bool = False

    def truth(self) -> Truth:
        """Line as it stands now."""
        injection = self.entry.injection
        return Truth(
            kind=None if injection.truth is None else str(injection.truth),
            equipment_id=self.entry.equipment_id,
            cause=injection.name,
            from_ns=self.from_ns,
            to_ns=self.to_ns,
            evidence_from_ns=self.evidence_from_ns,
            may_raise=tuple(str(kind) for kind in injection.may_raise),
        )


def _iso(instant_ns: int | None) -> str | None:
    return None if instant_ns is None else to_iso(instant_ns)
