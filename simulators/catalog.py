"""Everything that a scenario can inject: faults with their truth, and nuisances that are none.

`INJECTIONS` is data: scenario files are checked against it, and ``docs/simulators.md`` is checked
to name every entry and parameter.
"""

from collections.abc import Mapping

from simulators import (
    boiler_catalog,
    crane_catalog,
    escalator_catalog,
    lift_catalog,
    terminal_catalog,
    vessel_catalog,
)
from simulators.injection import SIMULATED, Injection, Parameter, Value

__all__ = ["INJECTIONS", "SIMULATED", "Injection", "Parameter", "Value"]

_MODULES = (
    lift_catalog,
    escalator_catalog,
    boiler_catalog,
    crane_catalog,
    vessel_catalog,
    terminal_catalog,
)

INJECTIONS: Mapping[str, Injection] = {
    injection.name: injection
    for injection in (
        *(fault for module in _MODULES for fault in module.FAULTS),
        *(nuisance for module in _MODULES for nuisance in module.NUISANCES),
    )
}
"""Every injection by name, faults first."""
