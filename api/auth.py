"""Credentials: API keys, passwords, session tokens and the limit on failed logins."""

import base64
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from pwdlib import PasswordHash

from domain.accounts import Principal, User
from domain.errors import DependencyError
from domain.instants import NS_PER_S, seconds
from domain.ports import Accounts

PASSWORD_LENGTH_MAX = 256
TOKEN_LENGTH_MAX = 512
LOGIN_WAIT_S = 5.0
"""How long a login waits for its turn at the password check before it is told to try again."""

_hasher = PasswordHash.recommended()
_UNKNOWN_USER_HASH = _hasher.hash(secrets.token_urlsafe())


def key_digest(secret: str) -> str:
    """SHA-256 of an API key in hex, as `domain.accounts.ApiKey` keeps it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def principal_of_key(accounts: Accounts, secret: str) -> Principal | None:
    """Who holds an API key, or ``None``."""
    digest = key_digest(secret)
    key = accounts.key_by_digest(digest)
    if key is None or not hmac.compare_digest(key.digest, digest):
        return None
    return Principal(name=f"key:{key.name}", role=key.role, firm_id=key.firm_id)


def principal_of_user(user: User) -> Principal:
    """Principal of a person who logged in."""
    return Principal(name=f"user:{user.name}", role=user.role, firm_id=user.firm_id)


class Passwords:
    """Password checks, so many at once.

    Parameters
    ----------
    parallel
        Checks at the same time; each takes 64 MiB and about 50 ms of a core.
    """

    def __init__(self, parallel: int) -> None:
        self._turns = threading.BoundedSemaphore(parallel)

    def matches(self, user: User | None, password: str) -> bool:
        """Whether the password is the user's; an unknown user costs the same time.

        Raises
        ------
        DependencyError
            If too many checks are waiting.
        """
        with self._turn():
            stored = _UNKNOWN_USER_HASH if user is None else user.password_hash
            correct = _hasher.verify(password[: PASSWORD_LENGTH_MAX + 1], stored)
            return correct and user is not None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=LOGIN_WAIT_S):
            raise DependencyError("too many logins at once, try again")
        try:
            yield
        finally:
            self._turns.release()


class Sessions:
    """Signed session tokens: name and expiry under HMAC-SHA256.

    The password hash is part of what is signed, so that a new password ends every session.

    Parameters
    ----------
    secret
        Key of the signature.
    lifetime_s
        Validity of a token.
    """

    def __init__(self, secret: bytes, lifetime_s: float) -> None:
        self._secret = secret
        self.lifetime_s = lifetime_s

    def issue(self, user: User, now_ns: int) -> str:
        """Token for a person who just proved their password."""
        expires_s = (now_ns + seconds(self.lifetime_s)) // NS_PER_S
        claim = base64.urlsafe_b64encode(user.name.encode()).decode()
        return f"{claim}.{expires_s}.{self._signature(claim, str(expires_s), user)}"

    def find_user(self, accounts: Accounts, token: str, now_ns: int) -> User | None:
        """User of a valid token, or ``None`` for a forged, expired or orphaned one."""
        claim, expires, signature = _token_parts(token)
        user = accounts.user(_claimed_name(claim))
        if user is None:
            return None
        genuine = hmac.compare_digest(self._signature(claim, expires, user), signature)
        return user if genuine and now_ns < int(expires) * NS_PER_S else None

    def _signature(self, claim: str, expires: str, user: User) -> str:
        signed = f"{claim}\n{expires}\n{user.password_hash}".encode()
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest()


def _token_parts(token: str) -> tuple[str, str, str]:
    parts = token.split(".") if token.isascii() and len(token) <= TOKEN_LENGTH_MAX else []
    match parts:
        case [claim, expires, signature]:
            return claim, expires, signature
        case _:
            return "", "", ""


def _claimed_name(claim: str) -> str:
    try:
        return base64.urlsafe_b64decode(claim).decode()
    except ValueError:
        return ""


class LoginLimiter:
    """Refuses a name and address that failed too often within a window.

    Parameters
    ----------
    failures, window_s
        So many failures within so many seconds.
    entries
        Pairs remembered; the longest unused one is forgotten first.
    """

    def __init__(self, *, failures: int, window_s: float, entries: int) -> None:
        self._failures = failures
        self._window_ns = seconds(window_s)
        self._entries = entries
        self._seen: OrderedDict[tuple[str, str], list[int]] = OrderedDict()
        self._lock = threading.Lock()
        self.refused = 0

    def wait_s(self, name: str, address: str, now_ns: int) -> float:
        """Seconds until this pair may try again; 0 when it may now."""
        with self._lock:
            recent = self._recent((name, address), now_ns)
            if len(recent) < self._failures:
                return 0.0
            self.refused += 1
            return (recent[0] + self._window_ns - now_ns) / NS_PER_S

    def failed(self, name: str, address: str, now_ns: int) -> None:
        """Count a failure."""
        with self._lock:
            pair = (name, address)
            self._seen[pair] = [*self._recent(pair, now_ns), now_ns][-self._failures :]
            self._seen.move_to_end(pair)
            while len(self._seen) > self._entries:
                self._seen.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of a pair that proved itself."""
        with self._lock:
            self._seen.pop((name, address), None)

    def _recent(self, pair: tuple[str, str], now_ns: int) -> list[int]:
        return [at_ns for at_ns in self._seen.get(pair, ()) if at_ns > now_ns - self._window_ns]
