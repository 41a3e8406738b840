"""Injections of lifts; rates and durations from elevators.md 5 and 6.3, the rest proposals."""

from domain.incidents import IncidentKind
from simulators.injection import LIFTS, Injection, Parameter, number

_PEOPLE = number(1.0, "1", 1, 13, "people in the car", 1, 1, 1, 2, 2, 3)
_ALARM = number(
    -1.0, "s", -1, 3600, "alarm button after the car stood so long; -1 = never", -1, -1, 15, 60, 180
)
_CODE_AFTER = number(3.0, "s", 0, 3600, "fault code after the car stood so long")
_MAINS_OFF = Parameter(
    default=False,
    text="a power cut is the cause: presence is unknown",
    drawn=(*(False,) * 9, True),
)

FAULTS = (
    Injection(
        name="entrapment_off_level",
        kinds=LIFTS,
        text="The next ride with people stops between floors and stays there.",
        truth=IncidentKind.ENTRAPMENT_OFF_LEVEL,
        may_raise=(
            IncidentKind.STOPPED_OUTSIDE_ZONE,
            IncidentKind.LIFT_FAULT,
            IncidentKind.ALARM_BUTTON,
            IncidentKind.POWER_FAILURE,
            IncidentKind.OUT_OF_SERVICE,
        ),
        parameters={
            "people": _PEOPLE,
            "mains_off": _MAINS_OFF,
            "alarm_after_s": _ALARM,
            "code": Parameter(
                default="04",
                text="fault code the controller reports; empty = none",
                drawn=("04", "04", ""),
            ),
            "code_after_s": _CODE_AFTER,
        },
        rate_per_year=0.03,
        lasts_s=(480, 1800),
    ),
    Injection(
        name="entrapment_at_level",
        kinds=LIFTS,
        text="People cannot leave a car that stands at a floor with its door closed.",
        truth=IncidentKind.ENTRAPMENT_AT_LEVEL,
        may_raise=(
            IncidentKind.LIFT_FAULT,
            IncidentKind.ALARM_BUTTON,
            IncidentKind.POWER_FAILURE,
            IncidentKind.OUT_OF_SERVICE,
        ),
        parameters={
            "people": _PEOPLE,
            "mains_off": _MAINS_OFF,
            "alarm_after_s": _ALARM,
            "mode": Parameter(
                default="door_fails",
                choices=("door_fails", "no_start"),
                drawn=("door_fails", "no_start"),
                text="door does not open on arrival, or car does not start after boarding",
            ),
            "code": Parameter(
                default="03",
                text="fault code the controller reports; empty = none",
                drawn=("03", "02", ""),
            ),
            "code_after_s": _CODE_AFTER,
        },
        rate_per_year=0.03,
        lasts_s=(480, 1800),
    ),
    Injection(
        name="alarm_button",
        kinds=LIFTS,
        text="Somebody presses the alarm button; the lift goes on working.",
        truth=IncidentKind.ALARM_BUTTON,
        parameters={},
        rate_per_year=1.0,
        lasts_s=(10, 60),
    ),
    Injection(
        name="lift_fault",
        kinds=LIFTS,
        text="The empty car stands at a floor and the controller reports a fault code.",
        truth=IncidentKind.LIFT_FAULT,
        may_raise=(IncidentKind.OUT_OF_SERVICE,),
        parameters={
            "code": Parameter(
                default="05",
                text="fault code, 01-08",
                drawn=("01", "02", "03", "05", "06", "07", "08"),
            )
        },
        rate_per_year=1.0,
        lasts_s=(600, 7200),
    ),
    Injection(
        name="stopped_outside_zone",
        kinds=LIFTS,
        text="The empty car stops between floors and stays there until somebody levels it.",
        truth=IncidentKind.STOPPED_OUTSIDE_ZONE,
        may_raise=(
            IncidentKind.LIFT_FAULT,
            IncidentKind.OUT_OF_SERVICE,
        ),
        parameters={
            "code": Parameter(
                default="04",
                text="fault code the controller reports; empty = none",
                drawn=("04", ""),
            )
        },
        rate_per_year=0.2,
        lasts_s=(300, 3600),
    ),
    Injection(
        name="moved_with_door_open",
        kinds=LIFTS,
        text="The car creeps away from a floor with its door open, and stands.",
        truth=IncidentKind.MOVED_WITH_DOOR_OPEN,
        may_raise=(
            IncidentKind.LIFT_FAULT,
            IncidentKind.STOPPED_OUTSIDE_ZONE,
            IncidentKind.OUT_OF_SERVICE,
            IncidentKind.DOOR_HELD_OPEN,
            IncidentKind.ENTRAPMENT_OFF_LEVEL,
        ),
        parameters={
            "by_m": number(0.6, "m", 0.3, 1.5, "way from the floor", 0.3, 0.6, 1.0),
            "code": Parameter(
                default="05",
                text="fault code the controller reports; empty = none",
                drawn=("05", ""),
            ),
        },
        rate_per_year=0.02,
        lasts_s=(300, 3600),
    ),
    Injection(
        name="over_travel",
        kinds=LIFTS,
        text="The car runs past the highest or lowest floor and stands on the limit.",
        truth=IncidentKind.OVER_TRAVEL,
        may_raise=(
            IncidentKind.LIFT_FAULT,
            IncidentKind.STOPPED_OUTSIDE_ZONE,
            IncidentKind.OUT_OF_SERVICE,
            IncidentKind.ENTRAPMENT_OFF_LEVEL,
        ),
        parameters={
            "by_m": number(0.45, "m", 0.25, 1.0, "way past the floor", 0.3, 0.45, 0.6),
            "code": Parameter(default="", text="fault code of the device's dialect; empty = none"),
        },
        rate_per_year=0.02,
        lasts_s=(300, 3600),
    ),
    Injection(
        name="door_held_open",
        kinds=LIFTS,
        text="Something blocks the door of the empty car at a floor.",
        truth=IncidentKind.DOOR_HELD_OPEN,
        may_raise=(
            IncidentKind.LIFT_FAULT,
            IncidentKind.OUT_OF_SERVICE,
        ),
        parameters={
            "code": Parameter(
                default="", text="fault code the controller reports; empty = none", drawn=("", "02")
            )
        },
        rate_per_year=1.0,
        lasts_s=(300, 3600),
    ),
    Injection(
        name="door_cycling",
        kinds=LIFTS,
        text="The door closes on an obstacle and opens again, over and over.",
        truth=IncidentKind.DOOR_CYCLING,
        may_raise=(
            IncidentKind.LIFT_FAULT,
            IncidentKind.DOOR_HELD_OPEN,
            IncidentKind.OUT_OF_SERVICE,
        ),
        parameters={
            "open_s": number(3.0, "s", 0.4, 60, "open so long between two attempts", 2.0, 3.0, 5.0)
        },
        rate_per_year=1.0,
        lasts_s=(180, 1800),
    ),
    Injection(
        name="out_of_service",
        kinds=LIFTS,
        text="The empty car leaves service without any reason told.",
        truth=IncidentKind.OUT_OF_SERVICE,
        may_raise=(IncidentKind.LIFT_FAULT,),
        parameters={},
        rate_per_year=0.5,
        lasts_s=(900, 14400),
    ),
    Injection(
        name="power_failure",
        kinds=LIFTS,
        text="The mains fail: the car levels on its battery, opens and stands; presence unknown.",
        truth=IncidentKind.POWER_FAILURE,
        may_raise=(
            IncidentKind.OUT_OF_SERVICE,
            IncidentKind.LIFT_FAULT,
            IncidentKind.DOOR_HELD_OPEN,
        ),
        parameters={"event": Parameter(default=True, text="the controller reports event 41")},
        rate_per_year=0.2,
        lasts_s=(120, 3600),
        estate=True,
    ),
)

