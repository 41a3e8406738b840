"""Wiring: the one module that chooses concrete stores, channels and logins from the settings."""

import ssl
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from domain.ports import Channel, StateStore, TelemetryStore
from runtime.settings import BrokerSettings, Settings, TelemetrySettings, load
from runtime.site import Site


def open_state(settings: Settings, site: Site) -> StateStore:
    """State store of an installation, migrated to the newest schema."""
    from storage.state import open_state_store

    site.create()
    return open_state_store(settings.state.url or site.state_url)


@contextmanager
def using_state(data: Path) -> Iterator[StateStore]:
    """State store of a data directory for the length of one command."""
    state = open_state(load(data), Site(data))
    try:
        yield state
    finally:
        state.close()


def open_telemetry(settings: Settings, site: Site) -> TelemetryStore:
    """Telemetry store of an installation; of the embedded one only one process may be the owner."""
    return _open(settings.telemetry, site.telemetry)


def _open(settings: TelemetrySettings, file: Path) -> TelemetryStore:
    if settings.store == "memory":
        from storage.memory import MemoryStore

        return MemoryStore()
    if settings.store == "influxdb":
        from storage.influx import InfluxStore

        return InfluxStore(
            url=settings.url,
            version=settings.version,
            bucket=settings.bucket,
            org=settings.org,
            token=settings.token.get_secret_value(),
            username=settings.username,
            password=settings.password.get_secret_value(),
        )
    from storage.duckdb import DuckDBStore

    return DuckDBStore(file)


def _tls(broker: BrokerSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=broker.tls_ca or None)
    if broker.notify_tls_client:
        context.load_cert_chain(broker.notify_tls_client)
    return context


def open_channels(settings: Settings) -> tuple[Mapping[str, Channel], Callable[[], None]]:
    """Channels by name, and how to close them."""
    from paho.mqtt.enums import MQTTProtocolVersion

    from dispatch.channels.mqtt import MqttChannel
    from dispatch.channels.webhook import WebhookChannel
    from ingest import topics

    broker = settings.broker
    address = urlsplit(broker.url)
    mqtt5 = broker.dispatch_mqtt5
    webhook = WebhookChannel(allow_private_addresses=settings.dispatch.allow_private_addresses)
    mqtt = MqttChannel(
        host=address.hostname or "",
        port=address.port or (8883 if address.scheme == "mqtts" else 1883),
        topic_for=topics.notify,
        username=broker.notify_username,
        password=broker.notify_password.get_secret_value(),
        client_id=f"equipwatch-dispatch-{uuid.uuid4()}",
        tls=_tls(broker) if address.scheme == "mqtts" else None,
        protocol=MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311,
    )
    mqtt.start()
    return {webhook.name: webhook, mqtt.name: mqtt}, mqtt.close
