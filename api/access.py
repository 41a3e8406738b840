"""Who asks, whether they may, and what of it they may see."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Security, status
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from api.auth import principal_of_key, principal_of_user
from api.context import Context, Ctx
from api.permissions import Action, allowed
from domain.accounts import Principal, Role
from domain.equipment import Equipment
from domain.errors import NotFoundError
from domain.incidents import Incident
from domain.ports import StateTransaction

SESSION_COOKIE = "equipwatch_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

bearer_scheme = HTTPBearer(auto_error=False, description="API key")
cookie_scheme = APIKeyCookie(name=SESSION_COOKIE, auto_error=False, description="console session")


def authenticate(
    request: Request,
    ctx: Ctx,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_scheme)],
    cookie: Annotated[str | None, Security(cookie_scheme)],
) -> Principal:
    """Principal of a request: the bearer key when one is sent, else the session cookie.

    Raises
    ------
    HTTPException
        401 without valid credentials, 403 for a change that another site's page sent.
    """
    principal = _by_key(ctx, bearer.credentials) if bearer else _by_cookie(ctx, cookie)
    if principal is None or (principal.role is Role.FIRM and not principal.firm_id):
        raise HTTPException(
            status.HTTP_401_UNAUTHORIZED,
            "A valid API key or a console session is needed.",
            {"WWW-Authenticate": "Bearer"},
        )
    if bearer is None:
        require_same_origin(request)
    return principal


def _by_key(ctx: Context, secret: str) -> Principal | None:
    with ctx.state.reading() as tx:
        return principal_of_key(tx.accounts, secret)


def _by_cookie(ctx: Context, token: str | None) -> Principal | None:
    if token is None:
        return None
    with ctx.state.reading() as tx:
        user = ctx.sessions.find_user(tx.accounts, token, ctx.clock())
    return None if user is None else principal_of_user(user)


def require_same_origin(request: Request) -> None:
    """Refuse a change whose ``Origin`` is not this host: a forged form of another site.

    Raises
    ------
    HTTPException
        403.
    """
    if request.method in SAFE_METHODS:
        return
    origin = urlsplit(request.headers.get("origin", ""))
    if not origin.netloc or origin.netloc != request.headers.get("host"):
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, "Changes are only taken from this service's own pages."
        )


Asker = Annotated[Principal, Depends(authenticate)]


class Require:
    """Dependency that lets only roles with an action pass.

    A firm is told 404, as for anything that is not its own; others learn that it is forbidden.
    """

    def __init__(self, action: Action) -> None:
        self.action = action

    def __call__(self, principal: Asker) -> Principal:
        """Return the principal that may go on."""
        if allowed(principal, self.action):
            return principal
        if principal.role is Role.FIRM:
            raise NotFoundError("There is no such resource.")
        raise HTTPException(
            status.HTTP_403_FORBIDDEN,
            f"The role {principal.role} may not {self.action.replace('_', ' ')}.",
        )


def firm_scope(principal: Principal) -> str | None:
    """Firm to which every listing of this principal is limited, ``None`` = no limit."""
    return principal.firm_id if principal.role is Role.FIRM else None


def visible_equipment(tx: StateTransaction, principal: Principal, equipment_id: str) -> Equipment:
    """Equipment by id, as far as the principal may know of it.

    Raises
    ------
    NotFoundError
        If there is none, or it is another firm's.
    """
    equipment = tx.registry.get(equipment_id)
    firm_id = firm_scope(principal)
    if equipment is None or (firm_id is not None and equipment.maintenance_firm != firm_id):
        raise NotFoundError(f"There is no equipment {equipment_id}.")
    return equipment


def visible_incident(tx: StateTransaction, principal: Principal, incident_id: str) -> Incident:
    """Incident by id, as far as the principal may know of it.

    Raises
    ------
    NotFoundError
        If there is none, or it is another firm's.
    """
    incident = tx.incidents.get(incident_id)
    firm_id = firm_scope(principal)
    if incident is None or (firm_id is not None and incident.firm_id != firm_id):
        raise NotFoundError(f"There is no incident {incident_id}.")
    return incident
