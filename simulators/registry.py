"""Plausible registry rows for simulated devices: Xiangcheng district of Suzhou, nobody real.

Names of towns are real, everything below them is invented; codes have the shape of real ones
(elevators.md 1.1) with serial numbers that no authority gave.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from domain.equipment import Equipment, Firm, IdentifierScheme, Kind
from simulators.boiler import BoilerDesign, safety_valve_set_mpa
from simulators.crane import CraneDesign
from simulators.drawn import Reports
from simulators.escalator import EscalatorDesign
from simulators.lift import LiftDesign
from simulators.scenario import Scenario, device_id
from simulators.steam import SIZES
from simulators.vessel import VesselDesign

EXPRESS_ZONE_M = 110.0
"""Height without landings of lifts with an express zone."""

EXPRESS_SHARE = 0.03
"""Share of lifts with an express zone."""

TEXT_LABEL_SHARE = 0.5
"""Share of controllers that send a floor as text although it is a number."""

TOWER_SHARE = 0.35
"""Share of tower cranes among cranes."""

REGISTERED_SHARE = 0.98
"""Share of devices that have their use registration."""

LIFTS_PER_ESTATE = 8
"""Mean number of lifts under one roof of management; a power cut befalls all of them."""

_FIRMS = (
    (
        "firm-pingan",
        "苏州平安电梯工程有限公司",
        "Suzhou Ping'an Lift Engineering",
        "0512-5550-0101",
    ),
    ("firm-hengsheng", "苏州恒升电梯服务有限公司", "Hengsheng Lift Service", "0512-5550-0102"),
    ("firm-yangcheng", "阳澄机电维保有限公司", "Yangcheng Electromechanical", "0512-5550-0103"),
    ("firm-ruian", "瑞安特种设备有限公司", "Rui'an Special Equipment", "0512-5550-0104"),
    ("firm-taihu", "太湖锅炉检修有限公司", "Taihu Boiler Service", "0512-5550-0105"),
    ("firm-jugang", "巨钢起重设备有限公司", "Jugang Crane Service", "0512-5550-0106"),
)
_LIFT_FIRMS = 4

_TOWNS = (
    ("元和街道", "Yuanhe", 31.379, 120.632),
    ("太平街道", "Taiping", 31.441, 120.702),
    ("黄桥街道", "Huangqiao", 31.388, 120.588),
    ("北桥街道", "Beiqiao", 31.497, 120.607),
    ("澄阳街道", "Chengyang", 31.405, 120.663),
    ("渭塘镇", "Weitang", 31.462, 120.654),
    ("望亭镇", "Wangting", 31.449, 120.437),
    ("黄埭镇", "Huangdai", 31.442, 120.553),
    ("阳澄湖镇", "Yangchenghu", 31.479, 120.752),
)
_VILLAGES = ("春申社区", "玉成社区", "湖沁社区", "凤凰泾村", "旺巷社区", "沈桥村")
_ESTATES = (
    ("澄园花苑", "Chengyuan Garden", "residential"),
    ("荷塘月苑", "Lotus Court", "residential"),
    ("湖畔佳苑", "Lakeside Court", "residential"),
    ("相城商务中心", "Xiangcheng Business Centre", "office"),
    ("活力岛广场", "Huolidao Plaza", "mall"),
    ("第三人民医院", "Third People's Hospital", "hospital"),
    ("地铁换乘站", "Metro Interchange", "transport"),
)
_PLANTS = (
    ("锦绣印染", "Jinxiu Dyeing"),
    ("渔港水产", "Yugang Aquatic Foods"),
    ("永丰纺织", "Yongfeng Textiles"),
    ("华宇包装", "Huayu Packaging"),
)
_YARDS = (
    ("宏远钢构", "Hongyuan Steel"),
    ("东方模具", "Dongfang Moulds"),
    ("城北建设工地", "Chengbei Building Site"),
    ("漕湖港务", "Caohu Port"),
)
_ROADS = ("人民路", "阳澄湖中路", "华元路", "春申湖路", "采莲路", "御窑路")

_RATED_SPEEDS_MPS = (1.0, 1.5, 1.75, 2.0, 2.5)
_TRIPS_PER_DAY = (125.0, 300.0, 750.0, 1500.0)
_TRIPS_SHARES = (0.25, 0.45, 0.2, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Rows and designs of a simulated fleet, each kind in slot order."""

    equipment: tuple[Equipment, ...]
    lifts: tuple[LiftDesign, ...]
    boilers: tuple[BoilerDesign, ...]
    cranes: tuple[CraneDesign, ...]
    escalators: tuple[EscalatorDesign, ...]
    vessels: tuple[VesselDesign, ...]

    def designs(self, kind: Kind) -> tuple[object, ...]:
        """Designs of one kind."""
        return tuple(getattr(self, f"{kind}s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Estate:
    """Where a group of lifts stands."""

    name_zh: str
    name_en: str
    place: str
    area_path: str
    address: str
    latitude: float
    longitude: float


def firms() -> tuple[Firm, ...]:
    """Invented maintenance firms that the rows name; telephone numbers lead nowhere."""
    return tuple(
        Firm(id=firm_id, name_zh=zh, name_en=en, phone=phone) for firm_id, zh, en, phone in _FIRMS
    )


def populate(scenario: Scenario, rng: np.random.Generator, today: date) -> Population:
    """Fleet of a scenario; lifts whose entries need an express zone get one."""
    needs_express = {entry.equipment_id for entry in scenario.entries_of("long_express_run")}
    size, reports = scenario.fleet, scenario.reports
    estates = _estates(max(1, round(size.lifts / LIFTS_PER_ESTATE)), rng)
    lifts = [
        _lift(n, rng, today, needs_express, estates, reports) for n in range(1, size.lifts + 1)
    ]
    boilers = [_boiler(n, rng, today, reports) for n in range(1, size.boilers + 1)]
    cranes = [_crane(n, rng, today, reports) for n in range(1, size.cranes + 1)]
    escalators = [_escalator(n, rng, today, reports) for n in range(1, size.escalators + 1)]
    vessels = [_vessel(n, rng, today, reports) for n in range(1, size.vessels + 1)]
    everything = (*lifts, *boilers, *cranes, *escalators, *vessels)
    return Population(
        equipment=tuple(row for row, _ in everything),
        lifts=tuple(design for _, design in lifts),
        boilers=tuple(design for _, design in boilers),
        cranes=tuple(design for _, design in cranes),
        escalators=tuple(design for _, design in escalators),
        vessels=tuple(design for _, design in vessels),
    )


def _estates(count: int, rng: np.random.Generator) -> list[_Estate]:
    estates = []
    for number in range(1, count + 1):
        zh, en, place = _ESTATES[int(rng.integers(len(_ESTATES)))]
        town_zh, _, latitude, longitude = _TOWNS[int(rng.integers(len(_TOWNS)))]
        village = _VILLAGES[int(rng.integers(len(_VILLAGES)))]
        road = _ROADS[int(rng.integers(len(_ROADS)))]
        estates.append(
            _Estate(
                name_zh=f"{zh}{number}期",
                name_en=f"{en} {number}",
                place=place,
                area_path=f"相城区/{town_zh}/{village}",
                address=f"苏州市相城区{town_zh}{road}{int(rng.integers(1, 2000))}号",
                latitude=latitude + float(rng.normal(0.0, 0.008)),
                longitude=longitude + float(rng.normal(0.0, 0.010)),
            )
        )
    return estates


def _lift(
    number: int,
    rng: np.random.Generator,
    today: date,
    needs_express: set[str],
    estates: list[_Estate],
    reports: Reports,
) -> tuple[Equipment, LiftDesign]:
    row = _row(Kind.LIFT, number, rng, today)
    estate = estates[int(rng.integers(len(estates)))]
    building, car = int(rng.integers(1, 25)), int(rng.integers(1, 4))
    express = row.id in needs_express or bool(rng.random() < EXPRESS_SHARE)
    design = _lift_design(rng, express=express, report_interval_s=reports.lift_s)
    row = replace(
        row,
        name_zh=f"{estate.name_zh}{building}幢{car}号梯",
        name_en=f"{estate.name_en} block {building} lift {car}",
        area_path=estate.area_path,
        address=estate.address,
        latitude=round(estate.latitude + float(rng.normal(0.0, 0.0005)), 6),
        longitude=round(estate.longitude + float(rng.normal(0.0, 0.0005)), 6),
        place_class=estate.place,
        user_unit=f"{estate.name_zh}物业服务中心",
        maintenance_firm=_FIRMS[int(rng.integers(_LIFT_FIRMS))][0],
        report_interval_s=design.report_interval_s,
        rated_speed_mps=design.rated_speed_mps,
        floors=len(design.floors_m),
        express_zone_m=EXPRESS_ZONE_M if express else None,
    )
    return row, design


def _lift_design(
    rng: np.random.Generator, *, express: bool, report_interval_s: float
) -> LiftDesign:
    basements = int(rng.integers(0, 3))
    floors = basements + int(rng.integers(6, 27))
    gaps_m = np.full(floors - 1, round(float(rng.uniform(2.8, 3.3)), 2))
    if express:
        gaps_m[basements] = EXPRESS_ZONE_M
    heights_m = np.concatenate([[0.0], np.cumsum(gaps_m)])
    numbers = [index - basements + 1 for index in range(floors)]
    as_text = basements > 0 or bool(rng.random() < TEXT_LABEL_SHARE)
    labels = tuple(_label(n, as_text=as_text) for n in numbers)
    speed_mps = 2.5 if express else float(rng.choice(_RATED_SPEEDS_MPS))
    return LiftDesign(
        floors_m=tuple(float(height) for height in heights_m),
        labels=labels,
        lobby=basements,
        rated_speed_mps=speed_mps,
        acceleration_mps2=round(float(rng.uniform(0.6, 1.0)), 2),
        jerk_mps3=round(float(rng.uniform(0.8, 1.5)), 2),
        trips_per_day=float(rng.choice(_TRIPS_PER_DAY, p=_TRIPS_SHARES)),
        report_interval_s=report_interval_s,
    )


def _label(number: int, *, as_text: bool) -> str | int:
    if number <= 0:
        return f"B{1 - number}"
    return str(number) if as_text else number


def _boiler(
    number: int, rng: np.random.Generator, today: date, reports: Reports
) -> tuple[Equipment, BoilerDesign]:
    row = _row(Kind.BOILER, number, rng, today)
    plant_zh, plant_en = _PLANTS[int(rng.integers(len(_PLANTS)))]
    size = SIZES[int(rng.choice(len(SIZES), p=(0.2, 0.4, 0.25, 0.15)))]
    valve_mpa = safety_valve_set_mpa(size.rated_mpa)
    row = replace(
        row,
        name_zh=f"{plant_zh}{number}号蒸汽锅炉",
        name_en=f"{plant_en} steam boiler {number}",
        place_class="factory",
        user_unit=f"苏州{plant_zh}有限公司",
        maintenance_firm="firm-taihu",
        report_interval_s=reports.boiler_s,
        rated_pressure_mpa=size.rated_mpa,
        safety_valve_set_mpa=valve_mpa,
        rated_evaporation_tph=size.evaporation_tph,
    )
    design = BoilerDesign(size=size, safety_valve_mpa=valve_mpa, report_interval_s=reports.boiler_s)
    return row, design


def _crane(
    number: int, rng: np.random.Generator, today: date, reports: Reports
) -> tuple[Equipment, CraneDesign]:
    row = _row(Kind.CRANE, number, rng, today)
    yard_zh, yard_en = _YARDS[int(rng.integers(len(_YARDS)))]
    tower = bool(rng.random() < TOWER_SHARE)
    design = _tower_crane(rng, reports) if tower else _bridge_crane(rng, reports)
    row = replace(
        row,
        name_zh=f"{yard_zh}{number}号{'塔式' if tower else '桥式'}起重机",
        name_en=f"{yard_en} {'tower' if tower else 'bridge'} crane {number}",
        place_class="building site" if tower else "factory",
        user_unit=f"苏州{yard_zh}有限公司",
        maintenance_firm="firm-jugang",
        report_interval_s=reports.crane_s,
        rated_load_t=design.rated_load_t,
        load_chart=design.load_chart,
        classification=f"{design.spectrum}/U{int(rng.integers(3, 7))}",
        wind_limit_mps=design.wind_limit_mps,
    )
    return row, design


def _tower_crane(rng: np.random.Generator, reports: Reports) -> CraneDesign:
    rated_t = float(rng.choice((6.0, 8.0, 10.0)))
    shares = ((12.0, 1.0), (20.0, 0.62), (30.0, 0.38), (40.0, 0.27), (50.0, 0.2))
    chart = tuple((radius, round(rated_t * share, 2)) for radius, share in shares)
    return CraneDesign(
        rated_load_t=rated_t,
        load_chart=chart,
        spectrum=str(rng.choice(("Q1", "Q2"))),
        height_m=40.0,
        span_m=50.0,
        hoist_speed_mps=round(float(rng.uniform(0.5, 0.9)), 2),
        wind_limit_mps=20.0,
        report_interval_s=reports.crane_s,
    )


def _bridge_crane(rng: np.random.Generator, reports: Reports) -> CraneDesign:
    return CraneDesign(
        rated_load_t=float(rng.choice((5.0, 10.0, 16.0, 20.0, 32.0))),
        load_chart=(),
        spectrum=str(rng.choice(("Q1", "Q2", "Q3"))),
        height_m=10.0,
        span_m=22.5,
        hoist_speed_mps=round(float(rng.uniform(0.12, 0.25)), 2),
        wind_limit_mps=13.8,
        report_interval_s=reports.crane_s,
    )


def _escalator(
    number: int, rng: np.random.Generator, today: date, reports: Reports
) -> tuple[Equipment, EscalatorDesign]:
    row = _row(Kind.ESCALATOR, number, rng, today)
    speed_mps = float(rng.choice((0.5, 0.65)))
    row = replace(
        row,
        name_zh=f"地铁换乘站{number}号扶梯",
        name_en=f"Metro Interchange escalator {number}",
        place_class="transport",
        user_unit="苏州轨道换乘站服务中心",
        maintenance_firm=_FIRMS[int(rng.integers(_LIFT_FIRMS))][0],
        report_interval_s=reports.escalator_s,
        rated_speed_mps=speed_mps,
    )
    design = EscalatorDesign(
        rated_speed_mps=speed_mps,
        direction=int(rng.integers(1, 3)),
        report_interval_s=reports.escalator_s,
    )
    return row, design


def _vessel(
    number: int, rng: np.random.Generator, today: date, reports: Reports
) -> tuple[Equipment, VesselDesign]:
    row = _row(Kind.VESSEL, number, rng, today)
    plant_zh, plant_en = _PLANTS[int(rng.integers(len(_PLANTS)))]
    working_mpa, working_c = _VESSELS[int(rng.integers(len(_VESSELS)))]
    row = replace(
        row,
        name_zh=f"{plant_zh}{number}号快开门压力容器",
        name_en=f"{plant_en} quick-opening vessel {number}",
        place_class="factory",
        user_unit=f"苏州{plant_zh}有限公司",
        maintenance_firm="firm-taihu",
        report_interval_s=reports.vessel_s,
        rated_pressure_mpa=round(1.1 * working_mpa, 2),
    )
    design = VesselDesign(
        working_mpa=working_mpa, working_c=working_c, report_interval_s=reports.vessel_s
    )
    return row, design


_VESSELS = ((0.35, 135.0), (0.45, 140.0), (1.2, 190.0))
"""Working pressure and temperature: dyeing machines and autoclaves (industrial.md 3.1)."""

_CLASS_CODES = {
    Kind.LIFT: "3110",
    Kind.BOILER: "1100",
    Kind.CRANE: "4110",
    Kind.ESCALATOR: "3310",
    Kind.VESSEL: "2150",
}


def _row(kind: Kind, number: int, rng: np.random.Generator, today: date) -> Equipment:
    town_zh, _, latitude, longitude = _TOWNS[int(rng.integers(len(_TOWNS)))]
    village = _VILLAGES[int(rng.integers(len(_VILLAGES)))]
    installed_on = today - timedelta(days=int(rng.integers(200, 7_000)))
    code = f"{_CLASS_CODES[kind]}320507{installed_on:%Y%m}{number:04d}"
    identifiers = [(IdentifierScheme.REGISTRATION_CODE, code)]
    if kind is Kind.LIFT:
        identifiers.append((IdentifierScheme.RESCUE_CODE, f"{700_000 + number:06d}"))
    road = _ROADS[int(rng.integers(len(_ROADS)))]
    return Equipment(
        id=device_id(kind, number),
        kind=kind,
        identifiers=tuple(identifiers),
        area_path=f"相城区/{town_zh}/{village}",
        address=f"苏州市相城区{town_zh}{road}{int(rng.integers(1, 2000))}号",
        latitude=round(latitude + float(rng.normal(0.0, 0.008)), 6),
        longitude=round(longitude + float(rng.normal(0.0, 0.010)), 6),
        user_contact=f"0512-5550-{1000 + int(rng.integers(9000))}",
        installed_on=installed_on,
        inspection_due_on=today + timedelta(days=int(rng.integers(-20, 360))),
        registered=bool(rng.random() < REGISTERED_SHARE),
    )
