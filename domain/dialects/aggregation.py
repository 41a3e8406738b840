"""Database schema of a platform that gathers several kinds of equipment."""

from functools import partial

from domain.dialects import gbt24476
from domain.dialects.table import Dialect, adopted, entrapment, fault
from domain.incidents import IncidentKind

NAME = "aggregation"

_base = partial(adopted, NAME, gbt24476.DIALECT.codes)
_over_travel = partial(fault, NAME, kind=IncidentKind.OVER_TRAVEL)

DIALECT = Dialect(
    name=NAME,
    version="1",
    en="Aggregation schema",
    zh="汇聚平台数据库代码",
    source=(
        "a public aggregation schema for 09-11; the rest is the national base list that it "
        "extends, assumed for 40 and above"
    ),
    codes=(
        *_base("00", "08"),
        _over_travel("09", "Over-travel at the top", "冲顶"),
        _over_travel("10", "Over-travel at the bottom", "蹲底"),
        entrapment(NAME, "11", "Entrapment", "困人"),
        *_base("40", "90"),
    ),
)
