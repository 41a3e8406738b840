"""Who may do what."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Roles of people and programs."""

    OPERATOR = "operator"
    FIRM = "firm"
    ENGINEER = "engineer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who proved who they are.

    Parameters
    ----------
    name
        ``user:NAME`` or ``key:NAME``: the actor written into every history.
    firm_id
        For `Role.FIRM`: the only firm whose equipment it may see.
    """

    name: str
    role: Role
    firm_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key as stored: the secret itself is only known to its holder.

    Parameters
    ----------
    digest
        SHA-256 of the secret in hex; keys carry 256 bits of randomness, so a plain digest suffices.
    """

    name: str
    digest: str
    role: Role
    firm_id: str | None
    created_at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person with a password; ``password_hash`` is an argon2id encoding."""

    name: str
    password_hash: str
    role: Role
    firm_id: str | None
    created_at_ns: int