NUISANCES = (
    Injection(
        name="cleaner_holding_door",
        kinds=LIFTS,
        text="A cleaner stands in the car and holds the door open at a floor.",
        may_raise=(IncidentKind.DOOR_HELD_OPEN,),
        parameters={},
        rate_per_year=50.0,
        lasts_s=(60, 600),
    ),
    Injection(
        name="out_of_service_with_person",
        kinds=LIFTS,
        text="Taken out of service at a floor, door closed, somebody works inside.",
        may_raise=(IncidentKind.OUT_OF_SERVICE,),
        parameters={},
        rate_per_year=6.0,
        lasts_s=(120, 3600),
    ),
    Injection(
        name="inspection",
        kinds=LIFTS,
        text="A technician inspects: slow runs and stops between floors with the door closed.",
        may_raise=(IncidentKind.OUT_OF_SERVICE,),
        parameters={"stop_s": number(50.0, "s", 1, 3600, "stand between floors so long")},
        rate_per_year=24.0,
        lasts_s=(600, 3600),
    ),
    Injection(
        name="fire_return",
        kinds=LIFTS,
        text="Fire return during a ride: the car goes to the lobby and stays with its door open.",
        may_raise=(IncidentKind.OUT_OF_SERVICE, IncidentKind.DOOR_HELD_OPEN),
        parameters={},
        rate_per_year=0.5,
        lasts_s=(120, 1800),
    ),
    Injection(
        name="long_express_run",
        kinds=LIFTS,
        text="A ride through the express zone: no door zone and no stop for a long time.",
        parameters={"people": _PEOPLE},
        rate_per_year=300.0,
        lasts_s=(60, 120),
    ),
    Injection(
        name="presence_held",
        kinds=LIFTS,
        text="The presence sensor sees goods or hangs; the car still answers calls.",
        may_raise=(IncidentKind.SENSOR_STUCK,),
        parameters={"idle_s": number(8.0, "s", 1, 600, "a call comes after so long a stand")},
        rate_per_year=4.0,
        lasts_s=(300, 3600),
    ),
    Injection(
        name="level_switch_lost",
        kinds=LIFTS,
        text="After a power cut the empty car has lost its door-zone signal, then levels again.",
        may_raise=(
            IncidentKind.POWER_FAILURE,
            IncidentKind.STOPPED_OUTSIDE_ZONE,
            IncidentKind.LIFT_FAULT,
            IncidentKind.OUT_OF_SERVICE,
        ),
        parameters={"cut_s": number(15.0, "s", 1, 3600, "length of the power cut")},
        rate_per_year=0.5,
        lasts_s=(60, 600),
    ),
    Injection(
        name="held_at_level",
        kinds=LIFTS,
        text="The door is held at a floor by people inside and outside who talk or load.",
        may_raise=(IncidentKind.DOOR_HELD_OPEN,),
        parameters={"people": number(2.0, "1", 1, 13, "people inside", 1, 2, 3)},
        rate_per_year=100.0,
        lasts_s=(30, 300),
    ),
    Injection(
        name="presence_misses_person",
        kinds=LIFTS,
        text="The presence sensor does not see a person who stands still; trips are normal.",
        may_raise=(IncidentKind.SENSOR_STUCK,),
        parameters={},
        rate_per_year=4.0,
        lasts_s=(300, 3600),
    ),
    Injection(
        name="goods_in_car",
        kinds=LIFTS,
        text="Goods in the car hold presence and load; it still answers calls, nobody is inside.",
        may_raise=(IncidentKind.SENSOR_STUCK,),
        parameters={
            "load_kg": number(60.0, "kg", 0, 2000, "mass of the goods", 0, 60, 200),
            "idle_s": number(20.0, "s", 1, 600, "a call comes after so long a stand", 10, 20),
        },
        rate_per_year=6.0,
        lasts_s=(120, 1800),
    ),
)
