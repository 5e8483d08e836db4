"""Work that is killed before any change of a file, or that fills the disk there, is whole after the next call."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from condensation import EvaluationSettings, RunSettings, load, run
from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.export.export import EXPORTS
from condensation.artifacts.trained_generator import TrainedGenerator
from condensation.core.errors import CondensationError
from condensation.core.lock import locked_folder
from condensation.data.settings import DataSettings
from condensation.methods.random import Random
from condensation.networks.convnet import ConvNet
from condensation.training.make_pool import PoolRecipe, make_pool
from condensation.training.train import Recipe
from tests.killing import changes, failing_from, kill_before, leftovers
from tests.small import dm, gmmn, images

SMALL = ConvNet(width=4, depth=1)
EVALUATION = EvaluationSettings(1, SMALL, Recipe(epochs=1))
METHODS = {"random": Random(), "dm": dm(steps=2), "gmmn": gmmn(iterations=2)}


@pytest.fixture(scope="module")
def data():
    return load("digits")


@pytest.fixture(scope="module")
def small_set():
    return CondensedSet(images(2), {"settings": {"seed": 0}})


def content(folder):
    """Return the bytes of all files but those with times."""
    timed = ("scores.json", "settings.json", "log.jsonl", "checkpoint.safetensors")
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in timed}


def told_of_the_full_disk(work, number=errno.ENOSPC):
    """Do ``work`` and return whether it was refused, with the error of the system in one line and a hint in another."""
    refusal = None
    try:
        work()
    except CondensationError as error:
        refusal = error
    if refusal:
        assert os.strerror(number) in refusal.message
        assert len(str(refusal).splitlines()) == 2
    return refusal is not None


@pytest.mark.parametrize(("name", "every"), [("dm", 9), *[pytest.param(name, 1, marks=pytest.mark.slow) for name in METHODS]])
def test_a_run_killed_anywhere_resumes(name, every, data, tmp_path):
    settings, folder = RunSettings(DataSettings("digits"), METHODS[name], 1, evaluation=EVALUATION), tmp_path / "run"

    def work(resume=False):
        run(settings, folder, resume=resume, data=data, checkpoint_every=0)

    count = changes(folder, work)
    expected = content(folder)
    for at in (*range(1, count, every), count):  # the last change removes the lock of a finished run
        shutil.rmtree(folder)
        assert kill_before(folder, at, work), at
        begun = any((folder / file).exists() for file in ("checkpoint.safetensors", "set.safetensors"))
        work(resume=begun)
        assert content(folder) == expected, at
        assert leftovers(folder) == [], at


@pytest.mark.parametrize("to", EXPORTS)
def test_an_export_killed_anywhere_is_absent_or_whole(to, small_set, tmp_path):
    folder = tmp_path / "below" / "export"
    count = changes(tmp_path, lambda: small_set.export(folder, to))
    expected = content(folder)
    for at in range(1, count + 1):
        shutil.rmtree(tmp_path / "below")
        assert kill_before(tmp_path, at, lambda: small_set.export(folder, to)), at
        if not folder.exists():
            small_set.export(folder, to)
        assert content(folder) == expected, at
    assert leftovers(tmp_path) == ["below/.export.lock"]  # of the last kill, which came after the rename
    with pytest.raises(CondensationError, match="not empty"):
        small_set.export(folder, to)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("to", EXPORTS)
def test_an_export_on_a_full_disk_leaves_nothing(to, small_set, tmp_path):
    count = changes(tmp_path, lambda: small_set.export(tmp_path / "whole", to))
    shutil.rmtree(tmp_path / "whole")
    (tmp_path / "kept").write_text("kept")
    refused = 0
    for at in range(1, count + 1):
        folder = tmp_path / str(at)
        with failing_from(tmp_path, at, errno.ENOSPC):
            refused += told_of_the_full_disk(lambda: small_set.export(folder, to))  # noqa: B023
        shutil.rmtree(folder, ignore_errors=True)
        assert [path.name for path in tmp_path.iterdir()] == ["kept"], at
    assert refused > 3


@pytest.mark.parametrize("limit", [0, 100, 2000, 10_000])
@pytest.mark.parametrize("to", EXPORTS)
def test_an_export_over_the_limit_of_file_sizes_is_refused(to, limit, small_set, tmp_path):
    """The limit of the system: writing beyond it fails as on a full disk, in native code, too."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        refused = told_of_the_full_disk(lambda: small_set.export(tmp_path / "export", to), errno.EFBIG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == ([] if refused else [tmp_path / "export"])
    assert all(path.stat().st_size <= limit for path in tmp_path.rglob("*") if path.is_file())


