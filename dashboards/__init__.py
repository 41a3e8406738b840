"""Grafana dashboards as code, and their generated JSON."""

from pathlib import Path

GENERATED = Path(__file__).parent / "generated"
"""Committed JSON, which Grafana's file provisioning reads."""
