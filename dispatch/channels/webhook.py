"""Signed webhooks.

A request is ``POST`` with the notification's body and the headers

- ``X-Equipwatch-Event-Id``: id of the notification, the same on every attempt;
- ``X-Equipwatch-Timestamp``: Unix seconds of this attempt;
- ``X-Equipwatch-Signature``: ``v1=`` and hex HMAC-SHA256, keyed with the firm's secret, over
  timestamp, a full stop and the body's bytes.

A receiver checks the signature (`verify_signature` shows how), answers 2xx once it has the message
safely, and ignores an event id that it knows.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx2

from domain.equipment import Firm
from domain.instants import NS_PER_S, from_datetime
from domain.notifications import Delivery, Notification, Outcome

EVENT_ID_HEADER = "X-Equipwatch-Event-Id"
TIMESTAMP_HEADER = "X-Equipwatch-Timestamp"
SIGNATURE_HEADER = "X-Equipwatch-Signature"

CONNECT_TIMEOUT_S = 3.0
TOTAL_TIMEOUT_S = 10.0
"""From name resolution to the answer's status line and headers; the answer's body is not read. Only
a name server that does not answer takes as long as the system's resolver waits for it."""
TOLERANCE_S = 300
"""Greatest age of a timestamp that a receiver should take."""

_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})


def sign(secret: str, timestamp_s: int, body: bytes) -> str:
    """Value of the signature header.

    >>> sign("key", 1700000000, b"{}")[:11]
    'v1=9d713ed4'
    """
    signed = f"{timestamp_s}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def verify_signature(
    secret: str,
    timestamp: str,
    body: bytes,
    signature: str,
    *,
    now_s: float,
    tolerance_s: float = TOLERANCE_S,
) -> bool:
    """Whether a request comes from who knows the secret, and is fresh: for receivers.

    Parameters
    ----------
    timestamp, signature
        Values of the two headers as received.
    body
        Bytes as received, before any parsing.
    tolerance_s
        Greatest difference between the timestamp and ``now_s``; it bounds how long a recorded
        request can be replayed.
    """
    if not (timestamp.isascii() and timestamp.isdigit()):
        return False
    timestamp_s = int(timestamp)
    fresh = abs(now_s - timestamp_s) <= tolerance_s
    expected = sign(secret, timestamp_s, body).encode()
    return hmac.compare_digest(expected, signature.encode()) and fresh


@dataclass(frozen=True, slots=True)
class _Verdict:
    outcome: Outcome
    detail: str
    retry_after_s: float | None = None


