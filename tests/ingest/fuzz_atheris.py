"""Coverage-guided fuzzing where atheris is installed: `python -m tests.ingest.fuzz_atheris`."""

import importlib
import sys

# By name, because it is optional: it is published for few interpreters.
atheris = importlib.import_module("atheris")

with atheris.instrument_imports():
    from domain.messages import Message
    from tests.ingest.fuzzing import NOW, check

_TOPICS = ("ew/v1/lift/L1/status", "ew/v1/boiler/B1/telemetry", "ew/v1/gateway/G1/batch")


def one(data: bytes) -> None:
    """One payload on every topic; the first byte says whether it is retained."""
    check([Message(topic, data[1:], NOW, data[:1] == b"r") for topic in _TOPICS])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
