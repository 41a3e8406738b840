"""Incidents: work for people. Words and levels are those of contract.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How sure we are, and so who is asked: engineers, or dispatch."""

    ADVISORY = "advisory"
    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"

    @property
    def rank(self) -> int:
        """0 for advisory, 1 for suspected, 2 for confirmed."""
        return _LEVEL_RANK[self]


_LEVEL_RANK = {Level.ADVISORY: 0, Level.SUSPECTED: 1, Level.CONFIRMED: 2}


class IncidentKind(StrEnum):
    """What is the matter. `CALLER` is a person who reported somebody trapped."""

    ENTRAPMENT_OFF_LEVEL = "entrapment_off_level"
    ENTRAPMENT_AT_LEVEL = "entrapment_at_level"
    ALARM_BUTTON = "alarm_button"
    CALLER = "caller"
    STOPPED_OUTSIDE_ZONE = "stopped_outside_zone"
    MOVED_WITH_DOOR_OPEN = "moved_with_door_open"
    OVER_TRAVEL = "over_travel"
    DOOR_HELD_OPEN = "door_held_open"
    DOOR_CYCLING = "door_cycling"
    OUT_OF_SERVICE = "out_of_service"
    LIFT_FAULT = "lift_fault"
    POWER_FAILURE = "power_failure"
    ESCALATOR_FAULT = "escalator_fault"
    HANDRAIL_SPEED = "handrail_speed"
    OVERPRESSURE = "overpressure"
    LOW_WATER_FIRING = "low_water_firing"
    FEED_PUMP_FAILURE = "feed_pump_failure"
    SAFETY_VALVE_STUCK = "safety_valve_stuck"
    SAFETY_VALVE_LIFTED = "safety_valve_lifted"
    LIMITER_DEFEATED = "limiter_defeated"
    FLAME_SEQUENCE = "flame_sequence"
    PRESSURE_HUNTING = "pressure_hunting"
    TUBE_LEAK = "tube_leak"
    OVERHEATING = "overheating"
    FLUE_FOULING = "flue_fouling"
    OVERLOAD = "overload"
    SHOCK_LOAD = "shock_load"
    SIDE_PULL = "side_pull"
    BRAKE_SLIP = "brake_slip"
    LOST_LOAD = "lost_load"
    LOAD_CELL_DRIFT = "load_cell_drift"
    WIND_OVER_LIMIT = "wind_over_limit"
    LOCK_NOT_ENGAGED = "lock_not_engaged"
    INTERLOCK_BYPASSED = "interlock_bypassed"
    UNSAFE_DRIVING = "unsafe_driving"
    VEHICLE_IMPACT = "vehicle_impact"
    OPERATOR_NOT_LICENSED = "operator_not_licensed"
    SENSOR_STUCK = "sensor_stuck"
    SENSOR_DRIFT = "sensor_drift"
    STATISTICAL_ANOMALY = "statistical_anomaly"
    DEVICE_OFFLINE = "device_offline"
    CLOCK_WRONG = "clock_wrong"
    DATA_GAP = "data_gap"
    INGEST_GAP = "ingest_gap"
    BROKER_DROPS = "broker_drops"


RESCUE = "rescue"
"""Case of everything that may mean a person in a car; every other kind is its own case."""

_RESCUE_SPECIFICITY: Mapping[IncidentKind, int] = {
    IncidentKind.CALLER: 0,
    IncidentKind.ALARM_BUTTON: 1,
    IncidentKind.ENTRAPMENT_AT_LEVEL: 2,
    IncidentKind.ENTRAPMENT_OFF_LEVEL: 2,
}

