"""Upload to and download from a small hub on loopback; each case in its own process, because the address is read at import."""

import json
import os
import subprocess
import sys

import pytest
import torch

from condensation import CondensedSet, MissingExtra
from tests.artifacts.export.hub import Hub
from tests.artifacts.export.sets import SETS

pytest.importorskip("huggingface_hub")
pytest.importorskip("pyarrow")


def python(tmp_path, code, hub, token="secret", **more):
    """Return what ``code`` prints as JSON, or the message of the `CondensationError` that it raises."""
    script = f"""
import json
from condensation import CondensationError, CondensedSet
try:
    {code}
except CondensationError as error:
    print(json.dumps(str(error)))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1", **more}
    environment |= {"HF_TOKEN": token} if token else {}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


PUSH = 'print(json.dumps(CondensedSet.load("a.safetensors").push_to_hub("me/clothes")))'
FETCH = 'CondensedSet.from_pretrained("me/clothes").save("b.safetensors"); print(json.dumps("fetched"))'


@pytest.fixture
def saved(tmp_path):
    SETS["colour"].save(tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


@pytest.fixture
def hub():
    with Hub() as hub:
        yield hub


@pytest.mark.slow
def test_a_pushed_set_is_fetched_exactly(tmp_path, saved, hub):
    assert python(tmp_path, PUSH, hub.address) == f"{hub.address}/datasets/me/clothes"
    assert python(tmp_path, FETCH, hub.address, token=None) == "fetched"
    assert torch.equal(CondensedSet.load(tmp_path / "b.safetensors").images.images, SETS["colour"].images.images)


@pytest.mark.slow
def test_the_pushed_files_are_those_of_the_hub_folder(tmp_path, saved, hub):
    python(tmp_path, PUSH, hub.address)
    SETS["colour"].save_pretrained(tmp_path / "folder")
    here = {str(path.relative_to(tmp_path / "folder")) for path in (tmp_path / "folder").rglob("*") if path.is_file()}
    assert {path for _, path in hub.files} == here
    assert hub.files["me/clothes", "README.md"] == (tmp_path / "folder" / "README.md").read_bytes()
    assert hub.repositories["me/clothes"]["type"] == "dataset"


@pytest.mark.slow
def test_a_fetched_set_is_available_offline(tmp_path, saved, hub):
    python(tmp_path, PUSH, hub.address)
    python(tmp_path, FETCH, hub.address)
    assert python(tmp_path, FETCH, hub.address, HF_HUB_OFFLINE="1") == "fetched"


@pytest.mark.slow
@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_a_valid_token_nothing_is_pushed(tmp_path, saved, hub, token):
    message = python(tmp_path, PUSH, hub.address, token=token)
    assert "hf auth login" in message
    assert not hub.files


@pytest.mark.slow
def test_a_missing_repository_is_named(tmp_path, hub):
    assert "no such repository" in python(tmp_path, FETCH, hub.address)


@pytest.mark.slow
def test_a_repository_without_a_set_is_named(tmp_path, hub):
    hub.repositories["me/clothes"] = {}
    assert "the repository holds no set" in python(tmp_path, FETCH, hub.address)


@pytest.mark.slow
@pytest.mark.parametrize("code", [PUSH, FETCH], ids=["push", "fetch"])  # it tries several times
def test_an_unreachable_hub_is_named(tmp_path, saved, code):
    with Hub() as gone:
        address = gone.address
    assert "the hub cannot be reached" in python(tmp_path, code, address)


@pytest.mark.slow
@pytest.mark.parametrize("code", [PUSH, FETCH], ids=["push", "fetch"])
def test_offline_mode_sends_nothing(tmp_path, saved, hub, code):
    assert "the hub cannot be reached" in python(tmp_path, code, hub.address, HF_HUB_OFFLINE="1")
    assert not hub.seen


@pytest.mark.slow
@pytest.mark.parametrize("name", ["no such folder", "a/b/c", "a//b"])
def test_an_invalid_repository_name_is_refused(tmp_path, hub, name):
    assert "not the name of a repository" in python(tmp_path, f"CondensedSet.from_pretrained({name!r})", hub.address)
    assert not hub.seen


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", None)
    with pytest.raises(MissingExtra) as error:
        CondensedSet.from_pretrained("me/clothes")
    assert "pip install '.[hub]'" in error.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("to", ["hub", "parquet", "png"])
def test_datasets_reads_the_folder_offline(tmp_path, to):
    pytest.importorskip("datasets")
    folder = SETS["colour"].export(tmp_path / "out", to)
    code = f"""
import json
from datasets import load_dataset
data = load_dataset({str(folder)!r}, split="train")
print(json.dumps([data["label"][:], data.features["label"].names, type(data.features["image"]).__name__, list(data[0]["image"].size)]))
"""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    labels, names, kind, size = json.loads(done.stdout.splitlines()[-1])
    wanted = list(SETS["colour"].images.class_names) if to != "png" else ["0-Äpfel", "1-Brötchen_süß", "2-猫 _ dog"]
    assert (labels, names, kind, size) == ([0, 0, 1, 1, 2, 2], wanted, "Image", [6, 4])
