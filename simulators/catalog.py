"""Everything that a scenario can inject: faults with their truth, and nuisances that are none.

`INJECTIONS` is data: scenario files are checked against it, and ``docs/simulators.md`` is checked
to name every entry and parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.equipment import Kind
from domain.incidents import IncidentKind

Value = float | str | bool
"""Type of an injection's parameter."""

_LIFTS = frozenset({Kind.LIFT})
_BOILERS = frozenset({Kind.BOILER})
_CRANES = frozenset({Kind.CRANE})
SIMULATED = _LIFTS | _BOILERS | _CRANES
"""Kinds that have a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an injection; its default fixes its type.

    Parameters
    ----------
    minimum, maximum
        Bounds of a number, both included.
    choices
        Legal texts; empty = any.
    """

    default: Value
    text: str
    unit: str = ""
    minimum: float = float("-inf")
    maximum: float = float("inf")
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """One kind of scenario entry.

    Parameters
    ----------
    truth
        Incident kind that the fault is; ``None`` for a nuisance, which is no danger.
    may_raise
        Incident kinds that are also true while it lasts: consequences, and what an engineer may
        legitimately be told about a nuisance.
    """

    name: str
    kinds: frozenset[Kind]
    text: str
    truth: IncidentKind | None = None
    may_raise: tuple[IncidentKind, ...] = ()
    parameters: Mapping[str, Parameter]

    @property
    def nuisance(self) -> bool:
        """Whether no danger belongs to it."""
        return self.truth is None


def _number(default: float, unit: str, low: float, high: float, text: str) -> Parameter:
    return Parameter(default=default, unit=unit, minimum=low, maximum=high, text=text)


_PEOPLE = _number(1.0, "1", 1, 13, "people in the car")
_ALARM = _number(-1.0, "s", -1, 3600, "alarm button after the car stood so long; -1 = never")
_CODE_AFTER = _number(3.0, "s", 0, 3600, "fault code after the car stood so long")

_FAULTS = (
    Injection(
        name="entrapment_off_level",
        kinds=_LIFTS,
        text="The next ride with people stops between floors and stays there.",
        truth=IncidentKind.ENTRAPMENT_OFF_LEVEL,
        may_raise=(
            IncidentKind.STOPPED_OUTSIDE_ZONE,
            IncidentKind.LIFT_FAULT,
            IncidentKind.ALARM_BUTTON,
        ),
        parameters={
            "people": _PEOPLE,
            "alarm_after_s": _ALARM,
            "code": Parameter(default="04", text="fault code the controller reports; empty = none"),
            "code_after_s": _CODE_AFTER,
        },
    ),
    Injection(
        name="entrapment_at_level",
        kinds=_LIFTS,
        text="People cannot leave a car that stands at a floor with its door closed.",
        truth=IncidentKind.ENTRAPMENT_AT_LEVEL,
        may_raise=(IncidentKind.LIFT_FAULT, IncidentKind.ALARM_BUTTON),
        parameters={
            "people": _PEOPLE,
            "alarm_after_s": _ALARM,
            "mode": Parameter(
                default="door_fails",
                choices=("door_fails", "no_start"),
                text="door does not open on arrival, or car does not start after boarding",
            ),
            "code": Parameter(default="03", text="fault code the controller reports; empty = none"),
            "code_after_s": _CODE_AFTER,
        },
    ),
    Injection(
        name="alarm_button",
        kinds=_LIFTS,
        text="Somebody presses the alarm button; the lift goes on working.",
        truth=IncidentKind.ALARM_BUTTON,
        parameters={},
    ),
    Injection(
        name="lift_fault",
        kinds=_LIFTS,
        text="The empty car stands at a floor and the controller reports a fault code.",
        truth=IncidentKind.LIFT_FAULT,
        may_raise=(IncidentKind.OUT_OF_SERVICE,),
        parameters={"code": Parameter(default="05", text="fault code, 01-08")},
    ),
    Injection(
        name="overpressure",
        kinds=_BOILERS,
        text="The steam outlet is blocked and the burner stuck at high fire; the valve lifts.",
        truth=IncidentKind.OVERPRESSURE,
        may_raise=(
            IncidentKind.SAFETY_VALVE_LIFTED,
            IncidentKind.SAFETY_VALVE_STUCK,
            IncidentKind.LIMITER_DEFEATED,
        ),
        parameters={
            "valve_stuck": Parameter(default=False, text="the safety valve never opens"),
        },
    ),
    Injection(
        name="low_water_firing",
        kinds=_BOILERS,
        text="The feed pump fails and the low-water limiter is bypassed: the burner fires on.",
        truth=IncidentKind.LOW_WATER_FIRING,
        may_raise=(
            IncidentKind.FEED_PUMP_FAILURE,
            IncidentKind.LIMITER_DEFEATED,
            IncidentKind.TUBE_LEAK,
        ),
        parameters={
            "drain_tph": _number(4.0, "t/h", 0, 30, "loss through a blow-down valve left open"),
        },
    ),
    Injection(
        name="overload",
        kinds=_CRANES,
        text="The crane hoists a load above its capacity and holds it.",
        truth=IncidentKind.OVERLOAD,
        may_raise=(IncidentKind.LIMITER_DEFEATED, IncidentKind.SHOCK_LOAD),
        parameters={
            "factor": _number(1.2, "1", 1.1, 2.0, "load over the capacity at its radius"),
        },
    ),
    Injection(
        name="device_offline",
        kinds=SIMULATED,
        text="The terminal goes silent; the equipment goes on.",
        truth=IncidentKind.DEVICE_OFFLINE,
        may_raise=(IncidentKind.DATA_GAP,),
        parameters={
            "will_after_s": _number(
                -1.0, "s", -1, 3600, "broker publishes the last will so late; -1 = never"
            ),
        },
    ),
)

