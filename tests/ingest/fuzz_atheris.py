"""Coverage-guided fuzzing where atheris is installed: `python -m tests.ingest.fuzz_atheris`."""

import importlib
import sys

_TOPICS = ("ew/v1/lift/L1/status", "ew/v1/boiler/B1/telemetry", "ew/v1/gateway/G1/batch")


def main() -> None:
    """Fuzz until stopped; the first byte says whether a payload is retained."""
    # By name, because it is optional: it is published for few interpreters.
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports():
        messages = importlib.import_module("domain.messages")
        fuzzing = importlib.import_module("tests.ingest.fuzzing")

    def one(data: bytes) -> None:
        retain = data[:1] == b"r"
        sent = [messages.Message(topic, data[1:], fuzzing.NOW, retain) for topic in _TOPICS]
        fuzzing.check(sent)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