KIND_NAMES: Mapping[IncidentKind, tuple[str, str]] = {
    IncidentKind.ENTRAPMENT_OFF_LEVEL: ("Trapped between floors", "非平层困人"),
    IncidentKind.ENTRAPMENT_AT_LEVEL: ("Trapped at level", "平层困人"),
    IncidentKind.ALARM_BUTTON: ("Alarm button pressed", "报警按钮动作"),
    IncidentKind.CALLER: ("Reported by a caller", "人员来电报警"),
    IncidentKind.STOPPED_OUTSIDE_ZONE: ("Stopped outside door zone", "非开锁区域停车"),
    IncidentKind.MOVED_WITH_DOOR_OPEN: ("Moved with door open", "开门走车"),
    IncidentKind.OVER_TRAVEL: ("Over-travel", "冲顶或蹲底"),
    IncidentKind.DOOR_HELD_OPEN: ("Door held open", "长时间开门"),
    IncidentKind.DOOR_CYCLING: ("Repeated door cycles", "反复开关门"),
    IncidentKind.OUT_OF_SERVICE: ("Out of service", "停止服务"),
    IncidentKind.LIFT_FAULT: ("Lift fault", "电梯故障"),
    IncidentKind.POWER_FAILURE: ("Power failure", "断电"),
    IncidentKind.ESCALATOR_FAULT: ("Escalator fault", "自动扶梯故障"),
    IncidentKind.HANDRAIL_SPEED: ("Handrail speed deviates", "扶手带速度偏差"),
    IncidentKind.OVERPRESSURE: ("Over-pressure", "超压"),
    IncidentKind.LOW_WATER_FIRING: ("Firing at low water", "缺水燃烧"),
    IncidentKind.FEED_PUMP_FAILURE: ("Feed pump failure", "给水泵故障"),
    IncidentKind.SAFETY_VALVE_STUCK: ("Safety valve stuck", "安全阀卡阻"),
    IncidentKind.SAFETY_VALVE_LIFTED: ("Safety valve lifted", "安全阀起跳"),
    IncidentKind.LIMITER_DEFEATED: ("Limiter defeated", "限制装置失效"),
    IncidentKind.FLAME_SEQUENCE: ("Flame sequence violated", "点火程序异常"),
    IncidentKind.PRESSURE_HUNTING: ("Pressure hunting", "压力振荡"),
    IncidentKind.TUBE_LEAK: ("Tube leak", "爆管泄漏"),
    IncidentKind.OVERHEATING: ("Overheating", "过热"),
    IncidentKind.FLUE_FOULING: ("Flue fouling", "烟道积灰"),
    IncidentKind.OVERLOAD: ("Overload", "超载"),
    IncidentKind.SHOCK_LOAD: ("Shock load", "冲击载荷"),
    IncidentKind.SIDE_PULL: ("Side pull", "斜拉"),
    IncidentKind.BRAKE_SLIP: ("Brake slip", "制动器打滑"),
    IncidentKind.LOST_LOAD: ("Lost load", "坠钩失载"),
    IncidentKind.LOAD_CELL_DRIFT: ("Load cell drift", "称重传感器漂移"),
    IncidentKind.WIND_OVER_LIMIT: ("Wind over limit", "风速超限"),
    IncidentKind.LOCK_NOT_ENGAGED: ("Lock not engaged under pressure", "带压未锁紧"),
    IncidentKind.INTERLOCK_BYPASSED: ("Interlock bypassed", "联锁被旁路"),
    IncidentKind.UNSAFE_DRIVING: ("Unsafe driving", "违规驾驶"),
    IncidentKind.VEHICLE_IMPACT: ("Vehicle impact", "车辆碰撞"),
    IncidentKind.OPERATOR_NOT_LICENSED: ("Operator not licensed", "无证操作"),
    IncidentKind.SENSOR_STUCK: ("Sensor stuck", "传感器卡死"),
    IncidentKind.SENSOR_DRIFT: ("Sensor drift", "传感器漂移"),
    IncidentKind.STATISTICAL_ANOMALY: ("Statistical anomaly", "统计异常"),
    IncidentKind.DEVICE_OFFLINE: ("Device offline", "设备离线"),
    IncidentKind.CLOCK_WRONG: ("Device clock wrong", "设备时钟错误"),
    IncidentKind.DATA_GAP: ("Data gap", "数据缺失"),
    IncidentKind.INGEST_GAP: ("Ingest gap", "接收中断"),
    IncidentKind.BROKER_DROPS: ("Broker dropped messages", "消息服务器丢弃消息"),
}
"""English and Chinese names of every kind, as screens show them."""


