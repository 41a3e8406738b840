"""What templates call: words, values and permissions in the language of the request."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from api.console import show
from api.console.texts import Language, observation, pick, text
from api.context import get_context
from api.permissions import Action, allowed
from domain.accounts import Principal
from domain.equipment import Equipment, Firm, Kind
from domain.findings import Evidence
from domain.incidents import KIND_NAMES, IncidentEvent, IncidentKind
from domain.instants import from_iso, to_iso

LANGUAGE_COOKIE = "equipwatch_language"

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def language_of(request: Request) -> Language:
    """Language of the cookie, else Chinese for a browser that prefers it, else English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in set(Language):
        return Language(chosen)
    wanted = request.headers.get("accept-language", "").lower()
    return Language.ZH if wanted.startswith("zh") else Language.EN


@dataclass(frozen=True, slots=True, kw_only=True)
class Ui:
    """Words and values for one page."""

    language: Language
    principal: Principal | None
    now_ns: int
    path: str

    @property
    def other_language(self) -> Language:
        """Language that the switch offers."""
        return Language.EN if self.language is Language.ZH else Language.ZH

    @property
    def switch_address(self) -> str:
        """Address of the language switch, which comes back to this page."""
        return f"/language/{self.other_language}?back={quote(self.path)}"

    def t(self, key: str) -> str:
        """Word of a key."""
        return text(key, self.language)

    def may(self, action: str) -> bool:
        """Whether whoever reads the page may do something."""
        return self.principal is not None and allowed(self.principal, Action(action))

    def name(self, thing: Equipment | Firm | None, otherwise: str = "") -> str:
        """Name of a device or firm in the page's language, as far as it has one."""
        if thing is None:
            return otherwise
        first, second = thing.name_en, thing.name_zh
        if self.language is Language.ZH:
            first, second = second, first
        return first or second or thing.id

    def kind(self, kind: IncidentKind) -> str:
        """Name of an incident's kind."""
        return pick(KIND_NAMES[kind], self.language)

    def both_kinds(self, kind: IncidentKind) -> str:
        """Name of an incident's kind in the other language."""
        return pick(KIND_NAMES[kind], self.other_language)

    def iso(self, instant_ns: int) -> str:
        """Instant as machines read it."""
        return to_iso(instant_ns)

    def when(self, instant_ns: int) -> str:
        """Wall time in Asia/Shanghai."""
        return show.shanghai(instant_ns)

    def when_iso(self, instant: str) -> str:
        """Wall time in Asia/Shanghai of an ISO text."""
        return show.shanghai(from_iso(instant))

    def lasted(self, duration_s: float) -> str:
        """Duration in its largest sensible unit."""
        return show.duration(max(0.0, duration_s), self.language)

    def age(self, instant_ns: int) -> str:
        """Time passed since an instant."""
        return show.age(instant_ns, self.now_ns, self.language)

    def observation(self, name: str, kind: Kind | None) -> str:
        """Name of an observation."""
        return observation(name, kind, self.language)

    def observation_other(self, name: str, kind: Kind | None) -> str:
        """Name of an observation in the other language."""
        return observation(name, kind, self.other_language)

    def evidence(self, evidence: Evidence, kind: Kind | None) -> str:
        """Value of an observation."""
        return show.evidence_value(evidence, kind, self.language)

    def note(self, event: IncidentEvent) -> str:
        """Note of a history line."""
        return show.note_text(event, self.language)

    def actor(self, actor: str) -> str:
        """Who did something."""
        return show.actor_name(actor, self.language)

    def seconds(self, duration_ns: int | None) -> str:
        """Signed time in seconds, unknown when it is not known."""
        return show.signed_seconds(duration_ns, self.language)

    def value(self, value: float | bool | str | None, unit: str) -> str:
        """Value with its unit."""
        return show.plain_value(value, unit, self.language)

    def pair(self, en: str | None, zh: str | None) -> str | None:
        """One of two texts."""
        return zh if self.language is Language.ZH else en


def render(
    request: Request,
    template: str,
    principal: Principal | None,
    status: int = 200,
    **values: object,
) -> HTMLResponse:
    """Page of a template."""
    query = f"?{request.url.query}" if request.url.query else ""
    ui = Ui(
        language=language_of(request),
        principal=principal,
        now_ns=get_context(request).clock(),
        path=request.url.path + query,
    )
    page = _environment.get_template(template).render(ui=ui, t=ui.t, **values)
    return HTMLResponse(page, status, headers={"Vary": "Cookie, Accept-Language"})
