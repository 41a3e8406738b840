"""ASGI middleware: body limits and security headers."""

from collections.abc import Mapping

from fastapi import HTTPException, status
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Sent with every response. Plotly sets styles by script, hence the one ``unsafe-inline``."""


class SecurityHeaders:
    """Adds `SECURITY_HEADERS`, and ``no-store`` where a response says nothing of caching."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Refuses bodies over a limit with 413, by their stated length or once they exceed it.

    Parameters
    ----------
    limit_bytes
        For every path that ``exceptions`` does not name.
    exceptions
        Limits by path [byte].
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, exceptions: Mapping[str, int]) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._exceptions = exceptions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit_bytes = self._exceptions.get(scope["path"], self._limit_bytes)
        stated = Headers(scope=scope).get("content-length", "0")
        if stated.isdigit() and int(stated) > limit_bytes:
            response = problem(Request(scope), _TOO_LARGE, _detail(limit_bytes))
            await response(scope, receive, send)
            return
        await self._app(scope, _counting(receive, limit_bytes), send)


_TOO_LARGE = status.HTTP_413_CONTENT_TOO_LARGE


def _detail(limit_bytes: int) -> str:
    return f"The body is larger than {limit_bytes} bytes."


def _counting(receive: Receive, limit_bytes: int) -> Receive:
    received_bytes = 0

    async def receive_limited() -> Message:
        nonlocal received_bytes
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > limit_bytes:
            raise HTTPException(_TOO_LARGE, _detail(limit_bytes))
        return message

    return receive_limited
