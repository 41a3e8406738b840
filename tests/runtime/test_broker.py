"""Our own broker with certificates: as the command line makes them and the service uses them."""

import json
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from dispatch.channels.mqtt import MqttChannel
from domain.equipment import Equipment, Kind
from domain.errors import NotFoundError, UsageError
from domain.instants import seconds, to_iso
from ingest.broker import DISPATCH_USER, INGEST_USER
from ingest.certificates import SERVER_VALID_D, Authority
from runtime.broker import BrokerKeeper, authority_of
from runtime.commands import broker as commands
from runtime.doctor import examine
from runtime.serve import prepared_logins
from runtime.settings import Settings, load
from runtime.site import Site
from runtime.wiring import open_channels, using_state
from simulators.outgoing import Outgoing
from simulators.publisher import BrokerAddress, Publisher
from tests.support import brokers
from tests.support.service import running_service

LIFT = Equipment(id="L1", kind=Kind.LIFT)
DAY_NS = seconds(86_400)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with using_state(tmp_path / "data") as state, state.writing() as tx:
        tx.registry.put([LIFT])
    return tmp_path / "data"


def reported(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def ill(settings: Settings, data: Path) -> dict[str, str]:
    return {check.name: check.detail for check in examine(settings, Site(data)) if not check.ok}


def test_init_makes_a_configuration_with_tls_that_the_service_knows_how_to_reach(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.init(data=data, tls=True, name=["mqtt.example.org"], listen="0.0.0.0", as_json=True)
    config = Path(reported(capsys)["config"]).read_text()
    assert "listener 8883 0.0.0.0" in config
    assert config.count("listener ") == 1
    assert "tls_version tlsv1.2" in config
    authority = authority_of(Site(data))
    outside = load(data, {"broker.url": "mqtts://mqtt.example.org:8883"})
    environment = prepared_logins(outside, Site(data))
    assert environment["EQUIPWATCH_BROKER__TLS_CA"] == str(authority.ca_certificate)
    assert environment["EQUIPWATCH_BROKER__USERNAME"] == INGEST_USER
    before = authority.ca_certificate.read_text()
    commands.init(data=data, tls=True, name=["mqtt.example.org"], as_json=True)
    assert authority.ca_certificate.read_text() == before


def test_required_certificates_of_our_own_processes_are_found(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.init(
        data=data, tls=True, client_certificates=commands.Certificates.REQUIRED, as_json=True
    )
    config = Path(reported(capsys)["config"]).read_text()
    assert "require_certificate true" in config
    url = {"broker.url": "mqtts://127.0.0.1:8883"}
    authority = authority_of(Site(data))
    found = prepared_logins(load(data, url), Site(data))
    assert found["EQUIPWATCH_BROKER__TLS_CLIENT"] == str(authority.own_client(INGEST_USER))
    named = load(data, {**url, "broker.notify_tls_client": "/etc/dispatch.pem"})
    found = prepared_logins(named, Site(data))
    assert found["EQUIPWATCH_BROKER__NOTIFY_TLS_CLIENT"] == "/etc/dispatch.pem"


def test_a_device_of_the_registry_gets_a_certificate_and_a_stranger_none(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="init --tls"):
        commands.certificate("L1", out=tmp_path, data=data)
    commands.init(data=data, tls=True, as_json=True)
    commands.certificate("L1", out=tmp_path / "L1", data=data)
    assert sorted(file.name for file in (tmp_path / "L1").iterdir()) == [
        "L1.crt",
        "L1.key",
        "ca.crt",
    ]
    with pytest.raises(NotFoundError, match="stranger"):
        commands.certificate("stranger", out=tmp_path, data=data)
    capsys.readouterr()
    commands.revoke("L1", data=data, as_json=True)
    assert reported(capsys) == {"login": "L1", "revoked": 1}


def test_settings_that_cannot_work_are_usage_errors(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="need tls = on"):
        load(data, {"broker.client_certificates": "required"})
    monkeypatch.setenv("EQUIPWATCH_BROKER__PORT", "0")
    with pytest.raises(UsageError, match="port"):
        commands.init(data=data)


def test_doctor_tells_of_certificates_about_to_expire_and_of_open_passwords(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load(data, {"broker.tls": "on"})
    assert ill(settings, data) == {}
    authority = authority_of(Site(data))
    old_ns = time.time_ns() - (SERVER_VALID_D - 13) * DAY_NS
    authority.ensure(("localhost",), (), old_ns)
    assert "server.crt expires in 13 days" in ill(settings, data)["broker certificates"]
    commands.renew(data=data, as_json=True)
    expires_ns = authority.expiries()["server.crt"]
    assert reported(capsys)["expires_at"] == to_iso(expires_ns)
    assert ill(settings, data) == {}
    exposed = load(data, {"broker.host": "0.0.0.0"})
    assert "without encryption" in ill(exposed, data)["broker"]
    nats = {"broker.prefer": "nats", "broker.client_certificates": "required", "broker.tls": "on"}
    assert "needs mosquitto" in ill(load(data, nats), data)["broker"]


@pytest.mark.broker
@pytest.mark.parametrize("kind", brokers.BROKERS)
def test_the_keeper_renews_in_time_and_doctor_checks_what_the_broker_shows(
    data: Path, kind: str
) -> None:
    if reason := brokers.missing(kind):
        pytest.skip(reason)
    site = Site(data)
    settings = load(data, {"broker.tls": "on", "broker.port": 0, "broker.prefer": kind})
    keeper = BrokerKeeper(settings, site)
    keeper.start()
    assert keeper.broker is not None
    try:
        url = keeper.environment()["EQUIPWATCH_BROKER__URL"]
        outside = load(data, {"broker.url": url})
        assert ill(outside, data) == {}
        first = shown(url)
        # As if it had run for a year.
        Authority(site.broker / "tls").renew(
            ("localhost", "127.0.0.1"), time.time_ns() - (SERVER_VALID_D - 10) * DAY_NS
        )
        keeper.broker.reload()
        assert brokers.eventually(lambda: "broker" in ill(outside, data))
        keeper.follow()
        assert brokers.eventually(lambda: ill(outside, data) == {})
        assert shown(url) != first
    finally:
        keeper.broker.stop()


def shown(url: str) -> str:
    host, _, port = url.removeprefix("mqtts://").partition(":")
    return ssl.get_server_certificate((host, int(port)))


@pytest.mark.broker
@pytest.mark.skipif(bool(brokers.missing("mosquitto")), reason="needs mosquitto")
def test_the_whole_service_runs_on_certificates_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = {
        "EQUIPWATCH_BROKER__TLS": "on",
        "EQUIPWATCH_BROKER__CLIENT_CERTIFICATES": "required",
    }
    with running_service(data, [LIFT], broker="mosquitto", environment=environment) as service:
        commands.certificate("L1", out=tmp_path / "L1", data=data)
        url = f"mqtts://127.0.0.1:{service.mqtt_port}"
        address = BrokerAddress.of(url, tmp_path / "L1" / "ca.crt")
        assert address.tls is not None
        address.tls.load_cert_chain(tmp_path / "L1" / "L1.crt", tmp_path / "L1" / "L1.key")
        now_ns = time.time_ns()
        items = [
            Outgoing(
                at_ns=now_ns,
                topic="ew/v1/lift/L1/status",
                payload=json.dumps({"ts": to_iso(now_ns), "seq": n, "boot": "b", "v": {}}).encode(),
            )
            for n in range(500)
        ]
        report = Publisher(address).run(items, start_ns=now_ns, speed=None)
        assert (report.published, report.failed, report.refused) == (500, 0, ())
        assert brokers.eventually(lambda: service.counters().get("messages", 0) >= 500, 20)
        assert dispatch_gets_in(url, data)
        assert service.stop() == 0


def dispatch_gets_in(url: str, data: Path) -> bool:
    """Whether the channel that core opens connects; it takes over from core's own."""
    authority = authority_of(Site(data))
    settings = load(
        data,
        {
            "broker.url": url,
            "broker.tls_ca": str(authority.ca_certificate),
            "broker.notify_tls_client": str(authority.own_client(DISPATCH_USER)),
        },
    )
    channels, close = open_channels(settings)
    try:
        channel = channels["mqtt"]
        assert isinstance(channel, MqttChannel)
        return channel.wait_connected(10)
    finally:
        close()