class WebhookChannel:
    """Posts notifications to the firm's webhook.

    Redirects are not followed and proxies of the environment not used: the address that was checked
    is the address that is connected to.

    Parameters
    ----------
    allow_private_addresses
        Whether receivers may live on private, loopback or link-local addresses. Off by default, so
        that nobody who may edit a firm can make the service speak to its own network.
    """

    name = "webhook"

    def __init__(
        self,
        *,
        allow_private_addresses: bool = False,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
    ) -> None:
        self._allow_private = allow_private_addresses
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s
        self._tls = ssl.create_default_context()

    def deliver(self, notification: Notification, firm: Firm, now_ns: int) -> Delivery:
        """Try once, within the total time limit, and say what became of it."""
        verdict = _refusal(firm) or asyncio.run(self._bounded(notification, firm, now_ns))
        return Delivery(
            notification_id=notification.id,
            attempt=notification.attempts + 1,
            at_ns=now_ns,
            outcome=verdict.outcome,
            detail=verdict.detail,
            retry_after_s=verdict.retry_after_s,
        )

    def close(self) -> None:
        """Nothing is kept open between deliveries, so there is nothing to release."""

    async def _bounded(self, notification: Notification, firm: Firm, now_ns: int) -> _Verdict:
        try:
            async with asyncio.timeout(self._total_timeout_s):
                return await self._post(notification, firm, now_ns)
        except TimeoutError:
            return _Verdict(Outcome.RETRY, f"no answer within {self._total_timeout_s:g} s")
        except httpx2.TransportError as error:
            return _Verdict(Outcome.RETRY, f"{type(error).__name__}: {error}")
        except socket.gaierror as error:
            return _Verdict(Outcome.RETRY, f"name not resolved: {error.strerror}")

    async def _post(self, notification: Notification, firm: Firm, now_ns: int) -> _Verdict:
        url = httpx2.URL(firm.webhook_url)
        addresses = await self._addresses(url)
        if not addresses:
            return _Verdict(Outcome.GIVEN_UP, f"{url.host} has no public address")
        # Another attempt tries the next address of a receiver that has several.
        address = addresses[notification.attempts % len(addresses)]
        body = notification.body.encode()
        headers = _headers(notification.id, firm.webhook_secret, body, now_ns // NS_PER_S)
        request = httpx2.Request(
            "POST",
            url.copy_with(host=address),
            headers={**headers, "Host": url.netloc.decode("ascii")},
            content=body,
            extensions={"sni_hostname": url.host, "timeout": self._timeout.as_dict()},
        )
        async with httpx2.AsyncClient(verify=self._tls, trust_env=False) as client:
            response = await client.send(request, stream=True, follow_redirects=False)
            await response.aclose()
        return _verdict(response, now_ns)

    @property
    def _timeout(self) -> httpx2.Timeout:
        return httpx2.Timeout(self._total_timeout_s, connect=self._connect_timeout_s)

    async def _addresses(self, url: httpx2.URL) -> list[str]:
        """Addresses that may be connected to, in the resolver's order."""
        loop = asyncio.get_running_loop()
        port = url.port or (443 if url.scheme == "https" else 80)
        found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
        return [one for one in addresses if self._allow_private or is_public(one)]


def is_public(address: str) -> bool:
    """Whether an IP address is a public unicast one, also when IPv6 wraps an IPv4 address.

    >>> [is_public(a) for a in ("1.1.1.1", "10.0.0.1", "::ffff:127.0.0.1", "169.254.169.254")]
    [True, False, False, False]
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        ip = wrapped or ip
    return ip.is_global and not ip.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _refusal(firm: Firm) -> _Verdict | None:
    """Why a firm's webhook cannot be called at all."""
    try:
        url = httpx2.URL(firm.webhook_url)
    except httpx2.InvalidURL:
        return _Verdict(Outcome.GIVEN_UP, "the webhook address is no URL")
    if url.scheme not in {"http", "https"} or not url.host:
        return _Verdict(Outcome.GIVEN_UP, "the webhook address is no http or https URL")
    if url.userinfo:
        return _Verdict(Outcome.GIVEN_UP, "the webhook address holds a login")
    if not firm.webhook_secret:
        return _Verdict(Outcome.GIVEN_UP, "the firm has no webhook secret to sign with")
    return None


def _headers(event_id: str, secret: str, body: bytes, timestamp_s: int) -> dict[str, str]:
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "equipwatch",
        EVENT_ID_HEADER: event_id,
        TIMESTAMP_HEADER: str(timestamp_s),
        SIGNATURE_HEADER: sign(secret, timestamp_s, body),
    }


def _verdict(response: httpx2.Response, now_ns: int) -> _Verdict:
    status = response.status_code
    line = f"HTTP {status} {_phrase(status)}".rstrip()
    if response.is_success:
        return _Verdict(Outcome.DELIVERED, line)
    if status in _WORTH_ANOTHER_TRY or response.is_server_error:
        asked_s = _retry_after_s(response.headers.get("Retry-After", ""), now_ns)
        return _Verdict(Outcome.RETRY, line, asked_s)
    if response.is_redirect:
        return _Verdict(Outcome.GIVEN_UP, f"{line}: redirects are not followed")
    return _Verdict(Outcome.GIVEN_UP, line)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _retry_after_s(text: str, now_ns: int) -> float | None:
    """Seconds of a ``Retry-After`` header, a number or an HTTP date; ``None`` when unusable."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (from_datetime(aware) - now_ns) / NS_PER_S)
