"""When the enabled faults strike."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from domain.instants import seconds
from tests.simulation.broker import Sent
from tests.simulation.devices import Device, break_clock
from tests.simulation.plan import Fault, Plan
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.simulation import Machine

STEPS_S = (-3600.0, -90.0, -3.0, 0.4, 2.0, 40.0, 3600.0)
"""Steps of our own clock."""

DEVICE_ERRORS_S = (-28_800.0, -300.0, 400.0, -3e8)
"""Errors of device clocks: eight hours, five minutes, ahead, and one that lost its time."""

_FIRST_S = 5.0


class _Schedule:
    def __init__(
        self, world: World, plan: Plan, machine: "Machine", devices: Sequence[Device]
    ) -> None:
        self.world = world
        self.plan = plan
        self.machine = machine
        self.devices = devices
        self.dice = world.dice("faults")

    def strike(self, fault: Fault, times: int, action: Callable[[], None]) -> None:
        """Let a fault strike some times while there is traffic."""
        for _ in range(self.dice.randint(1, times)):
            at_s = self.dice.uniform(_FIRST_S, self.plan.duration_s)
            self.world.after(at_s, lambda: self.struck(fault, action))

    def struck(self, fault: Fault, action: Callable[[], None]) -> None:
        """Let a fault strike now, unless the traffic is over."""
        if self.world.now_s < self.plan.duration_s:
            self.world.say("FAULT", str(fault))
            action()

    def later(self, low_s: float, high_s: float, action: Callable[[], None]) -> None:
        """End a fault."""
        self.world.after(self.dice.uniform(low_s, high_s), action)

    def device(self) -> Device:
        """Some device."""
        return self.dice.choice(self.devices)

    # What each fault does.

    def broker_crash(self) -> None:
        self.machine.broker.crash(self.dice.uniform(0.3, 8))

    def ingest_crash(self) -> None:
        self.machine.ingest.trap.arm(power=False)

    def core_crash(self) -> None:
        self.machine.core.trap.arm(power=False)

    def power_loss(self) -> None:
        process = self.dice.choice((self.machine.ingest, self.machine.core))
        process.trap.arm(power=True)

    def disk_full(self) -> None:
        self.machine.set_full(full=True)
        self.later(1, 25, lambda: self.machine.set_full(full=False))

    def disk_budget(self) -> None:
        self.machine.disk.share = self.dice.choice((0.75, 0.9, 0.9, 0.97))
        self.later(5, 40, lambda: setattr(self.machine.disk, "share", 0.0))

    def telemetry_away(self) -> None:
        telemetry = self.machine.core.telemetry
        telemetry.away = True
        self.later(1, 50, lambda: setattr(telemetry, "away", False))

    def state_away(self) -> None:
        core = self.machine.core
        core.set_state_away(away=True)
        self.later(1, 20, lambda: core.set_state_away(away=False))

    def our_clock(self) -> None:
        self.world.wall_skew_ns += seconds(self.dice.choice(STEPS_S))

    def device_clock(self) -> None:
        device = self.device()
        break_clock(device, self.dice.choice(DEVICE_ERRORS_S))
        self.later(5, 60, lambda: break_clock(device, 0.0))

    def device_link(self) -> None:
        self.device().publisher.disconnect(self.dice.choice((1.0, 5.0, 20.0, 130.0)))

    def reboot(self) -> None:
        self.device().reboot()

    def rubbish(self) -> None:
        device = self.device()
        topic = self.dice.choice(
            (
                f"ew/v1/{device.equipment.kind}/{device.equipment.id}/status",
                "ew/v1/lift/nobody/status",
            )
        )
        number = self.dice.randrange(1_000_000)
        device.publisher.publish(Sent(topic, f'{{"rubbish": {number}'.encode()))


def schedule(world: World, plan: Plan, machine: "Machine", devices: Sequence[Device]) -> None:
    """Put the strikes of all enabled faults on the agenda."""
    on = _Schedule(world, plan, machine, devices)
    for fault, times, action in (
        (Fault.INGEST_LINK, 5, machine.ingest.break_connection),
        (Fault.DEVICE_LINKS, 5, on.device_link),
        (Fault.BROKER_RESTART, 2, on.broker_crash),
        (Fault.BROKER_UNSYNCED, 2, on.broker_crash),
        (Fault.SESSION_LOST, 2, on.broker_crash),
        (Fault.INGEST_CRASH, 3, on.ingest_crash),
        (Fault.CORE_CRASH, 3, on.core_crash),
        (Fault.POWER_LOSS, 2, on.power_loss),
        (Fault.DISK_FULL, 2, on.disk_full),
        (Fault.DISK_BUDGET, 2, on.disk_budget),
        (Fault.TELEMETRY_AWAY, 2, on.telemetry_away),
        (Fault.STATE_AWAY, 2, on.state_away),
        (Fault.OUR_CLOCK, 3, on.our_clock),
        (Fault.DEVICE_CLOCKS, 2, on.device_clock),
        (Fault.RUBBISH, 4, on.rubbish),
    ):
        if fault in plan:
            on.strike(fault, times, action)
    if Fault.REBOOTS in plan:
        on.strike(Fault.REBOOTS, 2, on.reboot)
    if Fault.CORE_CRASH in plan:
        dice = world.dice("faults/core")
        for script in plan.scripts.values():
            # While a danger is on its way to the state store a death matters most.
            at_s = script.at_s + dice.uniform(0, 8)
            world.after(at_s, lambda: on.struck(Fault.CORE_CRASH, on.core_crash))
