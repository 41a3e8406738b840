"""Injections of escalators (elevators.md 1.6); rates are proposals: no source gives any."""

from domain.incidents import IncidentKind
from simulators.injection import ESCALATORS, Injection, Parameter, number

FAULTS = (
    Injection(
        name="escalator_fault",
        kinds=ESCALATORS,
        text="The escalator stops and its controller reports a fault code.",
        truth=IncidentKind.ESCALATOR_FAULT,
        may_raise=(IncidentKind.OUT_OF_SERVICE,),
        parameters={
            "code": Parameter(
                default="61", text="fault code, 61-65", drawn=("61", "62", "63", "64", "65")
            )
        },
        rate_per_year=2.0,
        lasts_s=(300, 3600),
    ),
    Injection(
        name="handrail_speed",
        kinds=ESCALATORS,
        text="A handrail runs slower than the steps.",
        truth=IncidentKind.HANDRAIL_SPEED,
        may_raise=(IncidentKind.ESCALATOR_FAULT,),
        parameters={
            "deviation": number(
                -0.2, "1", -1, 1, "handrail over step speed, less one", -0.16, -0.2, -0.4
            ),
            "side": Parameter(
                default="left",
                choices=("left", "right"),
                text="which handrail",
                drawn=("left", "right"),
            ),
        },
        rate_per_year=0.5,
        lasts_s=(300, 3600),
    ),
)

NUISANCES = (
    Injection(
        name="escalator_stopped",
        kinds=ESCALATORS,
        text="Stopped by its key or by standby: no step moves.",
        may_raise=(IncidentKind.OUT_OF_SERVICE,),
        parameters={},
        rate_per_year=100.0,
        lasts_s=(300, 7200),
    ),
    Injection(
        name="handrail_wobble",
        kinds=ESCALATORS,
        text="A handrail slips for a few seconds under load.",
        parameters={
            "deviation": number(-0.18, "1", -0.5, 0.5, "handrail over step speed, less one"),
            "slip_s": number(8.0, "s", 1, 14, "length of one slip"),
        },
        rate_per_year=50.0,
        lasts_s=(60, 600),
    ),
)
