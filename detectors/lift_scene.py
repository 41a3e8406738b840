"""What lift rules share: holds, evidence, and the reasons for which they keep quiet.

A reason explains a condition without anything being wrong: a mechanic, a fire return, a power cut.
A rule that keeps quiet for it ends with that reason (`quiet_reason`), and what the cut explains is
evidence of `detectors.lift_power_failure`.
"""

import numpy as np

from detectors.base import Context, column
from detectors.codes import ActiveCodes, table_index
from detectors.current import NEVER, Bools, Devices, Ints, Rows
from detectors.lift_sight import SPECIAL_MODES
from domain.channels import COLUMNS, SERVICE_MODES
from domain.codes import CODES, CodeClass
from domain.equipment import Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import seconds

OUT_OF_SERVICE, EMERGENCY_POWER, UNKNOWN_MODE = 0, 5, 7
RUN_OVER_S = 10.0
SETTLE_S = 2.0
"""A car that runs so long is on its way again; a contact that stays so long is no bounce (ours)."""

_LIFT = COLUMNS[Kind.LIFT]


def progress_ns(device: Devices, context: Context) -> Ints:
    """When door zone or position last changed: a car without motion signals moved until then."""
    changed = context.current.changed_ns[device]
    return np.maximum(changed[:, _LIFT["door_zone"]], changed[:, _LIFT["car_position"]])


def codes_that_say(*meanings: str, kind: IncidentKind | None = None) -> Ints:
    """Table indices of fault codes, of any dialect, that mean one of these or are of a kind.

    Parameters
    ----------
    meanings
        How the English text of the code begins: the same condition has the same words in every
        dialect's table.

    Raises
    ------
    ValueError
        If a meaning is that of no code.
    """
    faults = [code for code in CODES.values() if code.cls is CodeClass.FAULT]
    for meaning in meanings:
        if not any(code.en.startswith(meaning) for code in faults):
            raise ValueError(f"no fault code means {meaning!r}")
    found = [
        table_index(code.key)
        for code in faults
        if code.en.startswith(meanings) or (kind is not None and code.kind is kind)
    ]
    return np.array(found, dtype=np.int64)


def says(codes: ActiveCodes, device: Devices, indices: Ints) -> Bools:
    """Whether any of these codes is active, for devices."""
    said: Bools = codes.standing[device]
    some = np.flatnonzero(said)
    said[some] = codes.active[device[some][:, None], indices].any(axis=1)
    return said


def since(times_ns: Ints, rows: Rows, holds: Bools) -> Ints:
    """Since when a condition holds, kept in ``times_ns``; a row's own time where it does not."""
    begun = times_ns[rows.device]
    begun = np.where(begun == NEVER, rows.event_ns, begun)
    times_ns[rows.device] = np.where(holds, begun, NEVER)
    return begun


def over_hold_ns(running: Bools, quiet: Bools, else_s: float) -> Ints:
    """How long an end must stand: a run, a reason to keep quiet, or anything else."""
    return np.where(quiet, 0, np.where(running, seconds(RUN_OVER_S), seconds(else_s)))


def advisory(standing: Bools) -> Bools:
    """Conditions of a rule that knows one level, bool[m, 3]."""
    columns = np.zeros((len(standing), 3), dtype=np.bool_)
    columns[:, 0] = standing
    return columns


def equal_holds(hold_ns: Ints) -> Ints:
    """The same hold for all levels of each device, int64[m, 3]."""
    return np.repeat(hold_ns[:, None], 3, axis=1)


def mode_word(mode: float) -> str:
    """Stable word of a service mode."""
    return f"mode_{SERVICE_MODES[int(mode)][0].replace(' ', '_')}"


def quiet_reason(device: int, context: Context, otherwise: str) -> str:
    """Reason for which a rule keeps quiet about a device, or ``otherwise``."""
    mode = observed(context, device, "service_mode")
    return mode_word(mode) if mode in SPECIAL_MODES else otherwise


def observed(context: Context, device: int, name: str) -> float:
    """Current value of one channel of one device, NaN = unknown."""
    return float(column(context, np.array([device], dtype=np.int32), name)[0])


def flags(context: Context, device: int, *names: str) -> tuple[Evidence, ...]:
    """Flag channels as evidence; unknown is evidence too."""
    values = ((name, observed(context, device, name)) for name in names)
    return tuple(
        Evidence(name=name, value=None if np.isnan(value) else bool(value))
        for name, value in values
    )


def numbers(context: Context, device: int, *names: tuple[str, str]) -> tuple[Evidence, ...]:
    """Channels with their units as evidence."""
    values = ((name, unit, observed(context, device, name)) for name, unit in names)
    return tuple(
        Evidence(name=name, value=None if np.isnan(value) else value, unit=unit)
        for name, unit, value in values
    )


def active_codes(context: Context, device: int) -> tuple[Evidence, ...]:
    """Active fault codes as evidence."""
    return tuple(Evidence(name=code.key, value=code.en) for code in context.codes.names(device))
