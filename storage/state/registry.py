"""Equipment and firms in the state store."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, or_, select, update

from domain.equipment import Equipment, Firm, Fleet, IdentifierScheme, Kind, build_fleet
from domain.errors import ConflictError, DependencyError
from domain.ports import EquipmentQuery
from storage.state.rows import chunks, columns_of, page, upsert
from storage.state.tables import equipment, firms, identifiers, registry_state

_VALUES = [column for column in equipment.c if column.name != "slot"]


class SqlRegistry:
    """`domain.ports.Registry` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, rows: Sequence[Equipment]) -> None:
        """Insert or replace equipment by id; rows that change nothing leave the version alone.

        Raises
        ------
        ConflictError
            If a known id comes with another kind. Nothing of ``rows`` is kept then.
        """
        newest: dict[str, Equipment] = {}
        for row in rows:
            _check_kind(newest.get(row.id), row)
            newest[row.id] = row
        with self._connection.begin_nested():
            next_slots = self._next_slots()
            changed = [self._put_chunk(part, next_slots) for part in chunks([*newest.values()])]
            if any(changed):
                self._connection.execute(
                    update(registry_state).values(version=registry_state.c.version + 1)
                )

    def _next_slots(self) -> dict[Kind, int]:
        last = select(equipment.c.kind, func.max(equipment.c.slot)).group_by(equipment.c.kind)
        slots = dict.fromkeys(Kind, 0)
        slots.update({kind: slot + 1 for kind, slot in self._connection.execute(last)})
        return slots

    def _put_chunk(self, rows: Sequence[Equipment], next_slots: dict[Kind, int]) -> bool:
        known = {e.id: e for e in self._load(equipment.c.id.in_([row.id for row in rows]))}
        for row in rows:
            _check_kind(known.get(row.id), row)
        new = [row for row in rows if row.id not in known]
        changed = [row for row in rows if row.id in known and known[row.id] != row]
        self._insert(new, next_slots)
        self._update(changed)
        self._put_identifiers([*new, *changed])
        return bool(new or changed)

    def _insert(self, rows: Sequence[Equipment], next_slots: dict[Kind, int]) -> None:
        values = []
        for row in rows:
            values.append(columns_of(equipment, row) | {"slot": next_slots[row.kind]})
            next_slots[row.kind] += 1
        if values:
            self._connection.execute(equipment.insert(), values)

    def _update(self, rows: Sequence[Equipment]) -> None:
        values = [columns_of(equipment, row) | {"key": row.id} for row in rows]
        if values:
            statement = update(equipment).where(equipment.c.id == bindparam("key"))
            self._connection.execute(statement, values)

    def _put_identifiers(self, rows: Sequence[Equipment]) -> None:
        if not rows:
            return
        ids = [row.id for row in rows]
        self._connection.execute(delete(identifiers).where(identifiers.c.equipment_id.in_(ids)))
        values = [
            {"equipment_id": row.id, "ordinal": ordinal, "scheme": scheme, "value": value}
            for row in rows
            for ordinal, (scheme, value) in enumerate(row.identifiers)
        ]
        if values:
            self._connection.execute(identifiers.insert(), values)

    def fleet(self) -> Fleet:
        """All equipment in slot order.

        Raises
        ------
        DependencyError
            If slots are missing, which only deleting rows by hand can do: detector state would
            then speak of the wrong devices.
        """
        statement = select(equipment.c.kind, equipment.c.slot, equipment.c.id).order_by(
            equipment.c.kind, equipment.c.slot
        )
        order = self._connection.execute(statement).all()
        _check_dense((kind, slot) for kind, slot, _ in order)
        by_id = {row.id: row for row in self._load()}
        return build_fleet(self.version(), [by_id[equipment_id] for _, _, equipment_id in order])

    def version(self) -> int:
        """Number that rises with every change of equipment."""
        return int(self._connection.execute(select(registry_state.c.version)).scalar_one())

    def get(self, equipment_id: str) -> Equipment | None:
        """Equipment by id."""
        return next(iter(self._load(equipment.c.id == equipment_id)), None)

    def find(self, query: EquipmentQuery) -> Sequence[Equipment]:
        """Equipment that matches, ordered by id."""
        matching = (
            select(equipment.c.id)
            .where(*_conditions(query))
            .order_by(equipment.c.id)
            .limit(page(query.limit))
            .offset(max(0, query.offset))
        )
        ids = self._connection.execute(matching).scalars().all()
        found = [row for part in chunks(ids) for row in self._load(equipment.c.id.in_(part))]
        return sorted(found, key=lambda row: row.id)

    def _load(self, *conditions: ColumnElement[bool]) -> list[Equipment]:
        numbers: dict[str, list[tuple[IdentifierScheme, str]]] = defaultdict(list)
        statement = select(identifiers.c.equipment_id, identifiers.c.scheme, identifiers.c.value)
        if conditions:
            statement = statement.join(equipment).where(*conditions)
        ordered = statement.order_by(identifiers.c.equipment_id, identifiers.c.ordinal)
        for equipment_id, scheme, value in self._connection.execute(ordered):
            numbers[equipment_id].append((scheme, value))
        found = self._connection.execute(select(*_VALUES).where(*conditions)).mappings()
        return [Equipment(**row, identifiers=tuple(numbers.get(row["id"], ()))) for row in found]

    def put_firm(self, firm: Firm) -> None:
        """Insert or replace a firm by id."""
        upsert(self._connection, firms, "id", columns_of(firms, firm))

    def firm(self, firm_id: str) -> Firm | None:
        """Firm by id."""
        statement = select(firms).where(firms.c.id == firm_id)
        row = self._connection.execute(statement).mappings().one_or_none()
        return None if row is None else Firm(**row)

    def firms(self) -> Sequence[Firm]:
        """All firms, ordered by id."""
        rows = self._connection.execute(select(firms).order_by(firms.c.id)).mappings()
        return [Firm(**row) for row in rows]


def _check_kind(known: Equipment | None, row: Equipment) -> None:
    if known is not None and known.kind is not row.kind:
        raise ConflictError(
            f"{row.id} is a {known.kind} and cannot become a {row.kind}: "
            "give the new device an id of its own"
        )


def _check_dense(order: Iterable[tuple[Kind, int]]) -> None:
    expected: dict[Kind, int] = defaultdict(int)
    for kind, slot in order:
        if slot != expected[kind]:
            raise DependencyError(
                f"The registry has no {kind} in slot {expected[kind]}: rows were deleted by hand. "
                "Restore them; equipment is taken out of use, never deleted."
            )
        expected[kind] += 1


def _conditions(query: EquipmentQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.kind is not None:
        conditions.append(equipment.c.kind == query.kind)
    if query.firm_id is not None:
        conditions.append(equipment.c.maintenance_firm == query.firm_id)
    if query.text:
        conditions.append(_matches(query.text))
    return conditions


def _matches(text: str) -> ColumnElement[bool]:
    numbered = select(identifiers.c.equipment_id).where(identifiers.c.value == text)
    parts: list[Any] = [equipment.c.name_zh, equipment.c.name_en, equipment.c.address]
    return or_(
        equipment.c.id == text,
        equipment.c.id.in_(numbered),
        *(part.icontains(text, autoescape=True) for part in parts),
    )
