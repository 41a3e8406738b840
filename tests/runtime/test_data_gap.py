"""A gap in a device's numbering is a finding of its own; it raises and hides no other."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detectors.bank import Bank
from dispatch.intake import take
from domain.equipment import Fleet, build_fleet
from domain.findings import Finding
from domain.incidents import Incident, IncidentKind
from domain.instants import seconds
from domain.messages import Frame, Message
from domain.ports import IncidentQuery
from ingest.decoder import Decoder
from ingest.ledger import Ledger
from simulators.world import World
from tests.support.simulated import START_NS, entry, world
from tests.support.states import new_state

DURATION_S = 300


@dataclass
class Judged:
    """What detectors and ledger say of one journal."""

    detected: list[Finding] = field(default_factory=list)
    gaps: list[Finding] = field(default_factory=list)


def messages(made: World, *, skip_every: int = 0) -> list[Message]:
    """What the world sends; with ``skip_every`` each device's numbering leaves one out so often."""
    sent: list[Message] = []
    for outgoing in made.outgoing():
        body = json.loads(outgoing.payload)
        if skip_every and "seq" in body:
            body["seq"] += body["seq"] // skip_every
        payload = json.dumps(body).encode()
        sent.append(Message(outgoing.topic, payload, outgoing.at_ns + seconds(0.1)))
    return sent


def judge(fleet: Fleet, sent: list[Message]) -> Judged:
    decoder, bank, ledger = Decoder(fleet), Bank(fleet), Ledger(fleet)
    judged = Judged()
    by_second: dict[int, list[Message]] = {}
    for message in sorted(sent, key=lambda message: message.received_at_ns):
        second = (message.received_at_ns - START_NS) // seconds(1) + 1
        by_second.setdefault(second, []).append(message)
    for second in range(DURATION_S + 200):
        now_ns = START_NS + seconds(second)
        due = by_second.get(second)
        if due:
            decoded = decoder.decode([Frame(2 * second - 1, now_ns, tuple(due))])
            ledger.take(decoded, decoder.device)
            for batch in decoded.batches:
                judged.detected += bank.step(batch)
        judged.detected += bank.tick(now_ns, 2 * second)
        judged.gaps += ledger.due(now_ns, 2 * second, decoder.device)
    return judged


def incidents(file: Path, fleet: Fleet, findings: Sequence[Finding]) -> list[Incident]:
    store = new_state(file)
    with store.writing() as tx:
        take(tx, sorted(findings, key=lambda finding: finding.position), fleet)
        found = tx.incidents.find(IncidentQuery())
    store.close()
    return list(found)


def test_holes_in_the_numbering_change_no_other_finding_and_no_other_incident(
    tmp_path: Path,
) -> None:
    made = [
        world(
            entry("entrapment_off_level", "lift-0001", 20, 270),
            duration_s=DURATION_S,
            lifts=2,
        )
        for _ in range(2)
    ]
    fleet = build_fleet(1, made[0].registry())
    whole = judge(fleet, messages(made[0]))
    holed = judge(fleet, messages(made[1], skip_every=5))
    assert IncidentKind.ENTRAPMENT_OFF_LEVEL in {finding.kind for finding in whole.detected}
    assert holed.detected == whole.detected
    assert whole.gaps == []
    assert {finding.kind for finding in holed.gaps} == {IncidentKind.DATA_GAP}

    plain = incidents(tmp_path / "whole.db", fleet, whole.detected)
    with_gaps = incidents(tmp_path / "holed.db", fleet, [*holed.detected, *holed.gaps])
    assert [one for one in with_gaps if one.kind is not IncidentKind.DATA_GAP] == plain
    assert len(with_gaps) > len(plain)
