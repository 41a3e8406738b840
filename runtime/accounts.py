"""Making accounts: secrets are generated here, shown once, and stored as digests only."""

import hashlib
import secrets
import time

from pwdlib import PasswordHash

from domain.accounts import ApiKey, Role, User
from domain.errors import UsageError
from domain.ports import StateStore

ADMIN = "admin"


def make_key(state: StateStore, *, name: str, role: Role, firm_id: str | None = None) -> str:
    """Make an API key of 256 random bits and return it."""
    secret = f"ew_{secrets.token_urlsafe(32)}"
    _check_firm(state, role, firm_id)
    with state.writing() as tx:
        tx.accounts.put_key(
            ApiKey(
                name=name,
                digest=hashlib.sha256(secret.encode()).hexdigest(),
                role=role,
                firm_id=firm_id,
                created_at_ns=time.time_ns(),
            )
        )
    return secret


def make_user(
    state: StateStore,
    *,
    name: str,
    role: Role,
    firm_id: str | None = None,
    password: str | None = None,
) -> str:
    """Make a console user and return the password, a generated one unless given."""
    chosen = password or secrets.token_urlsafe(12)
    _check_firm(state, role, firm_id)
    with state.writing() as tx:
        tx.accounts.put_user(
            User(
                name=name,
                password_hash=PasswordHash.recommended().hash(chosen),
                role=role,
                firm_id=firm_id,
                created_at_ns=time.time_ns(),
            )
        )
    return chosen


def ensure_admin(state: StateStore, password: str) -> None:
    """Make the first administrator when there is none."""
    with state.reading() as tx:
        known = tx.accounts.user(ADMIN) is not None
    if not known:
        make_user(state, name=ADMIN, role=Role.ADMIN, password=password)


def _check_firm(state: StateStore, role: Role, firm_id: str | None) -> None:
    if (role is Role.FIRM) != (firm_id is not None):
        raise UsageError("a firm account needs --firm, and only a firm account has one")
    if firm_id is None:
        return
    with state.reading() as tx:
        if tx.registry.firm(firm_id) is None:
            raise UsageError(f"there is no firm {firm_id!r}")
