"""Settings: one document with a sentence, a unit, bounds and a default for every value.

Sources, strongest first: command line, environment (``EQUIPWATCH_HTTP__PORT=8080``), the TOML file
``equipwatch.toml`` in the data directory, defaults. An unknown key is an error that names the
nearest known one.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from domain.errors import UsageError

CONFIG_FILE = "equipwatch.toml"


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BrokerSettings(_Group):
    """MQTT broker. Without ``url`` the service starts one of its own."""

    url: str = Field(
        "", description="Broker to connect to, mqtt://host:port or mqtts://; empty starts our own."
    )
    username: str = Field("", description="Login of ingest on an outside broker.")
    password: SecretStr = Field(SecretStr(""), description="Password of ingest there.")
    notify_username: str = Field("", description="Login of dispatch on an outside broker.")
    notify_password: SecretStr = Field(SecretStr(""), description="Password of dispatch there.")
    tls_ca: str = Field("", description="File of the CA certificate that signs the broker's.")
    tls_client: str = Field(
        "", description="File with ingest's client certificate and key, where the broker asks."
    )
    notify_tls_client: str = Field("", description="The same of dispatch.")
    dispatch_mqtt5: bool = Field(
        True, description="Whether dispatch may speak MQTT 5; ingest finds that out by itself."
    )
    host: str = Field("127.0.0.1", description="Address that our own broker listens on.")
    port: int = Field(1883, ge=0, le=65535, description="Port of our own broker; 0 = a free one.")
    prefer: Literal["", "mosquitto", "nats"] = Field(
        "", description="Which program to start; empty takes mosquitto, else nats-server."
    )
    tls: Literal["off", "on"] = Field(
        "off", description="Whether our own broker encrypts; it then listens in no other way."
    )
    tls_names: str = Field(
        "", description="Host names and addresses that devices reach it by, separated by commas."
    )
    client_certificates: Literal["off", "optional", "required"] = Field(
        "off",
        description="Whether a client certificate takes the place of the password; with optional, "
        "it does on certificate_port.",
    )
    certificate_port: int = Field(
        8884, ge=0, le=65535, description="Port for client certificates when optional; 0 = free."
    )
    connections_max: int = Field(
        30_000, ge=10, le=1_000_000, description="Connections of one port of our own broker."
    )
    queued_bytes_max: int = Field(
        1024**3,
        ge=1024**2,
        description="Most [byte] that mosquitto queues in memory for one absent subscriber; "
        "nats-server keeps four times as much on disk for all.",
    )

    @model_validator(mode="after")
    def _certificates_need_tls(self) -> Self:
        if self.client_certificates != "off" and self.tls == "off":
            raise ValueError("client_certificates need tls = on")
        return self


class IngestSettings(_Group):
    """From the broker to the journal."""

    commit_interval_s: float = Field(
        0.05, ge=0.005, le=0.1, description="Longest wait [s] before a journal commit."
    )
    commit_messages: int = Field(
        500, ge=1, le=10_000, description="Messages that trigger a commit before the wait is over."
    )
    receive_maximum: int = Field(
        4_000, ge=100, le=65_535, description="Messages in flight before the broker waits for us."
    )
    session_expiry_s: int = Field(
        86_400, ge=60, le=604_800, description="How long [s] the broker queues while we are away."
    )


class JournalSettings(_Group):
    """Raw messages on disk, the single source of truth."""

    keep_h: float = Field(72, gt=0, description="Segments older than this [h] may be deleted.")
    max_bytes: int = Field(
        20 * 1024**3,
        ge=64 * 1024**2,
        description="Disk budget [byte]: above 60 % old segments go, at 70, 85 and 95 % marks act.",
    )
    segment_s: int = Field(3_600, ge=60, le=86_400, description="Length of one segment file [s].")
    give_up_to: int = Field(
        0,
        ge=0,
        description="Last position whose damaged frames are passed over; /readyz names it.",
    )


def _number(value: object) -> object:
    """Read digits of the environment, where everything is text, as the number they are."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


_Version = Annotated[Literal[1, 2], BeforeValidator(_number)]


class LedgerSettings(_Group):
    """What was received, missing and refused, per device and hour."""

    keep_days: float = Field(90, gt=0, description="Rows older than this [d] are deleted.")
    gap_hold_s: float = Field(
        120, ge=0, le=86_400, description="How long [s] items must be missing to be told of."
    )


class TelemetrySettings(_Group):
    """Where readings are kept."""

    store: Literal["duckdb", "influxdb", "memory"] = Field(
        "duckdb", description="duckdb (embedded), influxdb (production) or memory (trials)."
    )
    url: str = Field("http://127.0.0.1:8086", description="InfluxDB address.")
    version: _Version = Field(2, description="InfluxDB major version.")
    bucket: str = Field("equipwatch", description="Bucket (2.x) or database (1.x).")
    org: str = Field("equipwatch", description="InfluxDB 2.x organisation.")
    token: SecretStr = Field(SecretStr(""), description="InfluxDB 2.x token.")
    username: str = Field("", description="InfluxDB 1.x user.")
    password: SecretStr = Field(SecretStr(""), description="InfluxDB 1.x password.")
    keep_days: float = Field(365, gt=0, description="Readings older than this [d] are deleted.")