_NUISANCES = (
    Injection(
        name="cleaner_holding_door",
        kinds=_LIFTS,
        text="A cleaner stands in the car and holds the door open at a floor.",
        may_raise=(IncidentKind.DOOR_HELD_OPEN,),
        parameters={},
    ),
    Injection(
        name="out_of_service_with_person",
        kinds=_LIFTS,
        text="Taken out of service at a floor, door closed, somebody works inside.",
        may_raise=(IncidentKind.OUT_OF_SERVICE,),
        parameters={},
    ),
    Injection(
        name="inspection",
        kinds=_LIFTS,
        text="A technician inspects: slow runs and stops between floors with the door closed.",
        may_raise=(IncidentKind.OUT_OF_SERVICE,),
        parameters={"stop_s": _number(50.0, "s", 1, 3600, "stand between floors so long")},
    ),
    Injection(
        name="fire_return",
        kinds=_LIFTS,
        text="Fire return during a ride: the car goes to the lobby and stays with its door open.",
        may_raise=(IncidentKind.OUT_OF_SERVICE, IncidentKind.DOOR_HELD_OPEN),
        parameters={},
    ),
    Injection(
        name="long_express_run",
        kinds=_LIFTS,
        text="A ride through the express zone: no door zone and no stop for a long time.",
        parameters={"people": _PEOPLE},
    ),
    Injection(
        name="presence_held",
        kinds=_LIFTS,
        text="The presence sensor sees goods or hangs; the car still answers calls.",
        may_raise=(IncidentKind.SENSOR_STUCK,),
        parameters={"idle_s": _number(8.0, "s", 1, 600, "a call comes after so long a stand")},
    ),
    Injection(
        name="level_switch_lost",
        kinds=_LIFTS,
        text="After a power cut the empty car has lost its door-zone signal, then levels again.",
        may_raise=(
            IncidentKind.POWER_FAILURE,
            IncidentKind.STOPPED_OUTSIDE_ZONE,
            IncidentKind.LIFT_FAULT,
            IncidentKind.OUT_OF_SERVICE,
        ),
        parameters={"cut_s": _number(15.0, "s", 1, 3600, "length of the power cut")},
    ),
    Injection(
        name="terminal_reboot",
        kinds=SIMULATED,
        text="The terminal restarts: a short silence, a new boot, another seq.",
        parameters={"off_s": _number(8.0, "s", 0.2, 3600, "length of the silence")},
    ),
    Injection(
        name="out_of_order",
        kinds=SIMULATED,
        text="Some messages overtake others.",
        parameters={
            "delay_s": _number(3.0, "s", 0.1, 60, "longest delay"),
            "share": _number(0.3, "1", 0, 1, "share of messages delayed"),
        },
    ),
    Injection(
        name="duplicates",
        kinds=SIMULATED,
        text="Some messages are delivered twice, the second one a little later.",
        parameters={
            "delay_s": _number(3.0, "s", 0.1, 60, "longest delay of the second one"),
            "share": _number(0.3, "1", 0, 1, "share of messages delivered twice"),
        },
    ),
    Injection(
        name="retained_message",
        kinds=SIMULATED,
        text="The first message after the start comes once more at the end, marked retained.",
        parameters={},
    ),
    Injection(
        name="clock_wrong",
        kinds=SIMULATED,
        text="The device's clock is off.",
        may_raise=(IncidentKind.CLOCK_WRONG,),
        parameters={
            "offset_s": _number(-300.0, "s", -1e9, 1e9, "device time minus true time"),
            "epoch": Parameter(default=False, text="the clock starts in 1970 instead"),
        },
    ),
    Injection(
        name="sentinel_values",
        kinds=SIMULATED,
        text="A sensor sends a sentinel (-999.9, 32767, 65535) instead of values.",
        may_raise=(IncidentKind.SENSOR_STUCK,),
        parameters={},
    ),
    Injection(
        name="load_swing",
        kinds=_BOILERS,
        text="Steam demand jumps between almost nothing and full draw.",
        may_raise=(IncidentKind.PRESSURE_HUNTING,),
        parameters={"period_s": _number(60.0, "s", 5, 3600, "time between two jumps up")},
    ),
    Injection(
        name="gusts",
        kinds=_CRANES,
        text="Gusty wind below the crane's limit, and more sway.",
        may_raise=(IncidentKind.WIND_OVER_LIMIT,),
        parameters={"peak": _number(0.85, "1", 0, 1, "strongest gust over the wind limit")},
    ),
    Injection(
        name="shock_at_lift_off",
        kinds=_CRANES,
        text="A legal load is snatched from the floor: one short peak above its weight.",
        may_raise=(IncidentKind.SHOCK_LOAD,),
        parameters={"factor": _number(1.3, "1", 1.05, 2.0, "dynamic factor at lift-off")},
    ),
)

INJECTIONS: Mapping[str, Injection] = {i.name: i for i in (*_FAULTS, *_NUISANCES)}
"""Every injection by name, faults first."""
