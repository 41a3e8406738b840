"""Injections of terminals and sensors, for every kind; rates are proposals (elevators.md 6.3)."""

from domain.incidents import IncidentKind
from simulators.injection import SIMULATED, Injection, Parameter, number

FAULTS = (
    Injection(
        name="device_offline",
        kinds=SIMULATED,
        text="The terminal goes silent; the equipment goes on.",
        truth=IncidentKind.DEVICE_OFFLINE,
        may_raise=(IncidentKind.DATA_GAP,),
        parameters={
            "will_after_s": number(
                -1.0, "s", -1, 3600, "broker publishes the last will so late; -1 = never"
            ),
        },
        rate_per_year=20.0,
        lasts_s=(300, 14400),
        physical=False,
    ),
    Injection(
        name="sensor_stuck",
        kinds=SIMULATED,
        text="A sensor repeats its last value.",
        truth=IncidentKind.SENSOR_STUCK,
        may_raise=(
            IncidentKind.LOAD_CELL_DRIFT,
            IncidentKind.SENSOR_DRIFT,
        ),
        parameters={"channel": Parameter(default="", text="channel; empty = the kind's main one")},
        rate_per_year=0.3,
        lasts_s=(1800, 14400),
    ),
    Injection(
        name="sensor_drift",
        kinds=SIMULATED,
        text="A sensor wanders away from the truth at a steady rate.",
        truth=IncidentKind.SENSOR_DRIFT,
        may_raise=(
            IncidentKind.LOAD_CELL_DRIFT,
            IncidentKind.OVERPRESSURE,
            IncidentKind.OVERHEATING,
        ),
        parameters={
            "channel": Parameter(default="", text="channel; empty = the kind's main one"),
            "rate_per_h": number(
                0.1, "1/h", -10, 10, "drift over the channel's span", 0.05, 0.1, -0.1
            ),
        },
        rate_per_year=0.3,
        lasts_s=(3600, 14400),
    ),
)

NUISANCES = (
    Injection(
        name="terminal_reboot",
        kinds=SIMULATED,
        text="The terminal restarts: a short silence, a new boot, another seq.",
        parameters={"off_s": number(8.0, "s", 0.2, 3600, "length of the silence")},
        rate_per_year=12.0,
        lasts_s=(60, 120),
        physical=False,
    ),
    Injection(
        name="out_of_order",
        kinds=SIMULATED,
        text="Some messages overtake others.",
        parameters={
            "delay_s": number(3.0, "s", 0.1, 60, "longest delay"),
            "share": number(0.3, "1", 0, 1, "share of messages delayed"),
        },
        rate_per_year=12.0,
        lasts_s=(600, 7200),
        physical=False,
    ),
    Injection(
        name="duplicates",
        kinds=SIMULATED,
        text="Some messages are delivered twice, the second one a little later.",
        parameters={
            "delay_s": number(3.0, "s", 0.1, 60, "longest delay of the second one"),
            "share": number(0.3, "1", 0, 1, "share of messages delivered twice"),
        },
        rate_per_year=12.0,
        lasts_s=(600, 7200),
        physical=False,
    ),
    Injection(
        name="retained_message",
        kinds=SIMULATED,
        text="The first message after the start comes once more at the end, marked retained.",
        parameters={},
        rate_per_year=4.0,
        lasts_s=(60, 3600),
        physical=False,
    ),
    Injection(
        name="clock_wrong",
        kinds=SIMULATED,
        text="The device's clock is off.",
        may_raise=(IncidentKind.CLOCK_WRONG,),
        parameters={
            "offset_s": number(-300.0, "s", -1e9, 1e9, "device time minus true time"),
            "epoch": Parameter(default=False, text="the clock starts in 1970 instead"),
        },
        rate_per_year=1.0,
        lasts_s=(3600, 86400),
        physical=False,
    ),
    Injection(
        name="sentinel_values",
        kinds=SIMULATED,
        text="A sensor sends a sentinel (-999.9, 32767, 65535) instead of values.",
        may_raise=(IncidentKind.SENSOR_STUCK,),
        parameters={},
        rate_per_year=2.0,
        lasts_s=(600, 7200),
        physical=False,
    ),
    Injection(
        name="sensor_quantised",
        kinds=SIMULATED,
        text="A sensor resolves no more than coarse steps.",
        may_raise=(IncidentKind.SENSOR_STUCK,),
        parameters={
            "channel": Parameter(default="", text="channel; empty = the kind's main one"),
            "step": number(0.02, "1", 0.001, 0.5, "step over the channel's span", 0.01, 0.02, 0.05),
        },
        rate_per_year=1.0,
        lasts_s=(3600, 86400),
        physical=False,
    ),
)
