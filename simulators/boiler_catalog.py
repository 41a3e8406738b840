"""Injections of boilers (industrial.md 1.5); rates are proposals: no source gives any."""

from domain.incidents import IncidentKind
from simulators.injection import BOILERS, Injection, Parameter, number

FAULTS = (
    Injection(
        name="overpressure",
        kinds=BOILERS,
        text="The steam outlet is blocked and the burner stuck at high fire; the valve lifts.",
        truth=IncidentKind.OVERPRESSURE,
        may_raise=(
            IncidentKind.SAFETY_VALVE_LIFTED,
            IncidentKind.SAFETY_VALVE_STUCK,
            IncidentKind.LIMITER_DEFEATED,
        ),
        parameters={
            "valve_stuck": Parameter(
                default=False, text="the safety valve never opens", drawn=(False, False, True)
            ),
        },
        rate_per_year=0.02,
        lasts_s=(120, 600),
    ),
    Injection(
        name="low_water_firing",
        kinds=BOILERS,
        text="The feed pump fails and the low-water limiter is bypassed: the burner fires on.",
        truth=IncidentKind.LOW_WATER_FIRING,
        may_raise=(
            IncidentKind.FEED_PUMP_FAILURE,
            IncidentKind.LIMITER_DEFEATED,
            IncidentKind.OVERHEATING,
            IncidentKind.TUBE_LEAK,
        ),
        parameters={
            "drain_tph": number(4.0, "t/h", 0, 30, "loss through a blow-down valve left open"),
        },
        rate_per_year=0.02,
        lasts_s=(300, 900),
    ),
    Injection(
        name="feed_pump_failure",
        kinds=BOILERS,
        text="The pump runs dry or stands although it is called; the low-water limiter works.",
        truth=IncidentKind.FEED_PUMP_FAILURE,
        may_raise=(IncidentKind.TUBE_LEAK,),
        parameters={
            "runs": Parameter(
                default=True, text="the pump reports that it runs", drawn=(True, False)
            )
        },
        rate_per_year=0.1,
        lasts_s=(600, 3600),
    ),
    Injection(
        name="safety_valve_stuck",
        kinds=BOILERS,
        text="The safety valve sticks shut while the pressure passes its set point, or leaks.",
        truth=IncidentKind.SAFETY_VALVE_STUCK,
        may_raise=(
            IncidentKind.OVERPRESSURE,
            IncidentKind.LIMITER_DEFEATED,
            IncidentKind.TUBE_LEAK,
            IncidentKind.SAFETY_VALVE_LIFTED,
        ),
        parameters={
            "mode": Parameter(
                default="sticking",
                choices=("sticking", "leaking"),
                text="never opens under a blocked outlet, or simmers at working pressure",
                drawn=("sticking", "leaking"),
            ),
            "leak": number(
                0.15, "1", 0.01, 0.6, "leak over the rated evaporation", 0.08, 0.15, 0.3
            ),
        },
        rate_per_year=0.05,
        lasts_s=(300, 1800),
    ),
    Injection(
        name="flame_sequence",
        kinds=BOILERS,
        text="The burner breaks its sequence: no purge, false flame, or endless attempts.",
        truth=IncidentKind.FLAME_SEQUENCE,
        may_raise=(IncidentKind.LIMITER_DEFEATED,),
        parameters={
            "mode": Parameter(
                default="no_purge",
                choices=("no_purge", "false_flame", "repeated"),
                text="ignites unpurged; flame seen while off; tries again and again",
                drawn=("no_purge", "false_flame", "repeated"),
            )
        },
        rate_per_year=0.1,
        lasts_s=(300, 1800),
    ),
    Injection(
        name="pressure_hunting",
        kinds=BOILERS,
        text="The burner starts and stops too often: the pressure swings at a steady demand.",
        truth=IncidentKind.PRESSURE_HUNTING,
        may_raise=(
            IncidentKind.SAFETY_VALVE_LIFTED,
            IncidentKind.OVERPRESSURE,
        ),
        parameters={
            "swing": number(
                0.12, "1", 0.05, 0.15, "swing over the rated pressure, or more", 0.1, 0.12, 0.15
            )
        },
        rate_per_year=0.5,
        lasts_s=(1800, 7200),
    ),
    Injection(
        name="tube_leak",
        kinds=BOILERS,
        text="Water is lost from a tube: feed exceeds steam, the flue cools.",
        truth=IncidentKind.TUBE_LEAK,
        may_raise=(
            IncidentKind.LOW_WATER_FIRING,
            IncidentKind.FEED_PUMP_FAILURE,
        ),
        parameters={
            "leak": number(
                0.15, "1", 0.02, 0.5, "loss over the rated evaporation", 0.08, 0.15, 0.25
            )
        },
        rate_per_year=0.05,
        lasts_s=(1800, 14400),
    ),
    Injection(
        name="overheating",
        kinds=BOILERS,
        text="Steam leaves above saturation: heating surface is dry.",
        truth=IncidentKind.OVERHEATING,
        may_raise=(IncidentKind.LOW_WATER_FIRING,),
        parameters={"above_c": number(15.0, "degC", 6, 80, "steam above saturation", 8, 15, 30)},
        rate_per_year=0.05,
        lasts_s=(600, 3600),
    ),
    Injection(
        name="flue_fouling",
        kinds=BOILERS,
        text="Scale or soot: the flue gas is hotter at the same load, more so each day.",
        truth=IncidentKind.FLUE_FOULING,
        may_raise=(IncidentKind.SENSOR_DRIFT,),
        parameters={
            "rate_c_per_day": number(
                24.0, "degC/day", 0.1, 10000, "rise of the flue temperature", 12, 24, 48
            )
        },
        rate_per_year=0.5,
        lasts_s=(86400, 259200),
    ),
)

NUISANCES = (
    Injection(
        name="load_swing",
        kinds=BOILERS,
        text="Steam demand jumps between almost nothing and full draw.",
        may_raise=(IncidentKind.PRESSURE_HUNTING,),
        parameters={"period_s": number(60.0, "s", 5, 3600, "time between two jumps up")},
        rate_per_year=50.0,
        lasts_s=(600, 7200),
    ),
)
