"""What would become of refused messages now: the present decoder, registry and detectors.

Nothing is stored and nothing is raised. The messages are judged in the order they were received,
each at its own received time, with a second's ticks in between; of a message that was refused in
part, only the refused item is judged. What the devices sent besides is not seen, so a finding here
says what the refused messages show by themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import numpy as np

from detectors.bank import Bank
from domain.equipment import Fleet
from domain.findings import Finding
from domain.instants import NS_PER_S
from domain.messages import Frame, Message
from domain.readings import Sample
from domain.refusals import Refusal, RefusalReason
from ingest.decoder import Decoded, DecodeLimits, Decoder
from ingest.wire.catalog import items_of
from ingest.wire.native import MalformedPayloadError
from storage.rows import stored_rows

REEXAMINED_MAX = 10_000
"""Messages of one reexamination."""

TICKS_MAX = 1_000
"""Ticks between two messages: beyond the longest silence that is judged nothing changes."""


class Outcome(StrEnum):
    """What the present decoder makes of a message or item."""

    DECODED = "decoded"
    DUPLICATED = "duplicated"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One refused message or item, then and now.

    Parameters
    ----------
    reason, detail
        Why it is still refused; ``None`` and empty otherwise.
    rows
        Rows that it would give.
    """

    refusal: Refusal
    outcome: Outcome
    reason: RefusalReason | None = None
    detail: str = ""
    rows: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reexamined:
    """Verdicts in the order received, and what detectors would have found in the rows."""

    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]

    def counts(self) -> dict[str, int]:
        """Verdicts by outcome."""
        outcomes = [verdict.outcome for verdict in self.verdicts]
        return {outcome.value: outcomes.count(outcome) for outcome in Outcome}

    def still_refused(self) -> dict[str, int]:
        """Verdicts that refuse, by today's reason."""
        reasons = [verdict.reason for verdict in self.verdicts if verdict.reason is not None]
        return {reason.value: reasons.count(reason) for reason in dict.fromkeys(reasons)}


def reexamine(
    refusals: Sequence[Refusal],
    fleet: Fleet,
    parameters: Mapping[str, Mapping[str, float]] | None = None,
) -> Reexamined:
    """Judge refused messages anew, up to `REEXAMINED_MAX` of them.

    Parameters
    ----------
    fleet
        The present registry.
    parameters
        Detector parameters by detector and name.
    """
    decoder, bank = Decoder(fleet), Bank(fleet, parameters)
    verdicts: list[Verdict] = []
    findings: list[Finding] = []
    last_ns = 0
    ordered = sorted(refusals, key=lambda r: (r.received_at_ns, r.position, r.index, r.item))
    for refusal in ordered[:REEXAMINED_MAX]:
        for tick_ns in _ticks(last_ns, refusal.received_at_ns):
            findings += bank.tick(tick_ns, refusal.position)
        last_ns = refusal.received_at_ns
        frame = Frame(refusal.position, last_ns, (_isolated(refusal),))
        decoded = decoder.decode([frame])
        for batch in decoded.batches:
            findings += bank.step(batch)
        verdicts.append(_verdict(refusal, decoded))
    return Reexamined(verdicts=tuple(verdicts), findings=tuple(findings))


def _ticks(last_ns: int, until_ns: int) -> Iterator[int]:
    if not last_ns:
        return
    first = last_ns // NS_PER_S + 1
    yield from (s * NS_PER_S for s in range(first, until_ns // NS_PER_S + 1)[:TICKS_MAX])


def _isolated(refusal: Refusal) -> Message:
    """The message, or the one item of it that was refused: the others were used."""
    message = Message(refusal.topic, refusal.payload, refusal.received_at_ns)
    if refusal.item < 0:
        return message
    try:
        items = items_of(message, DecodeLimits().gateway_bytes_max)
    except MalformedPayloadError:
        return message
    if refusal.item >= len(items):
        return message
    return message._replace(payload=msgspec.json.encode([items[refusal.item]]))


def _verdict(refusal: Refusal, decoded: Decoded) -> Verdict:
    rows = tuple(
        row.sample for batch in decoded.batches for row in stored_rows(batch, np.arange(len(batch)))
    )
    if rows:
        return Verdict(refusal=refusal, outcome=Outcome.DECODED, rows=rows)
    if decoded.refusals:
        now = decoded.refusals[0]
        return Verdict(
            refusal=refusal, outcome=Outcome.REFUSED, reason=now.reason, detail=now.detail
        )
    return Verdict(refusal=refusal, outcome=Outcome.DUPLICATED)