def test_the_parts_of_a_run_on_a_full_disk_are_told_in_two_lines(data, tmp_path):
    settings, folder = RunSettings(DataSettings("digits"), METHODS["gmmn"], 1, evaluation=EVALUATION), tmp_path / "run"

    def work(resume=False):
        run(settings, folder, resume=resume, data=data, checkpoint_every=0)

    count = changes(folder, work)
    expected = content(folder)
    for at in range(1, count + 1, 11):
        shutil.rmtree(folder)
        with failing_from(folder, at, errno.ENOSPC):
            told_of_the_full_disk(work)
        assert not [name for name in leftovers(folder) if not name.endswith(".lock")], at
        begun = any((folder / file).exists() for file in ("checkpoint.safetensors", "set.safetensors"))
        work(resume=begun)
        assert content(folder) == expected, at
    assert TrainedGenerator.load(folder).images(1) is not None


def test_a_pool_killed_anywhere_continues(tmp_path):
    real, folder = images(8), tmp_path / "pool"
    recipe = PoolRecipe(networks=2, recipe=Recipe(epochs=1, augmentation=None), bounds=(0.0, 99.9), growth=2.0)

    def work():
        return make_pool(SMALL, real, folder, recipe, checkpoint_every=0)

    count = changes(folder, work)
    digest = work().digest()
    for at in range(1, count + 1):
        shutil.rmtree(folder)
        assert kill_before(folder, at, work), at
        assert work().digest() == digest, at
        assert [*leftovers(folder), *folder.rglob("*.checkpoint")] == [], at


def test_a_cache_killed_anywhere_is_made_again(tmp_path, monkeypatch):
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(5):
            pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / label / f"{number}.png")
    cache = tmp_path / "cache"
    monkeypatch.setenv("CONDENSATION_CACHE", str(cache))

    def work():
        return load(str(tmp_path / "pictures")).train.fingerprint()

    expected, files = work(), ["images-0000.bin", "images.jsonl", "index.json"]
    shutil.rmtree(cache)
    count = changes(cache, work)
    for at in range(1, count + 1):
        shutil.rmtree(cache, ignore_errors=True)
        assert kill_before(cache, at, work), at
        assert work() == expected, at
        assert sorted(path.name for path in cache.rglob("*") if path.is_file()) == files, at
        assert leftovers(cache) == [], at


def test_a_second_run_is_told_who_works_there(data, tmp_path):
    settings = RunSettings(DataSettings("digits"), METHODS["random"], 1, evaluation=EVALUATION)
    with locked_folder(tmp_path / "run"), pytest.raises(CondensationError, match=f"process {os.getpid()} ") as raised:
        run(settings, tmp_path / "run", data=data)
    assert raised.value.setting == "out"


@pytest.mark.parametrize("line", ["[" * 100_000, "9" * 10_000, "null", "[]", '{"step": "x"}', '{"step": 1, "seconds": []}', '{"step": 1'])
def test_a_damaged_line_of_the_log_is_written_again(line, data, tmp_path):
    settings = RunSettings(DataSettings("digits"), METHODS["dm"], 1, evaluation=EVALUATION)
    run(settings, tmp_path / "run", data=data, checkpoint_every=0)
    steps = [json.loads(each)["step"] for each in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    for name in ("set.safetensors", "checkpoint.safetensors", "scores.json"):
        (tmp_path / "run" / name).unlink(missing_ok=True)
    (tmp_path / "run" / "log.jsonl").write_text(line)
    run(settings, tmp_path / "run", data=data)
    assert [json.loads(each)["step"] for each in (tmp_path / "run" / "log.jsonl").read_text().splitlines()] == steps
