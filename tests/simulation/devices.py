"""Devices: what they measure, the dangers they are in, and their stubborn publishers."""

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from domain.equipment import Equipment, Kind
from domain.instants import NS_PER_MS, seconds
from tests.simulation.broker import Broker, Sent
from tests.simulation.network import Connection
from tests.simulation.plan import DANGER_S, GATEWAY, Danger, Fault, Plan, Script
from tests.simulation.world import World

UNACKNOWLEDGED_MAX = 4
"""Messages that a publisher sends ahead."""

Make = Callable[[str, dict[str, Any]], Sent]

_CALM: dict[Kind, dict[str, Any]] = {
    Kind.LIFT: {
        "service_mode": 1,
        "car_status": 0,
        "door_zone": True,
        "door_closed": True,
        "passenger_present": False,
        "mains_power": True,
    },
    Kind.CRANE: {"hook_load_t": 3.0, "hoist_command": 0},
    Kind.BOILER: {"steam_pressure_mpa": 0.6, "low_water": False, "flame_on": True},
}
_DANGER: dict[Danger, dict[str, Any]] = {
    Danger.ENTRAPMENT: {"door_zone": False, "passenger_present": True},
    Danger.OVERLOAD: {"hook_load_t": 13.0, "hoist_command": 1},
    Danger.LOW_WATER: {"low_water": True},
}
_STREAM = {Kind.LIFT: "status", Kind.CRANE: "telemetry", Kind.BOILER: "telemetry"}


class Publisher:
    """Publishes in order with quality of service 1 and keeps what is not acknowledged."""

    def __init__(self, world: World, plan: Plan, broker: Broker, name: str) -> None:
        self.name = name
        self._world = world
        self._plan = plan
        self._broker = broker
        self._dice = world.dice(f"publisher/{name}")
        self._waiting: deque[tuple[Sent, bool]] = deque()
        self._unacknowledged: deque[tuple[Sent, bool]] = deque()
        self._connection: Connection | None = None
        self.will: Sent | None = None
        self.on_connected: Callable[[], None] = lambda: None
        broker.crash_listeners.append(self._broken)
        self._connect()

    def publish(self, sent: Sent, *, retain: bool = False) -> None:
        """Send when possible, and again until it is acknowledged."""
        self._waiting.append((sent, retain))
        self._send()

    def backlog(self) -> int:
        """Messages that the broker has not acknowledged."""
        return len(self._waiting) + len(self._unacknowledged)

    def disconnect(self, away_s: float) -> None:
        """Lose the connection for a time; the broker publishes the last will."""
        if self._connection is None:
            return
        self._broken(away_s)
        if self.will is not None and self._broker.up:
            self._broker.publish(self.will, retain=True)

    def _broken(self, away_s: float | None = None) -> None:
        if self._connection is not None:
            self._connection.alive = False
            self._connection = None
            self._world.after(away_s or self._dice.uniform(0.2, 3), self._connect)

    def _connect(self) -> None:
        if not self._broker.up:
            self._world.after(self._dice.uniform(0.2, 2), self._connect)
            return
        slow = Fault.SLOW_NETWORK in self._plan
        self._connection = Connection(self._world, self._dice, (0.01, 1.5 if slow else 0.05))
        self._waiting.extendleft(reversed(self._unacknowledged))
        self._unacknowledged.clear()
        self.on_connected()
        self._send()

    def _send(self) -> None:
        connection = self._connection
        while connection and self._waiting and len(self._unacknowledged) < UNACKNOWLEDGED_MAX:
            entry = self._waiting.popleft()
            self._unacknowledged.append(entry)
            connection.up(lambda entry=entry: self._arrived(connection, entry))  # type: ignore[misc]

    def _arrived(self, connection: Connection, entry: tuple[Sent, bool]) -> None:
        self._broker.publish(entry[0], retain=entry[1])
        connection.down(self._puback)

    def _puback(self) -> None:
        self._unacknowledged.popleft()
        self._send()


