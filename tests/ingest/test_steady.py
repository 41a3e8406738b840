"""The steady path gives what the general path gives: rows, counts, refusals and memory."""

import json
import random
from typing import Any

import pytest

from domain.equipment import Equipment, Kind, build_fleet
from domain.instants import from_iso, seconds, to_iso
from domain.messages import Frame, Message
from ingest.decoder import Decoded, Decoder

NOW = from_iso("2026-05-28T12:00:00Z")
KINDS = {"L1": Kind.LIFT, "L2": Kind.LIFT, "B1": Kind.BOILER, "C1": Kind.CRANE}
FLEET = build_fleet(
    1, [Equipment(id=name, kind=kind, gateway_id="G1") for name, kind in KINDS.items()]
)
CHANNELS: dict[Kind, dict[str, list[Any]]] = {
    Kind.LIFT: {
        "door_zone": [True, 0, 1.0, 2, None],
        "car_status": [0, 1, True, 1.5],
        "car_position": ["B1", 7, "7", "G", None],
        "speed_mps": [0.0, 1.5, -999.9],
        "made_up": [1, 2],
    },
    Kind.BOILER: {
        "steam_pressure_mpa": [0.4, 1, 65535, "x"],
        "burner_stage": [0, 5, 6],
        "flame_on": [False, True],
    },
    Kind.CRANE: {"hook_load_t": [1, 2.5], "hoist_command": [-1, 0, 1, 0.5]},
}


class GeneralOnly(Decoder):
    """Every message goes the general path."""

    def _find_route(self, topic: str) -> None:
        del topic


class Terminal:
    """A device that mostly behaves."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name, self.rng, self.seq, self.boot = name, rng, rng.randrange(5), "b0"
        self.lag_s = 0.0

    def item(self, now_ns: int, stream: str, oddity: float) -> dict[str, Any]:
        rng = self.rng
        odd = rng.random() < oddity
        if odd and rng.random() < 0.2:
            self.boot, self.seq = f"b{rng.randrange(4)}", rng.randrange(3)
        if odd and rng.random() < 0.2:
            self.lag_s = rng.choice([0, 5, -90, 119, 121, 300, 30_000])
        self.seq += rng.choice([0, 1, 3, -2]) if odd else 1
        ts_ns = now_ns - seconds(self.lag_s) - seconds(rng.choice([0, 0, 0, 1.25]))
        ts: Any = ts_ns // 10**6
        if rng.random() < 0.2:
            ts = rng.choice(
                [to_iso(ts_ns), "2026-05-28T20:00:00", None] if odd else [to_iso(ts_ns)]
            )
        item: dict[str, Any] = {"ts": ts, "seq": self.seq, "boot": self.boot}
        if stream == "alive":
            return {**item, "online": rng.random() < 0.9 if odd else True}
        if stream in {"fault", "event"}:
            return {**item, "code": rng.choice(["04", 43, "90"])}
        if odd and rng.random() < 0.1:
            item["code"] = "02"
        return {**item, "v": self.values(odd=odd)}

    def values(self, *, odd: bool) -> dict[str, Any]:
        channels = CHANNELS[KINDS[self.name]]
        names = self.rng.sample(sorted(channels), self.rng.randrange(len(channels) + 1))
        names = [name for name in names if odd or name != "made_up"]
        return {name: self.rng.choice(channels[name][: None if odd else 2]) for name in names}


def traffic(rng: random.Random, oddity: float) -> list[Frame]:
    terminals = [Terminal(name, rng) for name in KINDS]
    frames, now_ns = [], NOW
    for position in range(1, rng.randrange(3, 30)):
        messages = []
        for _ in range(rng.randrange(1, 12)):
            now_ns += seconds(rng.choice([0, 0.01, 1, 40]))
            messages.append(one_message(terminals, rng, now_ns, oddity))
        frames.append(Frame(position, now_ns, tuple(messages)))
    return frames


def one_message(
    terminals: list[Terminal], rng: random.Random, now_ns: int, oddity: float
) -> Message:
    streams = ["status", "telemetry", "status", "alive", "event"]
    if rng.random() < 0.4:
        items = []
        for _ in range(rng.randrange(1, 8)):
            terminal, stream = rng.choice(terminals), rng.choice(streams)
            head = {"kind": KINDS[terminal.name], "id": terminal.name, "stream": stream}
            items.append({**head, **terminal.item(now_ns, stream, oddity)})
        return Message("ew/v1/gateway/G1/batch", json.dumps(items).encode(), now_ns)
    terminal, stream = rng.choice(terminals), rng.choice(streams)
    topic = f"ew/v1/{KINDS[terminal.name]}/{terminal.name}/{stream}"
    sent = [terminal.item(now_ns, stream, oddity) for _ in range(rng.choice([1, 1, 1, 4]))]
    payload = json.dumps(sent[0] if len(sent) == 1 else sent).encode()
    retain = stream == "alive" and rng.random() < oddity
    return Message(topic, payload, now_ns, retain)


@pytest.mark.parametrize("oddity", [0.0, 0.02, 0.3])
def test_the_steady_path_gives_what_the_general_path_gives(oddity: float) -> None:
    for seed in range(60):
        rng = random.Random(f"{seed}/{oddity}")
        frames = traffic(rng, oddity)
        steady, general = Decoder(FLEET), GeneralOnly(FLEET)
        cut = rng.randrange(len(frames) + 1)
        for part in (frames[:cut], frames[cut:]):
            assert shown(steady.decode(part)) == shown(general.decode(part)), f"seed {seed}"
        assert dict(steady.devices) == dict(general.devices), f"seed {seed}"


def test_ordinary_traffic_takes_the_steady_path() -> None:
    frames = traffic(random.Random(1), 0.0)
    decoder = Decoder(FLEET)
    decoder.decode(frames)
    steady = {name: bool(decoder._steady[KINDS[name]].is_steady.any()) for name in KINDS}
    assert all(steady.values()), steady


def shown(decoded: Decoded) -> dict[str, Any]:
    batches = sorted(decoded.batches, key=lambda batch: batch.kind)
    columns = {
        (batch.kind, name): str(getattr(batch, name).tolist())
        for batch in batches
        for name in batch.__slots__
        if hasattr(getattr(batch, name), "tolist")
    }
    rest = {batch.kind: (batch.extras, batch.vocabulary) for batch in batches}
    return {
        "columns": columns,
        "rest": rest,
        "refusals": decoded.refusals,
        "counts": decoded.counts,
        "repeats": sorted(decoded.repeats),
        "gaps": sorted(decoded.gaps),
    }
