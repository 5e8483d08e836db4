"""JSON and TOML that parses, but cannot be used or written again: one line wherever it is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from condensation.config.build import from_dict
from condensation.config.toml import apply_override, read_settings, tomllib
from condensation.core.errors import CondensationError
from condensation.core.storage import LEVELS, parsed, read_json
from condensation.core.tensor_files import read_tensors, write_tensors
from condensation.runs.settings import RunSettings

DEEP = 10 * LEVELS
UNUSABLE = {
    "surrogate": '{"a": ["\\ud800"]}',
    "surrogate key": '{"\\udfff": 1}',
    "list": "[" * DEEP + "]" * DEEP,
    "table": '{"a": ' * DEEP + "1" + "}" * DEEP,
    "open": "[" * 100_000,
    "digits": '{"a": ' + "9" * 5000 + "}",
    "beyond floats": '{"a": ' + "9" * 400 + "}",
}
USABLE = '{"a": ["\\ud83d\\ude00", "\\u00e9", -9007199254740993, 1e300, true, null, {"b": ' + "[" * 50 + "]" * 50 + "}]}"


@pytest.mark.parametrize("text", UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_json_is_refused_wherever_it_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    for read in (read_json, read_settings):
        with pytest.raises(CondensationError) as caught:
            read(path)
        assert str(path) in caught.value.message
        assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", [UNUSABLE[name] for name in ("surrogate", "table", "digits")])
def test_an_unusable_card_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "condensation.core.tensor_files.json.dumps", lambda content, **_: text if content == {} else json.JSONEncoder().encode(content)
    )
    write_tensors(tmp_path / "x", "set", {"a": torch.zeros(1)}, {})
    with pytest.raises(CondensationError, match="damaged"):
        read_tensors(tmp_path / "x", "set")


def test_usable_json_keeps_its_values() -> None:
    assert parsed(USABLE) == json.loads(USABLE)


@pytest.mark.parametrize(
    "text", ["a = 1979-05-27", "a = 07:32:00", f"a = 0x{'f' * 300}", f"a = {'[' * DEEP}{']' * DEEP}", f"{'a.' * DEEP}a = 1"]
)
def test_toml_that_json_cannot_store_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(CondensationError) as caught:
        read_settings(path)
    assert caught.value.setting == "config"
    with pytest.raises(ValueError, match=r"\A.{1,100}\Z"):
        parsed(text, tomllib.loads)


@pytest.mark.parametrize(
    "value", ["9" * 5000, "9" * 400, f"0x{'f' * 5000}", "[" * 100_000, "[" * DEEP + "]" * DEEP, "1979-05-27", "\udcff"]
)
@pytest.mark.parametrize("setting", ["method.lr", "method.steps", "method.start", "data.source", "data.size", "ipc"])
def test_an_unusable_override_is_text_which_the_setting_refuses(setting: str, value: str) -> None:
    content = apply_override({"method": {"name": "dsa"}}, f"{setting}={value}")
    if setting == "data.source" and value != "\udcff":
        assert from_dict(RunSettings, content, RunSettings()).data.source == value  # a folder may have that name
        return
    with pytest.raises(CondensationError) as caught:
        from_dict(RunSettings, content, RunSettings())
    assert caught.value.setting == setting
    assert len(caught.value.message) < 300


def test_an_override_below_too_many_groups_is_no_setting() -> None:
    with pytest.raises(CondensationError) as caught:
        apply_override({}, f"{'a.' * DEEP}a=1")
    assert len(caught.value.message) < 200
