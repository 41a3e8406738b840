import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from dispatch.channels import webhook
from dispatch.channels.webhook import WebhookChannel, is_public, sign, verify_signature
from domain.equipment import Firm
from domain.instants import NS_PER_S
from domain.notifications import Delivery, Notification, Outcome
from tests.support.dispatch_world import NOW_NS, SECRET, Answer, receiver, status

NOW_S = NOW_NS // NS_PER_S
NOTE = Notification(
    id="event-1",
    incident_id="i",
    occasion="opened",
    channel="webhook",
    receiver="acme",
    body=json.dumps({"kind_name": {"zh": "平层困人"}}, ensure_ascii=False),
    created_at_ns=NOW_NS,
    due_at_ns=NOW_NS,
)


def deliver(url: str, *, secret: str = SECRET, **settings: Any) -> Delivery:
    channel = WebhookChannel(**{"allow_private_addresses": True, **settings})
    firm = Firm(id="acme", webhook_url=url, webhook_secret=secret)
    return channel.deliver(NOTE, firm, NOW_NS)


def answered(answer: Answer) -> Delivery:
    with receiver([answer]) as firm:
        return deliver(firm.url)


def test_what_arrives_is_signed_over_the_exact_bytes() -> None:
    with receiver() as firm:
        delivery = deliver(firm.url)
    [request] = firm.requests
    assert (delivery.outcome, delivery.attempt) == (Outcome.DELIVERED, 1)
    assert request.body == NOTE.body.encode()
    assert request.headers[webhook.EVENT_ID_HEADER] == "event-1"
    assert request.headers["Content-Type"].startswith("application/json")
    assert request.headers["Host"] == firm.url.split("/")[2]
    timestamp = request.headers[webhook.TIMESTAMP_HEADER]
    signature = request.headers[webhook.SIGNATURE_HEADER]
    assert timestamp == str(NOW_S)
    assert verify_signature(SECRET, timestamp, request.body, signature, now_s=NOW_S)


@pytest.mark.parametrize(
    ("secret", "timestamp", "body", "now_s"),
    [
        ("other", str(NOW_S), b"{}", NOW_S),
        (SECRET, str(NOW_S), b"{ }", NOW_S),
        (SECRET, str(NOW_S + 1), b"{}", NOW_S),
        (SECRET, str(NOW_S), b"{}", NOW_S + webhook.TOLERANCE_S + 1),
        (SECRET, "soon", b"{}", NOW_S),
        (SECRET, "\u0661", b"{}", NOW_S),
    ],
)
def test_a_forged_or_stale_request_is_refused(
    secret: str, timestamp: str, body: bytes, now_s: int
) -> None:
    signature = sign(SECRET, NOW_S, b"{}")
    assert verify_signature(SECRET, str(NOW_S), b"{}", signature, now_s=NOW_S)
    assert not verify_signature(secret, timestamp, body, signature, now_s=now_s)
    assert not verify_signature(SECRET, str(NOW_S), b"{}", "v1=\u00e4", now_s=NOW_S)


def test_the_documented_example_holds() -> None:
    expected = "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert sign("key", 1_700_000_000, b"{}") == expected


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (200, Outcome.DELIVERED),
        (204, Outcome.DELIVERED),
        (302, Outcome.GIVEN_UP),
        (400, Outcome.GIVEN_UP),
        (401, Outcome.GIVEN_UP),
        (410, Outcome.GIVEN_UP),
        (408, Outcome.RETRY),
        (425, Outcome.RETRY),
        (429, Outcome.RETRY),
        (500, Outcome.RETRY),
        (503, Outcome.RETRY),
        (599, Outcome.RETRY),
    ],
)
def test_the_status_decides(code: int, outcome: Outcome) -> None:
    delivery = answered(status(code))
    assert delivery.outcome is outcome
    assert delivery.detail.startswith(f"HTTP {code}")


@pytest.mark.parametrize(
    ("text", "asked_s"),
    [
        ("60", 60.0),
        ("Thu, 05 Mar 2026 00:31:00 GMT", 60.0),
        ("Thu, 05 Mar 2026 00:29:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("Thu, 99 Mar 2026 00:29:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, asked_s: float | None) -> None:
    assert answered(status(429, Retry_After=text)).retry_after_s == asked_s


def test_a_redirect_is_not_followed() -> None:
    with receiver() as trap:
        delivery = answered(status(302, Location=trap.url))
    assert trap.requests == []
    assert delivery.detail == "HTTP 302 Found: redirects are not followed"


def test_a_slow_answer_ends_at_the_time_limit() -> None:
    release = threading.Event()

    def stall(_: BaseHTTPRequestHandler) -> None:
        release.wait(20)

    started_s = time.monotonic()
    with receiver([stall]) as firm:
        delivery = deliver(firm.url, total_timeout_s=0.3)
        release.set()
    assert time.monotonic() - started_s < 5
    assert (delivery.outcome, delivery.detail) == (Outcome.RETRY, "no answer within 0.3 s")


def test_an_answer_that_drips_cannot_stretch_the_time_limit() -> None:
    release = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not release.wait(0.05):
            handler.wfile.write(b"X-Drip: 1\r\n")

    started_s = time.monotonic()
    with receiver([drip]) as firm:
        delivery = deliver(firm.url, total_timeout_s=0.5)
        release.set()
    assert time.monotonic() - started_s < 5
    assert delivery.outcome is Outcome.RETRY


def test_a_huge_answer_is_not_read() -> None:
    written = 0
    stopped = threading.Event()

    def flood(handler: BaseHTTPRequestHandler) -> None:
        nonlocal written
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 30))
        handler.end_headers()
        try:
            for _ in range(1 << 10):
                written += handler.wfile.write(bytes(1 << 20))
        except OSError:
            stopped.set()

    with receiver([flood]) as firm:
        delivery = deliver(firm.url)
        assert stopped.wait(10)
    assert delivery.outcome is Outcome.DELIVERED
    assert written < 1 << 26


def test_nobody_listening_is_worth_another_try() -> None:
    with receiver() as firm:
        url = firm.url
    delivery = deliver(url)
    assert delivery.outcome is Outcome.RETRY
    assert delivery.detail.startswith("ConnectError")


def test_an_unknown_name_is_worth_another_try() -> None:
    delivery = deliver("http://nowhere.invalid/hook")
    assert delivery.outcome is Outcome.RETRY
    assert delivery.detail.startswith("name not resolved")


def test_private_addresses_are_refused_unless_allowed() -> None:
    with receiver() as firm:
        by_name = firm.url.replace("127.0.0.1", "localhost")
        for url in (firm.url, by_name):
            delivery = deliver(url, allow_private_addresses=False)
            assert delivery.outcome is Outcome.GIVEN_UP
            assert "no public address" in delivery.detail
        assert firm.requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_which_addresses_are_public(address: str, *, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "secret", "detail"),
    [
        ("", SECRET, "no http or https URL"),
        ("ftp://example.com/", SECRET, "no http or https URL"),
        ("http://", SECRET, "no http or https URL"),
        ("http://[::1", SECRET, "no URL"),
        ("http://user:word@example.com/", SECRET, "holds a login"),
        ("http://example.com/", "", "no webhook secret"),
    ],
)
def test_an_address_that_cannot_work_is_given_up(url: str, secret: str, detail: str) -> None:
    delivery = deliver(url, secret=secret)
    assert delivery.outcome is Outcome.GIVEN_UP
    assert detail in delivery.detail
    assert "word@" not in delivery.detail
