"""What ingest says of itself becomes incidents, once, out of the journal."""

from pathlib import Path

import pytest

from domain.equipment import EMPTY_FLEET
from domain.findings import Finding
from domain.incidents import IncidentKind
from domain.messages import Frame, Message
from domain.refusals import RefusalReason
from ingest import service
from ingest.chain import Chain
from ingest.decoder import Decoder
from ingest.journal import JournalReader, JournalWriter
from ingest.service import ServiceEvent, ServiceEventKind, finding_of

T0 = 1_780_000_000 * 10**9


def frame(position: int, event: ServiceEvent) -> Frame:
    return Frame(position, T0, (service.message_of(event, T0),))


def dropped(position: int, total: int) -> Frame:
    return frame(position, ServiceEvent(kind=ServiceEventKind.BROKER_DROPPED, count=total))


def findings(decoder: Decoder, *frames: Frame) -> list[Finding]:
    return [finding_of(notice) for notice in decoder.decode(frames).service]


def test_a_lost_session_is_an_ingest_gap_since_the_last_message() -> None:
    lost = ServiceEvent(kind=ServiceEventKind.SESSION_LOST, since_ns=T0 - 60)
    [found] = findings(Decoder(EMPTY_FLEET), frame(1, lost))
    assert found.kind is IncidentKind.INGEST_GAP
    assert (found.onset_ns, found.detected_at_ns, found.position) == (T0 - 60, T0, 1)


def test_the_brokers_total_raises_what_was_dropped_since() -> None:
    """The broker counts 3, then 5, says 5 again, and starts anew with 2.

    ::

        0 ──► 3 ──► 5 ──► 5 ──► (restart) ──► 2
          +3    +2    -                  +2
    """
    decoder = Decoder(EMPTY_FLEET)
    found = findings(decoder, dropped(1, 3), dropped(2, 5), dropped(3, 5), dropped(4, 2))
    assert {one.kind for one in found} == {IncidentKind.BROKER_DROPS}
    assert [one.evidence[0].value for one in found] == [3, 2, 2]


def test_a_restart_of_the_pipeline_raises_no_drop_twice() -> None:
    first = Decoder(EMPTY_FLEET)
    assert len(findings(first, dropped(1, 3))) == 1
    second = Decoder(EMPTY_FLEET)
    second.restore(first.snapshot())
    assert findings(second, dropped(2, 3)) == []


def test_an_event_of_another_version_is_refused_and_stops_nothing() -> None:
    frames = [Frame(1, T0, (Message(service.TOPIC, b'{"kind": "sung"}', T0),)), dropped(2, 1)]
    decoded = Decoder(EMPTY_FLEET).decode(frames)
    assert [refusal.reason for refusal in decoded.refusals] == [RefusalReason.BAD_ITEM]
    assert len(decoded.service) == 1
    assert decoded.counts.messages == decoded.counts.decoded + decoded.counts.quarantined == 2


@pytest.mark.parametrize("total", [0, 7])
def test_the_chain_says_what_the_decoder_reads(tmp_path: Path, total: int) -> None:
    chain = Chain(lambda: JournalWriter(tmp_path), clock=lambda: T0)
    chain.open()
    chain.broker_dropped(total)
    chain.commit(lambda _mid, _qos: None)
    chain.close()
    reader = JournalReader(tmp_path)
    found = findings(Decoder(EMPTY_FLEET), *reader.read(0, 10))
    reader.close()
    assert [one.evidence[0].value for one in found] == ([total] if total else [])
