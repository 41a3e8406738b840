"""``equipwatch broker``: configuration, passwords and ACL for a broker from the registry."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.commands.options import DEFAULT_DATA, AsJson, Data

app = typer.Typer(help="The MQTT broker's configuration and logins.", no_args_is_help=True)


@app.command()
def init(
    data: Data = DEFAULT_DATA,
    passwords: Annotated[
        Path | None, typer.Option(help="Also write username,password of every login here.")
    ] = None,
    listen: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 1883,
    as_json: AsJson = False,
) -> None:
    """Write mosquitto.conf, password file and ACL; known logins keep their passwords."""
    from ingest.broker import write_passwords
    from runtime.output import emit
    from runtime.serve import init_broker
    from runtime.site import Site
    from runtime.wiring import using_state

    site = Site(data.absolute())
    with using_state(data) as state:
        config, known = init_broker(state, site.broker, host=listen, port=port)
    if passwords is not None:
        write_passwords(passwords, known)
    emit(
        {"config": str(config), "logins": len(known), "passwords": str(passwords or "")},
        as_json=as_json,
    )
