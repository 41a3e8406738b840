"""Captures: a world's messages as JSON lines, the form in which MQTT recordings are replayed."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from domain.instants import NS_PER_S
from domain.readings import Stream
from ingest import topics
from simulators.outgoing import Outgoing
from simulators.truth import write_truth
from simulators.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureReport:
    """What was written."""

    messages: int
    devices: int
    faults: int
    nuisances: int
    duration_s: float


def capture_line(outgoing: Outgoing, start_ns: int) -> str:
    """JSON text of one message, without its newline; ``t`` is in seconds since ``start_ns``.

    A payload that is not UTF-8 stands in ``payload_b64``. ``retain`` is what a subscriber sees that
    was there all the time: a live ``alive`` comes to it unmarked, although the broker keeps it.
    """
    parsed = topics.parse(outgoing.topic)
    alive = isinstance(parsed, topics.DeviceTopic) and parsed.stream is Stream.ALIVE
    record: dict[str, object] = {
        "t": round((outgoing.at_ns - start_ns) / NS_PER_S, 6),
        "topic": outgoing.topic,
    }
    try:
        record["payload"] = outgoing.payload.decode()
    except UnicodeDecodeError:
        record["payload_b64"] = base64.b64encode(outgoing.payload).decode()
    record["retain"] = outgoing.retain and not alive
    return json.dumps(record, ensure_ascii=False)


def write_capture(
    world: World,
    *,
    capture: Path,
    truth: Path | None = None,
    registry: Path | None = None,
    registry_csv: str = "",
    duration_s: float | None = None,
) -> CaptureReport:
    """Run a world in virtual time and write what it sends.

    Parameters
    ----------
    capture, truth, registry
        Files to write: messages, truth lines, and ``registry_csv`` as given.
    duration_s
        Default: the scenario's.
    """
    messages = 0
    with capture.open("w", encoding="utf-8", newline="\n") as file:
        for outgoing in world.outgoing(duration_s):
            file.write(capture_line(outgoing, world.start_ns) + "\n")
            messages += 1
    truths = world.truth()
    if truth is not None:
        write_truth(truth, (*truths, *world.statistics()))
    if registry is not None:
        registry.write_text(registry_csv, encoding="utf-8", newline="")
    return CaptureReport(
        messages=messages,
        devices=len(world.registry()),
        faults=sum(line.kind is not None for line in truths),
        nuisances=sum(line.kind is None for line in truths),
        duration_s=world.scenario.duration_s if duration_s is None else duration_s,
    )