class StateSettings(_Group):
    """Registry, incidents, outbox, accounts."""

    url: str = Field(
        "", description="SQLAlchemy address (postgresql+psycopg://...); empty = SQLite in the data."
    )


class PipelineSettings(_Group):
    """Decode, detect, store."""

    batch_messages: int = Field(
        5_000, ge=1, le=100_000, description="Most messages that one step takes from the journal."
    )
    poll_interval_s: float = Field(
        0.4, ge=0.001, le=1, description="How often [s] the journal is looked at for new messages."
    )
    snapshot_interval_s: float = Field(
        30, ge=1, le=3_600, description="How often [s] decoder and detector state is saved."
    )


class DispatchSettings(_Group):
    """Notifications."""

    allow_private_addresses: bool = Field(
        False, description="Let webhooks reach private and loopback addresses."
    )
    poll_interval_s: float = Field(
        0.5, ge=0.05, le=10, description="How often [s] the outbox is looked through."
    )


class HttpSettings(_Group):
    """API and console."""

    host: str = Field("127.0.0.1", description="Address that the console listens on.")
    port: int = Field(8080, ge=0, le=65535, description="Its port; 0 = a free one.")
    metrics_public: bool = Field(False, description="Serve /metrics without a key.")


class ShadowSettings(_Group):
    """Detection without incidents (docs/shadow.md)."""

    detectors: list[str] = Field(
        [],
        description="Detectors that run in candidates only, until one that names them is promoted.",
    )


class Settings(BaseSettings):
    """All settings of the service."""

    model_config = SettingsConfigDict(
        env_prefix="EQUIPWATCH_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    broker: BrokerSettings = BrokerSettings()
    ingest: IngestSettings = IngestSettings()
    journal: JournalSettings = JournalSettings()
    ledger: LedgerSettings = LedgerSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    state: StateSettings = StateSettings()
    pipeline: PipelineSettings = PipelineSettings()
    dispatch: DispatchSettings = DispatchSettings()
    http: HttpSettings = HttpSettings()
    shadow: ShadowSettings = ShadowSettings()
    detectors: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="Detector parameters by detector and name; docs/detectors.md lists them.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: command line, environment, TOML file."""
        toml = TomlConfigSettingsSource(settings_cls, cls.model_config.get("toml_file"))
        return init_settings, env_settings, toml


def load(data: Path | None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings for a data directory.

    Parameters
    ----------
    data
        Directory whose ``equipwatch.toml`` is read when it exists.
    overrides
        Command line values by dotted name (``http.port``); ``None`` values are left out.

    Raises
    ------
    UsageError
        With one line per wrong value or unknown key.
    """
    file = None if data is None else data / CONFIG_FILE
    try:
        return _bound_to(file)(**_nested(overrides or {}))
    except ValidationError as error:
        raise UsageError("\n".join(_explain(error))) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: not TOML: {error}") from error


def _bound_to(file: Path | None) -> type[Settings]:
    if file is None or not file.is_file():
        return Settings
    return type("_Bound", (Settings,), {}, toml_file=file)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        if value is None:
            continue
        group, _, key = name.partition(".")
        nested.setdefault(group, {})[key] = value
    return nested


def _explain(error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in item["loc"]]
        name = ".".join(path)
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(path[-1], _known(path[:-1]), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{name}: unknown setting{hint}"
        else:
            yield f"{name}: {item['msg']}"


def _known(path: list[str]) -> list[str]:
    model: Any = Settings
    for part in path:
        model = model.model_fields[part].annotation
    return list(model.model_fields)


def described() -> Iterator[tuple[str, str, FieldInfo]]:
    """Every setting as (group, name, field), in document order: sample and reference use it."""
    for group, field in Settings.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            for name, inner in model.model_fields.items():
                yield group, name, inner


def sample() -> str:
    """`equipwatch.toml` with every setting at its default, commented out."""
    lines = ["# equipwatch settings. Every line shows a default; uncomment to change it.", ""]
    last = ""
    for group, name, field in described():
        if group != last:
            lines += ["", f"[{group}]"]
            last = group
        lines += [f"# {field.description}{_choices(field)}", f"#{name} = {_toml(field.default)}"]
    lines += [
        "",
        "# Detector parameters, for example:",
        "# [detectors.entrapment]",
        "# suspected_hold_s = 30.0",
        "",
    ]
    return "\n".join(lines)


def _choices(field: FieldInfo) -> str:
    arguments = get_args(field.annotation)
    literal = arguments and all(isinstance(value, str | int) for value in arguments)
    return f" One of: {', '.join(repr(value) for value in arguments)}." if literal else ""


def _toml(value: object) -> str:
    if isinstance(value, SecretStr) or value is None:
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str | Path) else str(value)
