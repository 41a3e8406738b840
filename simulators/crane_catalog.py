"""Injections of cranes (industrial.md 2.6); rates are proposals: no source gives any."""

from domain.incidents import IncidentKind
from simulators.injection import BOILERS, CRANES, Injection, Parameter, number

FAULTS = (
    Injection(
        name="overload",
        kinds=CRANES,
        text="The crane hoists a load above its capacity and holds it.",
        truth=IncidentKind.OVERLOAD,
        may_raise=(IncidentKind.LIMITER_DEFEATED, IncidentKind.SHOCK_LOAD),
        parameters={
            "factor": number(
                1.2, "1", 1.1, 2.0, "load over the capacity at its radius", 1.12, 1.2, 1.3
            ),
        },
        rate_per_year=0.5,
        lasts_s=(300, 600),
    ),
    Injection(
        name="limiter_defeated",
        kinds=BOILERS | CRANES,
        text="The limiter does not act: burning above the trip, hoisting far above the capacity.",
        truth=IncidentKind.LIMITER_DEFEATED,
        may_raise=(
            IncidentKind.OVERLOAD,
            IncidentKind.SHOCK_LOAD,
            IncidentKind.OVERPRESSURE,
            IncidentKind.SAFETY_VALVE_LIFTED,
        ),
        parameters={
            "factor": number(1.25, "1", 1.12, 2.0, "crane: load over the capacity", 1.15, 1.25, 1.4)
        },
        rate_per_year=0.1,
        lasts_s=(300, 600),
    ),
    Injection(
        name="shock_load",
        kinds=CRANES,
        text="A slack rope is snatched: the load peaks far above its weight within half a second.",
        truth=IncidentKind.SHOCK_LOAD,
        may_raise=(IncidentKind.OVERLOAD,),
        parameters={
            "factor": number(1.6, "1", 1.35, 2.5, "peak over the load at rest", 1.4, 1.5, 1.6, 1.9),
            "load": number(0.5, "1", 0.1, 0.9, "load over the capacity", 0.15, 0.3, 0.5, 0.7),
        },
        rate_per_year=1.0,
        lasts_s=(300, 600),
    ),
    Injection(
        name="side_pull",
        kinds=CRANES,
        text="The load is pulled sideways: sway before lift-off while the trolley moves.",
        truth=IncidentKind.SIDE_PULL,
        may_raise=(IncidentKind.SHOCK_LOAD,),
        parameters={"angle_deg": number(6.0, "deg", 3.5, 30, "sway before lift-off", 4, 6, 10)},
        rate_per_year=1.0,
        lasts_s=(300, 600),
    ),
    Injection(
        name="brake_slip",
        kinds=CRANES,
        text="The held load sinks although the brake is closed and the command is stop.",
        truth=IncidentKind.BRAKE_SLIP,
        may_raise=(IncidentKind.LOST_LOAD,),
        parameters={"speed_mps": number(0.02, "m/s", 0.005, 2, "sinking speed", 0.01, 0.02, 0.1)},
        rate_per_year=0.2,
        lasts_s=(300, 600),
    ),
    Injection(
        name="lost_load",
        kinds=CRANES,
        text="The load falls off the raised hook.",
        truth=IncidentKind.LOST_LOAD,
        may_raise=(IncidentKind.SHOCK_LOAD,),
        parameters={},
        rate_per_year=0.05,
        lasts_s=(300, 600),
    ),
    Injection(
        name="load_cell_drift",
        kinds=CRANES,
        text="The load cell drifts off zero at an empty hook, or its reading stands still.",
        truth=IncidentKind.LOAD_CELL_DRIFT,
        may_raise=(
            IncidentKind.OVERLOAD,
            IncidentKind.SENSOR_DRIFT,
            IncidentKind.SENSOR_STUCK,
        ),
        parameters={
            "mode": Parameter(
                default="drift",
                choices=("drift", "stuck"),
                text="zero wanders off, or the reading does not change",
                drawn=("drift", "drift", "stuck"),
            ),
            "rate_per_h": number(
                0.05, "1/h", 0.001, 1, "drift over the rated load", 0.02, 0.05, 0.2
            ),
        },
        rate_per_year=0.5,
        lasts_s=(3600, 14400),
    ),
    Injection(
        name="wind_over_limit",
        kinds=CRANES,
        text="The wind blows above the limit of the crane while it works.",
        truth=IncidentKind.WIND_OVER_LIMIT,
        may_raise=(IncidentKind.SIDE_PULL,),
        parameters={
            "peak": number(1.2, "1", 1.05, 3, "strongest gust over the limit", 1.1, 1.2, 1.4)
        },
        rate_per_year=2.0,
        lasts_s=(300, 3600),
    ),
)

NUISANCES = (
    Injection(
        name="gusts",
        kinds=CRANES,
        text="Gusty wind below the crane's limit, and more sway.",
        may_raise=(IncidentKind.WIND_OVER_LIMIT,),
        parameters={"peak": number(0.85, "1", 0, 1, "strongest gust over the wind limit")},
        rate_per_year=20.0,
        lasts_s=(600, 7200),
    ),
    Injection(
        name="shock_at_lift_off",
        kinds=CRANES,
        text="The rope is taken up fast: a load comes off the floor at a high, legal factor.",
        parameters={
            "factor": number(
                1.2, "1", 1.02, 1.3, "dynamic factor at lift-off", 1.1, 1.15, 1.2, 1.25
            ),
            "load": number(
                0.7, "1", 0.05, 0.95, "load over the capacity", 0.15, 0.3, 0.5, 0.7, 0.95
            ),
        },
        rate_per_year=20.0,
        lasts_s=(300, 600),
    ),
    Injection(
        name="inching",
        kinds=CRANES,
        text="Held loads are put in place by short moves; the brake gives a little each time.",
        parameters={},
        rate_per_year=200.0,
        lasts_s=(300, 1800),
    ),
    Injection(
        name="side_load",
        kinds=CRANES,
        text="A load stands a little beside the hook: the rope leans, less than in a side pull.",
        parameters={"angle_deg": number(2.0, "deg", 0, 2.7, "lean of the rope", 1.0, 2.0, 2.5)},
        rate_per_year=100.0,
        lasts_s=(300, 600),
    ),
    Injection(
        name="lost_messages",
        kinds=CRANES,
        text="Single messages are lost on a bad radio link.",
        parameters={"share": number(0.1, "1", 0, 1, "share of messages lost", 0.02, 0.1, 0.3)},
        rate_per_year=12.0,
        lasts_s=(600, 7200),
        physical=False,
    ),
)
