"""Adapters of the telemetry store and of the state store."""
