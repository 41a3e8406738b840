"""Injections of quick-opening vessels (industrial.md 3.1); rates are proposals."""

from domain.incidents import IncidentKind
from simulators.injection import VESSELS, Injection, Parameter, number

FAULTS = (
    Injection(
        name="lock_not_engaged",
        kinds=VESSELS,
        text="The vessel is pressurised although its lock has not engaged.",
        truth=IncidentKind.LOCK_NOT_ENGAGED,
        may_raise=(IncidentKind.INTERLOCK_BYPASSED,),
        parameters={},
        rate_per_year=0.2,
        lasts_s=(120, 1800),
    ),
    Injection(
        name="interlock_bypassed",
        kinds=VESSELS,
        text="The lock is opened before the pressure is gone, or never moves between two batches.",
        truth=IncidentKind.INTERLOCK_BYPASSED,
        may_raise=(IncidentKind.LOCK_NOT_ENGAGED,),
        parameters={
            "mode": Parameter(
                default="early_unlock",
                choices=("early_unlock", "no_lock_transition"),
                text="unlocked under residual pressure; lock reads engaged from batch to batch",
                drawn=("early_unlock", "no_lock_transition"),
            ),
            "at_mpa": number(
                0.05, "MPa", 0.011, 2, "unlocks so early while it vents", 0.03, 0.05, 0.1
            ),
        },
        rate_per_year=0.2,
        lasts_s=(120, 3600),
    ),
)

NUISANCES = (
    Injection(
        name="slow_vent",
        kinds=VESSELS,
        text="The vent is half blocked: pressure goes slowly, the lock waits.",
        parameters={"factor": number(5.0, "1", 1, 50, "time of venting over the usual", 3, 5, 10)},
        rate_per_year=10.0,
        lasts_s=(600, 7200),
    ),
    Injection(
        name="zero_offset",
        kinds=VESSELS,
        text="The pressure sensor reads a little above zero when the vessel is empty.",
        may_raise=(IncidentKind.SENSOR_DRIFT,),
        parameters={"offset_mpa": number(0.004, "MPa", -0.009, 0.009, "reading at zero")},
        rate_per_year=5.0,
        lasts_s=(3600, 14400),
    ),
)
