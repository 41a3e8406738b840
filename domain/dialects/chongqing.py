"""Government interface of Chongqing."""

from functools import partial

from domain.dialects import gbt24476
from domain.dialects.table import Dialect, adopted, entrapment, fault
from domain.incidents import IncidentKind

NAME = "chongqing"

_base = partial(adopted, NAME, gbt24476.DIALECT.codes)
_over_travel = partial(fault, NAME, kind=IncidentKind.OVER_TRAVEL)

DIALECT = Dialect(
    name=NAME,
    version="1",
    en="Chongqing government interface",
    zh="重庆市监管接口代码",
    source="a public client of the interface; it repeats 01-08, 40-47 and 90 of the base list",
    codes=(
        *_base("00", "08"),
        *_base("40", "47"),
        *_base("90", "90"),
        _over_travel("91", "Over-travel at the bottom", "蹲底"),
        _over_travel("92", "Over-travel at the top", "冲顶"),
        entrapment(NAME, "93", "Entrapment at level", "平层困人"),
    ),
)
