"""What lift rules read of the cars of a round, gathered once for all of them."""

from dataclasses import dataclass

import numpy as np

from detectors.codes import INSPECTION
from detectors.current import Bools, Current, Devices, Floats, Rows
from detectors.lift_history import motion
from domain.channels import COLUMNS
from domain.equipment import Kind

FIRE_RETURN, FIREFIGHTER, EARTHQUAKE = 3, 4, 6
SPECIAL_MODES = (INSPECTION, FIRE_RETURN, FIREFIGHTER, EARTHQUAKE)
"""Modes in which doors and cars follow other rules."""

_LIFT = COLUMNS[Kind.LIFT]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftScene:
    """m cars; floats are NaN while unknown.

    Parameters
    ----------
    stopped, running
        By car status or speed, whichever is newer; neither = not reported.
    special
        Service mode is one of `SPECIAL_MODES`.
    """

    known: Bools
    stopped: Bools
    running: Bools
    special: Bools
    zone: Floats
    door: Floats
    presence: Floats
    mode: Floats
    mains: Floats


class LiftSight:
    """The scene of the last round."""

    def __init__(self) -> None:
        self._seen: tuple[Rows, LiftScene] | None = None

    def of(self, rows: Rows, current: Current) -> LiftScene:
        """Scene of a round; every rule that judges it is given the same object of rows."""
        if self._seen is None or self._seen[0] is not rows:
            self._seen = rows, lift_scene(rows.device, current)
        return self._seen[1]


def lift_scene(device: Devices, current: Current) -> LiftScene:
    """Present state of devices."""
    stopped, running = motion(current, device)
    now = current.values[device]
    mode = now[:, _LIFT["service_mode"]]
    special = np.zeros(len(device), dtype=np.bool_)
    for one in SPECIAL_MODES:
        special |= mode == one
    return LiftScene(
        known=current.known[device],
        stopped=stopped,
        running=running,
        special=special,
        zone=now[:, _LIFT["door_zone"]],
        door=now[:, _LIFT["door_closed"]],
        presence=now[:, _LIFT["passenger_present"]],
        mode=mode,
        mains=now[:, _LIFT["mains_power"]],
    )
