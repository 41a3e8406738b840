"""Settings and limits of the API and the console."""

from dataclasses import dataclass, field

from domain.errors import UsageError

SECRET_BYTES_MIN = 32
"""Shortest session secret: as long as the SHA-256 code that it keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """What an installation may tune.

    Parameters
    ----------
    session_secret
        Key of the session cookies' signature, at least `SECRET_BYTES_MIN` bytes, the same in every
        process that serves the console.
    session_s
        How long a console login lasts.
    metrics_public
        Serve ``/metrics`` without credentials.
    stream_clients
        Event streams open at once; a further one is refused with 503.
    stream_poll_s
        How often the history is looked at for the event stream, at most 0.5 s.
    heartbeat_s
        Interval of heartbeats on the event stream, at most 5 s.
    body_limit_bytes, import_limit_bytes
        Largest request body, and largest registry file.
    login_failures, login_window_s, login_entries
        A name and address that failed so often within the window waits until the window is over;
        so many pairs are remembered.
    login_parallel
        Password checks at once: each takes 64 MiB by design of Argon2.
    """

    session_secret: bytes = field(repr=False)
    session_s: float = 12 * 3_600
    metrics_public: bool = False
    stream_clients: int = 200
    stream_poll_s: float = 0.25
    heartbeat_s: float = 3.0
    body_limit_bytes: int = 64 * 1024
    import_limit_bytes: int = 20 * 1024**2
    login_failures: int = 10
    login_window_s: float = 300.0
    login_entries: int = 10_000
    login_parallel: int = 2

    def __post_init__(self) -> None:
        """Refuse what would weaken the sessions or the stream's promises."""
        if len(self.session_secret) < SECRET_BYTES_MIN:
            raise UsageError(f"session_secret needs at least {SECRET_BYTES_MIN} bytes")
        if not 0 < self.stream_poll_s <= 0.5:  # noqa: PLR2004 - the promise of the docstring
            raise UsageError("stream_poll_s must be above 0 and at most 0.5")
        if not 0 < self.heartbeat_s <= 5:  # noqa: PLR2004 - the promise of the docstring
            raise UsageError("heartbeat_s must be above 0 and at most 5")