class Device:
    """One device: numbers its items, knows the time more or less, and is sometimes in danger.

    Attributes
    ----------
    clock_error_ns
        What its clock shows beside the time.
    danger_items
        Numbers of the items of its scripted danger, the next one after it included.
    danger_is_over
        Whether that next one was sent.
    """

    def __init__(
        self, world: World, plan: Plan, equipment: Equipment, publisher: Publisher
    ) -> None:
        self.equipment = equipment
        self.publisher = publisher
        self.clock_error_ns = 0
        self.danger_items: list[int] = []
        self._world = world
        self._plan = plan
        self._dice = world.dice(f"device/{equipment.id}")
        self._boots = 0
        self._seq = 0
        self._boot = ""
        self.danger_is_over = False
        self.reboot()
        script = plan.scripts.get(equipment.id)
        self._script: Script | None = script
        if script is not None and script.danger is Danger.ALARM:
            world.after(script.at_s, self._press_alarm)
        world.after(plan.interval_s + self._dice.uniform(0, 0.2), self._report)
        if not equipment.gateway_id:
            topic = f"ew/v1/{equipment.kind}/{equipment.id}/alive"
            publisher.will = Sent(topic, b'{"online": false}')
            publisher.on_connected = self._say_alive
            self._say_alive()

    def reboot(self) -> None:
        """Begin to number anew; what was not acknowledged survives."""
        self._boots += 1
        self._boot = f"b{self._boots}"
        self._seq = self._boots * 100_000 + self._dice.randrange(3)

    def _item(self, body: dict[str, Any]) -> dict[str, Any]:
        seq, self._seq = self._seq, self._seq + 1
        ts = (self._world.true_ns() + self.clock_error_ns) // NS_PER_MS
        return {"ts": ts, "seq": seq, "boot": self._boot, **body}

    def _publish(self, stream: str, items: list[dict[str, Any]], *, retain: bool = False) -> None:
        equipment = self.equipment
        if equipment.gateway_id:
            head = {"kind": str(equipment.kind), "id": equipment.id, "stream": stream}
            items = [head | item for item in items]
            topic = f"ew/v1/gateway/{equipment.gateway_id}/batch"
        else:
            topic = f"ew/v1/{equipment.kind}/{equipment.id}/{stream}"
        body = items[0] if len(items) == 1 and not equipment.gateway_id else items
        self.publisher.publish(Sent(topic, json.dumps(body).encode()), retain=retain)

    def _say_alive(self) -> None:
        if self._world.now_s < self._plan.duration_s:
            self._publish("alive", [self._item({"online": True})], retain=True)

    def _press_alarm(self) -> None:
        item = self._item({"code": "90"})
        self.danger_items.append(item["seq"])
        self._publish("event", [item])

    def _report(self) -> None:
        now_s = self._world.now_s
        if now_s >= self._plan.duration_s:
            return
        items = [self._item({"v": self._values(now_s)})]
        script = self._script
        if script is not None and script.danger is not Danger.ALARM and now_s >= script.at_s:
            if not self.danger_is_over:
                self.danger_items.append(items[0]["seq"])
            self.danger_is_over = now_s >= script.at_s + DANGER_S[script.danger]
        elif self._dice.random() < 0.05:
            items.append(self._item({"v": {}}))
        self._publish(_STREAM[self.equipment.kind], items)
        self._world.after(self._plan.interval_s, self._report)

    def _values(self, now_s: float) -> dict[str, Any]:
        calm, script = _CALM[self.equipment.kind], self._script
        if script is None or script.danger is Danger.ALARM:
            return dict(calm)
        begun = now_s >= script.at_s
        if script.danger is Danger.ENTRAPMENT and script.at_s - 8 <= now_s < script.at_s:
            return calm | {"car_status": 1, "door_zone": False, "passenger_present": True}
        if begun and now_s < script.at_s + DANGER_S[script.danger]:
            return calm | _DANGER[script.danger]
        return dict(calm)


def make_devices(world: World, plan: Plan, broker: Broker) -> list[Device]:
    """All devices of a plan; those behind a gateway share its publisher."""
    gateway: Publisher | None = None
    devices = []
    for equipment in plan.fleet:
        if equipment.gateway_id:
            gateway = gateway or Publisher(world, plan, broker, GATEWAY)
            publisher = gateway
        else:
            publisher = Publisher(world, plan, broker, equipment.id)
        devices.append(Device(world, plan, equipment, publisher))
    return devices


def break_clock(device: Device, error_s: float) -> None:
    """Set a device's clock wrong, or right again."""
    device.clock_error_ns = seconds(error_s)
