"""Special equipment, the firms that maintain it, and the fleet index that arrays are built on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Ids of equipment, gateways and firms: they are topic levels, so nothing else is legal."""


class Kind(StrEnum):
    """Kinds of special equipment that speak MQTT; the word is the topic level of contract.md."""

    LIFT = "lift"
    ESCALATOR = "escalator"
    BOILER = "boiler"
    CRANE = "crane"
    VESSEL = "vessel"
    VEHICLE = "vehicle"


class IdentifierScheme(StrEnum):
    """Official numbers under which people know a device; none of them is a primary key."""

    REGISTRATION_CODE = "registration_code"
    RESCUE_CODE = "rescue_code"
    EQUIPMENT_CODE = "equipment_code"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """One registry row. Empty text and ``None`` mean "not known".

    Parameters
    ----------
    id
        Topic level and user name of the device (`ID_PATTERN`).
    identifiers
        Pairs of scheme and value, in the order of the registry.
    latitude, longitude
        WGS-84 degrees.
    report_interval_s
        The device's own reporting interval; it fixes when silence makes a value unknown.
    rated_pressure_mpa, safety_valve_set_mpa
        Gauge pressures. Without a set pressure it follows from the rated one (TSG 11-2020).
    load_chart
        Pairs of radius [m] and capacity [t] with rising radius, linear between.
    classification
        ``Q2/U5``: load spectrum and use class of GB/T 3811.
    """

    id: str
    kind: Kind
    identifiers: tuple[tuple[IdentifierScheme, str], ...] = ()
    name_zh: str = ""
    name_en: str = ""
    area_path: str = ""
    address: str = ""
    latitude: float | None = None
    longitude: float | None = None
    place_class: str = ""
    user_unit: str = ""
    user_contact: str = ""
    maintenance_firm: str = ""
    installed_on: date | None = None
    inspection_due_on: date | None = None
    registered: bool | None = None
    gateway_id: str = ""
    dialect: str = ""
    report_interval_s: float | None = None
    rated_speed_mps: float | None = None
    floors: int | None = None
    express_zone_m: float | None = None
    rated_pressure_mpa: float | None = None
    safety_valve_set_mpa: float | None = None
    rated_evaporation_tph: float | None = None
    rated_load_t: float | None = None
    load_chart: tuple[tuple[float, float], ...] = ()
    classification: str = ""
    wind_limit_mps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Firm:
    """A maintenance firm and where its notifications go.

    Parameters
    ----------
    webhook_url
        Receiver of signed webhooks; empty = none.
    webhook_secret
        Key of the HMAC signature; never shown again after it was set.
    mqtt_notify
        Whether notifications are also published to ``ew/v1/notify/{id}``.
    """

    id: str
    name_zh: str = ""
    name_en: str = ""
    phone: str = ""
    webhook_url: str = ""
    webhook_secret: str = field(default="", repr=False)
    mqtt_notify: bool = False


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The registry as arrays see it: per kind, devices in slot order.

    A slot is given once at import, dense within its kind, and never given again, so detector state
    stays valid when the fleet grows.

    Parameters
    ----------
    version
        Rises with every registry change.
    devices
        Per kind, the equipment of slot 0, 1, 2, ...
    """

    version: int
    devices: Mapping[Kind, tuple[Equipment, ...]]

    @cached_property
    def slots(self) -> dict[str, tuple[Kind, int]]:
        """Kind and slot by equipment id."""
        return {
            equipment.id: (kind, slot)
            for kind, members in self.devices.items()
            for slot, equipment in enumerate(members)
        }

    @cached_property
    def ids(self) -> dict[Kind, tuple[str, ...]]:
        """Per kind, the equipment ids in slot order."""
        return {kind: tuple(e.id for e in self.members(kind)) for kind in Kind}

    def members(self, kind: Kind) -> tuple[Equipment, ...]:
        """Equipment of one kind in slot order; empty when the fleet has none."""
        return self.devices.get(kind, ())

    def find(self, equipment_id: str) -> Equipment | None:
        """Equipment by id, or ``None``."""
        place = self.slots.get(equipment_id)
        return None if place is None else self.devices[place[0]][place[1]]

    def rating(self, kind: Kind, column: str) -> NDArray[np.float64]:
        """One numeric registry column as float64[n], NaN where the registry is silent."""
        values = [getattr(equipment, column) for equipment in self.members(kind)]
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


EMPTY_FLEET = Fleet(version=0, devices={})


def build_fleet(version: int, members: Sequence[Equipment]) -> Fleet:
    """Fleet of equipment given in slot order, all kinds mixed."""
    devices: dict[Kind, list[Equipment]] = {}
    for equipment in members:
        devices.setdefault(equipment.kind, []).append(equipment)
    return Fleet(version=version, devices={kind: tuple(rows) for kind, rows in devices.items()})
