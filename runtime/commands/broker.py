"""``equipwatch broker``: configuration, logins, ACL and certificates from the registry."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from runtime.commands.options import DEFAULT_DATA, AsJson, Data

app = typer.Typer(help="The MQTT broker's configuration and logins.", no_args_is_help=True)


class Certificates(StrEnum):
    """Choices of ``--client-certificates``."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


Login = Annotated[str, typer.Argument(help="Equipment or gateway id, or firm.ID.")]


@app.command()
def init(
    data: Data = DEFAULT_DATA,
    passwords: Annotated[
        Path | None, typer.Option(help="Also write username,password of every login here.")
    ] = None,
    listen: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on; 1883, with TLS 8883.")
    ] = None,
    tls: Annotated[bool | None, typer.Option(help="Encrypt; makes a CA and certificates.")] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Host name or address that devices reach it by; may be repeated."),
    ] = None,
    client_certificates: Annotated[
        Certificates | None, typer.Option(help="Certificates in place of passwords.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write mosquitto.conf, password file, ACL and certificates; what exists is kept."""
    from ingest.broker import write_passwords
    from runtime.broker import init_broker
    from runtime.output import emit
    from runtime.settings import load
    from runtime.site import Site
    from runtime.wiring import using_state

    site = Site(data.absolute())
    broker = load(
        data,
        {
            "broker.host": listen,
            "broker.port": port or (8883 if tls else None),
            "broker.tls": None if tls is None else ("on" if tls else "off"),
            "broker.tls_names": None if name is None else ",".join(name),
            "broker.client_certificates": client_certificates and client_certificates.value,
        },
    ).broker
    with using_state(data) as state:
        config, known = init_broker(state, site, broker)
    if passwords is not None:
        write_passwords(passwords, known)
    emit(
        {"config": str(config), "logins": len(known), "passwords": str(passwords or "")},
        as_json=as_json,
    )


@app.command()
def renew(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Replace the broker's certificate; our own broker takes it within seconds."""
    import time

    from domain.instants import to_iso
    from runtime.broker import authority_of, certificate_names
    from runtime.output import emit
    from runtime.settings import load
    from runtime.site import Site

    authority = authority_of(Site(data.absolute()))
    authority.renew(certificate_names(load(data).broker), time.time_ns())
    file = authority.server_certificate
    expires_ns = authority.expiries()[file.name]
    emit({"certificate": str(file), "expires_at": to_iso(expires_ns)}, as_json=as_json)


@app.command()
def certificate(
    login: Login,
    out: Annotated[Path, typer.Option(help="Directory for LOGIN.key, LOGIN.crt and ca.crt.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make the key and certificate of one device, gateway or firm."""
    from ingest.certificates import write_identity
    from runtime.broker import authority_of, issue_certificate
    from runtime.output import emit
    from runtime.site import Site
    from runtime.wiring import using_state

    site = Site(data.absolute())
    with using_state(data) as state:
        identity = issue_certificate(state, site, login)
    write_identity(out, login, identity, authority_of(site))
    emit({"login": login, "directory": str(out)}, as_json=as_json)


@app.command()
def revoke(login: Login, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Revoke every certificate of a login; its next connection is refused."""
    import time

    from runtime.broker import authority_of
    from runtime.output import emit
    from runtime.site import Site

    revoked = authority_of(Site(data.absolute())).revoke(login, time.time_ns())
    emit({"login": login, "revoked": revoked}, as_json=as_json)
