"""Logging in and out of the console."""

from fastapi import APIRouter, HTTPException, Request, Response, status
from pydantic import Field

from api.access import SESSION_COOKIE, Asker, require_same_origin
from api.auth import principal_of_user
from api.context import Context, Ctx
from api.permissions import Action, allowed
from api.schemas import In, Out
from domain.accounts import Principal, User

router = APIRouter(prefix="/api/v1", tags=["session"])


class LoginIn(In):
    """Name and password of a person."""

    name: str = Field(max_length=64)
    password: str = Field(max_length=256)


class PrincipalOut(Out):
    """Who the credentials belong to, and what they may do."""

    name: str
    role: str
    firm_id: str | None
    actions: list[Action]

    @classmethod
    def of(cls, principal: Principal) -> "PrincipalOut":
        """Model of a principal."""
        return cls(
            name=principal.name,
            role=principal.role,
            firm_id=principal.firm_id,
            actions=[action for action in Action if allowed(principal, action)],
        )


@router.post("/session", summary="Log in", responses={401: {}, 403: {}, 429: {}})
def post_session(request: Request, response: Response, ctx: Ctx, login: LoginIn) -> PrincipalOut:
    """Prove a password and get the session cookie."""
    require_same_origin(request)
    user = check_login(request, ctx, login.name, login.password)
    set_session(request, response, ctx, user)
    return PrincipalOut.of(principal_of_user(user))


@router.get("/session", summary="Who am I")
def get_session(principal: Asker) -> PrincipalOut:
    """Tell who the credentials belong to."""
    return PrincipalOut.of(principal)


@router.delete("/session", summary="Log out", status_code=status.HTTP_204_NO_CONTENT)
def delete_session(principal: Asker, response: Response) -> None:  # noqa: ARG001 - it must be valid
    """Take the session cookie away."""
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")


def check_login(request: Request, ctx: Context, name: str, password: str) -> User:
    """User who proved their password.

    Raises
    ------
    HTTPException
        401 for a wrong name or password, 429 after too many failures of this name and address.
    """
    address = request.client.host if request.client else ""
    wait_s = ctx.logins.wait_s(name, address, ctx.clock())
    if wait_s > 0:
        ctx.metrics.logins_limited.inc()
        raise HTTPException(
            status.HTTP_429_TOO_MANY_REQUESTS,
            "Too many failed logins.",
            {"Retry-After": str(int(wait_s) + 1)},
        )
    with ctx.state.reading() as tx:
        user = tx.accounts.user(name)
    if not ctx.passwords.matches(user, password) or user is None:
        ctx.logins.failed(name, address, ctx.clock())
        ctx.metrics.logins_failed.inc()
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "The name or the password is wrong.")
    ctx.logins.succeeded(name, address)
    return user


def set_session(request: Request, response: Response, ctx: Context, user: User) -> None:
    """Give the session cookie to a person who logged in."""
    response.set_cookie(
        SESSION_COOKIE,
        ctx.sessions.issue(user, ctx.clock()),
        max_age=int(ctx.sessions.lifetime_s),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
