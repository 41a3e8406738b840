"""Errors as RFC 9457 problem details, or as a page when a browser asks for one."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from domain.errors import (
    ConflictError,
    DependencyError,
    EquipwatchError,
    NotFoundError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 100
"""Most single errors that one validation problem lists."""

_log = structlog.get_logger(__name__)

TYPE_PREFIX = "urn:equipwatch:problem:"

_STATUS: Mapping[type[EquipwatchError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    DependencyError: HTTPStatus.SERVICE_UNAVAILABLE,
}

Page = Callable[[Request, int, str], Response | None]
"""Renders an error for a browser, or returns ``None`` to leave it to problem details."""


def problem(
    request: Request,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **members: Any,  # noqa: ANN401 - extension members are any JSON
) -> JSONResponse:
    """Problem response; its type follows from the status, so clients may rely on both."""
    title = HTTPStatus(status).phrase
    body = {
        "type": TYPE_PREFIX + title.lower().replace(" ", "-"),
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": request.url.path,
        **members,
    }
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI, page: Page) -> None:
    """Answer every error of the application; ``page`` is asked first."""

    def answer(
        request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        return page(request, status, detail) or problem(request, status, detail, headers)

    def on_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return answer(request, error.status_code, error.detail, error.headers)

    def on_operating(request: Request, error: Exception) -> Response:
        status = next((s for t, s in _STATUS.items() if isinstance(error, t)), HTTPStatus.CONFLICT)
        return answer(request, status, str(error))

    def on_any(request: Request, error: Exception) -> Response:
        _log.error("request failed", path=request.url.path, exc_info=error)
        return answer(
            request, HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed; its log says why."
        )

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(EquipwatchError, on_operating)
    app.add_exception_handler(Exception, on_any)


def on_validation(request: Request, error: Exception) -> Response:
    """List what was wrong with a request, without echoing its content."""
    errors = error.errors() if isinstance(error, RequestValidationError) else ()
    return problem(
        request,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The request does not have the expected form.",
        errors=_described(errors),
    )


def _described(errors: Sequence[Any]) -> list[dict[str, str]]:
    return [
        {"at": ".".join(str(part) for part in item["loc"]), "detail": item["msg"]}
        for item in errors[:ERRORS_MAX]
    ]
