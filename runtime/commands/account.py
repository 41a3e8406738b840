"""``equipwatch account``: API keys and console users."""

from typing import Annotated

import typer

from domain.accounts import Role
from runtime.commands.options import DEFAULT_DATA, AsJson, Data

app = typer.Typer(help="API keys and console users.", no_args_is_help=True)

RoleOption = Annotated[Role, typer.Option("--role", help="What the holder may do.")]
FirmOption = Annotated[str | None, typer.Option("--firm", help="Firm of a firm account.")]


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="Name of the key, shown in histories.")],
    role: RoleOption,
    firm: FirmOption = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print its secret, which is shown only now."""
    from runtime.accounts import make_key
    from runtime.output import emit
    from runtime.wiring import using_state

    with using_state(data) as state:
        secret = make_key(state, name=name, role=role, firm_id=firm)
    emit({"name": name, "role": role.value, "key": secret}, as_json=as_json)


@app.command()
def user(
    name: Annotated[str, typer.Argument(help="Login name.")],
    role: RoleOption,
    firm: FirmOption = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make a console user, or give one a new password, and print it."""
    from runtime.accounts import make_user
    from runtime.output import emit
    from runtime.wiring import using_state

    with using_state(data) as state:
        password = make_user(state, name=name, role=role, firm_id=firm)
    emit({"name": name, "role": role.value, "password": password}, as_json=as_json)
