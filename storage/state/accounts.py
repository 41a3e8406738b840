"""API keys and users in the state store."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select
from sqlalchemy.exc import IntegrityError

from domain.accounts import ApiKey, User
from domain.errors import ConflictError
from storage.state.rows import columns_of, upsert
from storage.state.tables import api_keys, users


class SqlAccounts:
    """`domain.ports.Accounts` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put_key(self, key: ApiKey) -> None:
        """Insert or replace a key by name; after a conflict the transaction may go on.

        Raises
        ------
        ConflictError
            If another key has the same digest.
        """
        try:
            with self._connection.begin_nested():
                upsert(self._connection, api_keys, "name", columns_of(api_keys, key))
        except IntegrityError as error:
            raise ConflictError("Another key has the same secret") from error

    def key_by_digest(self, digest: str) -> ApiKey | None:
        """Key by the digest of its secret."""
        statement = select(api_keys).where(api_keys.c.digest == digest)
        row = self._connection.execute(statement).mappings().one_or_none()
        return None if row is None else ApiKey(**row)

    def keys(self) -> Sequence[ApiKey]:
        """All keys, ordered by name."""
        rows = self._connection.execute(select(api_keys).order_by(api_keys.c.name)).mappings()
        return [ApiKey(**row) for row in rows]

    def drop_key(self, name: str) -> bool:
        """Delete a key; say whether it existed."""
        return (
            self._connection.execute(delete(api_keys).where(api_keys.c.name == name)).rowcount > 0
        )

    def put_user(self, user: User) -> None:
        """Insert or replace a user by name."""
        upsert(self._connection, users, "name", columns_of(users, user))

    def user(self, name: str) -> User | None:
        """User by name."""
        statement = select(users).where(users.c.name == name)
        row = self._connection.execute(statement).mappings().one_or_none()
        return None if row is None else User(**row)