def case_of(kind: IncidentKind) -> str:
    """Case under which at most one incident per equipment is open."""
    return RESCUE if kind in _RESCUE_SPECIFICITY else str(kind)


def most_specific(shown: IncidentKind, new: IncidentKind) -> IncidentKind:
    """Kind to show for an incident that shows ``shown`` and now also is ``new``.

    >>> most_specific(IncidentKind.ALARM_BUTTON, IncidentKind.ENTRAPMENT_AT_LEVEL).value
    'entrapment_at_level'
    """
    rank = _RESCUE_SPECIFICITY
    return new if rank.get(new, 0) >= rank.get(shown, 0) else shown


class IncidentState(StrEnum):
    """Where the work stands. Rescue cases go through all; others use four of them."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    ON_SITE = "on_site"
    FREED = "freed"
    VERIFIED = "verified"
    RESOLVED = "resolved"
    CLOSED = "closed"


ENDED_STATES = frozenset({IncidentState.RESOLVED, IncidentState.CLOSED})
"""States in which an incident no longer counts as the open one of its equipment and case."""


class CloseReason(StrEnum):
    """Why an incident was closed; stored, shown and counted."""

    RESCUED = "rescued"
    SELF_RELEASED = "self_released"
    REPAIRED = "repaired"
    CONDITION_ENDED = "condition_ended"
    FALSE_ALARM = "false_alarm"
    TEST = "test"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelReached:
    """One entry of an incident's level history; ``at_ns`` is a received time."""

    level: Level
    kind: IncidentKind
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Work for people about one device and one case.

    Parameters
    ----------
    id
        Hash of what opened it, so that a replay opens the same one.
    opened_at_ns
        Event time of the condition's onset as judged live.
    detected_at_ns
        Received time of the message or tick that raised it.
    condition_ended_at_ns
        Event time when telemetry said that the condition ended, or ``None`` while it stands. After
        an acknowledgement this is information only: a person ends a rescue.
    finding_ids
        Findings joined so far, oldest first.
    """

    id: str
    case: str
    kind: IncidentKind
    equipment_id: str
    firm_id: str
    level: Level
    state: IncidentState
    opened_at_ns: int
    detected_at_ns: int
    late: bool
    levels: tuple[LevelReached, ...]
    finding_ids: tuple[str, ...] = ()
    condition_ended_at_ns: int | None = None
    acknowledged_at_ns: int | None = None
    acknowledged_by: str | None = None
    closed_at_ns: int | None = None
    close_reason: CloseReason | None = None

    @property
    def latched(self) -> bool:
        """Whether a person took it over, after which telemetry closes nothing (EN 81-28)."""
        return self.acknowledged_at_ns is not None


class IncidentAction(StrEnum):
    """What can happen to an incident; each is one line of its history."""

    OPENED = "opened"
    LEVEL_RAISED = "level_raised"
    EVIDENCE_ADDED = "evidence_added"
    CONDITION_ENDED = "condition_ended"
    CONDITION_RETURNED = "condition_returned"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    FREED = "freed"
    VERIFIED = "verified"
    RESOLVED = "resolved"
    CLOSED = "closed"
    COMMENTED = "commented"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One line of an incident's history; never changed, only added.

    Parameters
    ----------
    number
        Running number over all incidents, 0 before it is stored; screens resume their event stream
        from it.
    actor
        ``system``, ``user:NAME``, ``key:NAME`` or ``firm:ID``.
    state
        State after the event.
    note
        Comment, reason or finding id, in plain words.
    """

    number: int = 0
    incident_id: str
    at_ns: int
    actor: str
    action: IncidentAction
    state: IncidentState
    note: str = ""
