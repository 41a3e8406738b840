"""Push the generated dashboards to a running Grafana."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import requests
from grafana_api.grafana_api import GrafanaException
from grafana_api.grafana_face import GrafanaFace

from domain.errors import DependencyError, UsageError


def push(url: str, token: str, directory: Path) -> list[str]:
    """Create or replace every dashboard of a directory; return their uids.

    Parameters
    ----------
    url
        Address of Grafana, ``http(s)://host[:port][/prefix]``.
    token
        Service account token with the right to write dashboards.

    Raises
    ------
    UsageError
        If the address is not an HTTP address.
    DependencyError
        If Grafana cannot be reached or refuses.
    """
    address = urlsplit(url)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise UsageError(f"{url!r} is not an http(s) address")
    grafana = GrafanaFace(
        auth=token,
        host=address.hostname,
        port=address.port,
        protocol=address.scheme,
        url_path_prefix=address.path.strip("/"),
    )
    pushed: list[str] = []
    for file in sorted(directory.glob("*.json")):
        model = json.loads(file.read_text(encoding="utf-8"))
        try:
            grafana.dashboard.update_dashboard({"dashboard": model, "overwrite": True})
        except (GrafanaException, requests.RequestException) as error:
            raise DependencyError(f"{file.name}: Grafana at {url}: {error}") from error
        pushed.append(model["uid"])
    return pushed
