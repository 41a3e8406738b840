"""Fault codes and the alarm button of lifts and escalators.

A fault code that is active is an advisory of the kind that the code table names; it ends with the
last active code of that kind. An alarm code is an incident by itself, in any mode and in late data;
presses within `CodesParameters.alarm_repeat_s` are one. Faults while a lift is in inspection are
kept for other rules but claimed by nobody: a mechanic causes them.

It fails where a terminal's dialect is not the one that the registry names: the code is then another
fault, or unknown, which is stored and shown but claimed by nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.current import NEVER, Bools, Current, Devices, Ints, Rows, grown
from domain.channels import COLUMNS
from domain.codes import CODES, Code, CodeClass
from domain.equipment import Kind
from domain.incidents import IncidentKind
from domain.instants import seconds

INSPECTION = 2
"""Service mode in which faults are a mechanic's work."""

_TABLE: tuple[Code, ...] = tuple(CODES.values())
_INDEX = {code.key: index for index, code in enumerate(_TABLE)}
_FAULT_KINDS = tuple(sorted({c.kind for c in _TABLE if c.kind and c.cls is CodeClass.FAULT}))
_OF_KIND = [np.array([code.kind is kind for code in _TABLE]) for kind in _FAULT_KINDS]
_IS_FAULT = np.array([code.cls is CodeClass.FAULT for code in _TABLE])
_IS_ALARM = np.array([code.cls is CodeClass.ALARM for code in _TABLE])
_IS_CLEAR = np.array([code.cls is CodeClass.NONE for code in _TABLE])


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesParameters:
    """Parameters of the code rules.

    Parameters
    ----------
    alarm_repeat_s
        Presses of an alarm button within this time are one alarm (ours; vendors ask for a press of
        3-5 s and repeat).
    """

    alarm_repeat_s: float = 60.0


def is_alarm(index: NDArray[np.int32]) -> Bools:
    """Whether table indices are alarm codes; -1 is none."""
    alarm: Bools = (index >= 0) & _IS_ALARM[index]
    return alarm


def table_index(key: str) -> int:
    """Index of a code key in the table, -1 when unknown."""
    return _INDEX.get(key, -1)


class ActiveCodes:
    """Active codes of n devices.

    Attributes
    ----------
    active
        bool[n, codes of the table].
    standing
        bool[n], whether any code is active or claimed: nearly every device has none.
    alarm_ns
        int64[n], event time of the last alarm.
    alarm_case_ns
        int64[n], event time of the last alarm that was claimed.
    """

    def __init__(self, kind: Kind) -> None:
        self._mode = COLUMNS[kind].get("service_mode")
        self.active: NDArray[np.bool_] = np.empty((0, len(_TABLE)), dtype=np.bool_)
        self.alarm_ns: Ints = np.empty(0, dtype=np.int64)
        self.alarm_case_ns: Ints = np.empty(0, dtype=np.int64)
        self.claimed: NDArray[np.bool_] = np.empty((0, len(_FAULT_KINDS)), dtype=np.bool_)
        self.standing: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return ("active", "claimed", "standing", *self.times())

    def times(self) -> tuple[str, ...]:
        """Names of the arrays that hold event times."""
        return ("alarm_ns", "alarm_case_ns")

    def grow(self, n: int) -> None:
        """Make room for n devices."""
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), n, 0))

    def observe(self, rows: Rows) -> None:
        """Take in the codes of a round; late rows that are not the newest change nothing."""
        has = np.flatnonzero(rows.code >= 0)
        if not len(has):
            return
        device, code = rows.device[has], rows.code[has]
        on = rows.active[has]
        fault = _IS_FAULT[code]
        self.active[device[fault], code[fault]] = on[fault]
        self.active[device[_IS_CLEAR[code] & on]] = False
        alarm = _IS_ALARM[code] & on
        self.alarm_ns[device[alarm]] = rows.event_ns[has][alarm]
        self._note_standing(device)

    def _note_standing(self, device: Devices) -> None:
        self.standing[device] = self.active[device].any(axis=1) | self.claimed[device].any(axis=1)

    def faulty(self, device: Devices) -> Bools:
        """Whether any fault code of devices is active."""
        faulty: Bools = self.standing[device]
        some = np.flatnonzero(faulty)
        faulty[some] = self.active[device[some]].any(axis=1)
        return faulty

    def names(self, device: int) -> list[Code]:
        """Active fault codes of one device."""
        return [_TABLE[index] for index in np.flatnonzero(self.active[device])]

    def alarms(self, rows: Rows, parameters: CodesParameters) -> Sequence[int]:
        """Rows whose alarm is a new one; remembers them."""
        pressed = is_alarm(rows.code) & rows.active
        if not pressed.any():
            return []
        last = self.alarm_case_ns[rows.device]
        repeat = (last != NEVER) & (
            np.abs(rows.event_ns - last) < seconds(parameters.alarm_repeat_s)
        )
        new = np.flatnonzero(pressed & ~repeat)
        self.alarm_case_ns[rows.device[new]] = rows.event_ns[new]
        return [int(row) for row in new]

    def faults(self, rows: Rows, current: Current) -> list[tuple[int, IncidentKind, bool]]:
        """Row, kind and whether it begins, for every kind of fault that began or ended."""
        busy = np.flatnonzero(self.standing[rows.device])
        if not len(busy):
            return []
        device = rows.device[busy]
        active, late = self.active[device], rows.late[busy]
        mode = np.full(len(device), np.nan)
        if self._mode is not None:
            mode = current.values[device, self._mode]
        found: list[tuple[int, IncidentKind, bool]] = []
        for column, kind in enumerate(_FAULT_KINDS):
            on = (active & _OF_KIND[column]).any(axis=1)
            was = self.claimed[device, column]
            begins = on & ~was & (mode != INSPECTION) & ~late
            ends = ~on & was
            self.claimed[device, column] = (was | begins) & ~ends
            found += [(int(row), kind, True) for row in busy[begins]]
            found += [(int(row), kind, False) for row in busy[ends]]
        self._note_standing(device)
        return found


def code_of(index: int) -> Code:
    """Code of a table index."""
    return _TABLE[index]
