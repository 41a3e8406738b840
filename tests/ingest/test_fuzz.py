"""Whatever arrives: no crash, no stall, each message counted once, the next device heard.

`EQUIPWATCH_FUZZ_MESSAGES` says how many broken messages, `EQUIPWATCH_FUZZ_SEED` where they begin.
"""

import os
import sys
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.messages import Message
from domain.refusals import RefusalReason
from ingest.wire import native
from ingest.wire.catalog import FORMATS, format_of, items_of
from ingest.wire.native import ITEMS_MAX, MalformedPayloadError
from tests.ingest.fuzzing import BATCH, NOW, broken_messages, check

MESSAGES = int(os.environ.get("EQUIPWATCH_FUZZ_MESSAGES", "50000"))
SEED = int(os.environ.get("EQUIPWATCH_FUZZ_SEED", "0"))
TIMEOUT_S = 180 + MESSAGES // 200


@pytest.mark.timeout(TIMEOUT_S)
def test_broken_messages_of_every_format_cost_nobody_else_anything() -> None:
    formats: dict[str, int] = dict.fromkeys((found.name for found in FORMATS), 0)
    decoded = quarantined = 0
    for seed in range(SEED, SEED + -(-MESSAGES // BATCH)):
        # pytest shows what was printed when the test fails or stalls.
        sys.stdout.write(f"replay: {replay_line(seed)}\n")
        messages = broken_messages(seed)
        try:
            counts = check(messages)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            pytest.fail(f"{error!r}\n{culprit(messages)}\nreplay: {replay_line(seed)}")
        decoded += counts.decoded
        quarantined += counts.quarantined
        for message in messages:
            formats[format_of(message.payload).name] += 1
    # A fuzzer that only ever writes rubbish, or only sound messages, tests nothing.
    assert min(decoded, quarantined) > MESSAGES // 5
    assert min(formats.values()) > MESSAGES // 10


def replay_line(seed: int) -> str:
    return (
        f"EQUIPWATCH_FUZZ_SEED={seed} EQUIPWATCH_FUZZ_MESSAGES={BATCH} "
        "python -m pytest tests/ingest/test_fuzz.py"
    )


def culprit(messages: list[Message]) -> str:
    """First message that fails alone, if one does."""
    for message in messages:
        try:
            check([message])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            return f"alone: {error!r} of {message.topic!r} {message.payload!r}"
    return "no message fails alone"


STARTS = st.sampled_from([b"", b"{", b"[", b"[{", b'[{"n":', b"\x80", b"\x81\xa2", b"\x9f\xbf"])


@settings(deadline=None)
@given(STARTS, st.binary(max_size=120))
def test_no_bytes_raise_anything_but_a_refusal(start: bytes, rest: bytes) -> None:
    for topic in ("ew/v1/lift/L1/status", "ew/v1/gateway/G1/batch", "rubbish"):
        read(Message(topic, start + rest, NOW))


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
LABELS = st.integers(-7, 9) | st.sampled_from(["n", "v", "bn", "u", "t", "a_", "ts"])


@settings(deadline=None)
@given(st.lists(st.dictionaries(LABELS, SCALARS | st.binary(max_size=9) | st.lists(SCALARS))))
def test_no_structure_raises_anything_but_a_refusal(pack: list[Any]) -> None:
    read(Message("ew/v1/lift/L1/status", cbor2.dumps(pack), NOW))
    for record in pack:
        for label in [label for label in record if not isinstance(label, str)]:
            record[str(label)] = record.pop(label)
    read(Message("ew/v1/lift/L1/status", msgspec.json.encode(pack), NOW))


@settings(deadline=None)
@given(st.integers(0, 12), st.text(st.sampled_from('[]{}"\\\\a '), max_size=60))
def test_nesting_is_judged_as_a_reader_of_single_bytes_judges_it(deep: int, rest: str) -> None:
    text = "[" * deep + rest
    depth = deepest = 0
    quoted = escaped = False
    for character in text:
        if quoted:
            quoted, escaped = character != '"' or escaped, character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    reason = None
    try:
        native.items(text.encode(), 10_000)
    except MalformedPayloadError as error:
        reason = error.reason
    assert (reason is RefusalReason.TOO_DEEP) == (deepest > native.DEPTH_MAX)


def read(message: Message) -> None:
    try:
        found = items_of(message, 10_000)
    except MalformedPayloadError as error:
        found = [error.detail]
    assert 0 < len(found) <= ITEMS_MAX
