"""District platform of Shanghai."""

from functools import partial

from domain.dialects import gbt24476
from domain.dialects.table import Dialect, adopted, entrapment

NAME = "shanghai"

_base = partial(adopted, NAME, gbt24476.DIALECT.codes)

DIALECT = Dialect(
    name=NAME,
    version="1",
    en="Shanghai district platform",
    zh="上海区级平台代码",
    source=(
        "a public client of the platform for 09; the rest is the national base list, assumed for "
        "40 and above"
    ),
    codes=(
        *_base("00", "08"),
        entrapment(NAME, "09", "Entrapment", "困人"),
        *_base("40", "90"),
    ),
)
