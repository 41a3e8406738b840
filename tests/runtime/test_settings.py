import re
from pathlib import Path

import pytest

from domain.errors import UsageError
from runtime.settings import CONFIG_FILE, described, load, sample

SAMPLE = Path(__file__).parents[2] / "deploy" / "equipwatch.sample.toml"


def test_command_line_beats_environment_beats_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / CONFIG_FILE).write_text("[http]\nport = 1001\nhost = '127.0.0.9'\n")
    assert load(tmp_path).http.port == 1001
    monkeypatch.setenv("EQUIPWATCH_HTTP__PORT", "1002")
    assert load(tmp_path).http.port == 1002
    assert load(tmp_path, {"http.port": 1003, "broker.port": None}).http.port == 1003
    assert load(tmp_path).http.host == "127.0.0.9"


def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("[journal]\nkeep_hours = 3\n[htp]\nport = 1\n")
    with pytest.raises(UsageError) as error:
        load(tmp_path)
    assert "journal.keep_hours: unknown setting; did you mean keep_h?" in str(error.value)
    assert "htp: unknown setting; did you mean http?" in str(error.value)


def test_a_value_out_of_bounds_is_refused(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("[http]\nport = 70000\n")
    with pytest.raises(UsageError, match=r"http\.port"):
        load(tmp_path)


def test_a_broken_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("[http\n")
    with pytest.raises(UsageError, match="not TOML"):
        load(tmp_path)


def test_secrets_are_never_printed(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("[telemetry]\ntoken = 'very-secret'\n")
    settings = load(tmp_path)
    assert settings.telemetry.token.get_secret_value() == "very-secret"
    assert "very-secret" not in repr(settings) + settings.model_dump_json()


def test_every_setting_is_described_and_in_the_sample_file(tmp_path: Path) -> None:
    for group, name, field in described():
        assert field.description, f"{group}.{name} has no sentence"
    assert SAMPLE.read_text(encoding="utf-8") == sample(), "run: make gen"
    uncommented = "\n".join(
        line.removeprefix("#")
        for line in sample().splitlines()
        if line.startswith("[") or re.match(r"#\w", line)
    )
    (tmp_path / CONFIG_FILE).write_text(uncommented)
    assert load(tmp_path).model_dump() == load(None).model_dump()
