"""Hold the code to the results of an older version, and have it read that version's files. See `make` for how the files were made.

On the machine that made them, results are equal to the last bit; on others, which round otherwise, they are near.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from condensation import METHODS, CondensedSet, TrainedGenerator
from condensation.core.renamed import RENAMED, with_new_names
from tests.golden import cases
from tests.golden.cases import BROKEN, CONFIG, GENERATING, HERE, MANIFEST, PRINTED, RUN, STUDIES, said, steady

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def from_json(text: str | bytes) -> Any:
    """Parse ``text`` of this or an earlier version; settings that have been renamed since get their present names."""
    content = with_new_names(json.loads(text))
    if isinstance(content, dict) and content.get("preset") == "fast":
        content["preset"] = "classic"  # its present name
    return content


def from_toml(text: str) -> Any:
    return with_new_names(tomllib.loads(text))


FROZEN: dict[str, Any] = from_json((HERE / MANIFEST).read_text())
RUNS = [(case, seed) for case, one in FROZEN["methods"].items() for seed in one["seeds"]]
# Beside the last bits, few steps have no time to drift apart. Accuracies are of few networks, so one test image more is much.
NEAR = {"rtol": 1e-2, "atol": 1e-2}
ACCURACY = 5.0  # percent
PLAN_FILES = [f"plan-{name}" for name in cases.PLANS]
CONFIG_FILES = cases.config_arguments(list(METHODS))


def same_machine() -> bool:
    """Tell whether bits can be compared here."""
    return cases.machine() == FROZEN["machine"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Iterator[Path]:
    """Work in an empty folder."""
    with cases.quiet_place(tmp_path):
        yield tmp_path


def frozen_set(case: str, seed: str) -> CondensedSet:
    return CondensedSet.load(HERE / cases.METHODS / f"{case}-seed{seed}.safetensors")


def frozen_json(name: str) -> Any:
    return from_json((HERE / PRINTED / f"{name}.json").read_text())


def alike(ours: Any, theirs: Any, numbers: float, where: str = "") -> None:
    """Assert that parsed JSON is the same; ``numbers`` with a fraction may differ by so much, and texts that hold such not at all match."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        ours = cases.without_new(ours, theirs)
        assert ours.keys() == theirs.keys(), where
        for key, value in theirs.items():
            alike(ours[key], value, numbers, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        assert len(ours) == len(theirs), where
        for place, value in enumerate(theirs):
            alike(ours[place], value, numbers, f"{where}[{place}]")
    elif isinstance(theirs, float):
        assert (math.isnan(ours) and math.isnan(theirs)) or abs(ours - theirs) <= numbers, (where, ours, theirs)
    elif not (numbers and isinstance(theirs, str)):
        assert ours == theirs, where


# -- the frozen files


def test_no_frozen_file_was_changed() -> None:
    there = {name: cases.sha256(HERE / name) for name in FROZEN["files"] if (HERE / name).exists()}
    assert there == FROZEN["files"]


def test_every_method_is_frozen() -> None:
    assert {one["settings"]["name"] for one in FROZEN["methods"].values()} <= METHODS.keys()  # a later version may have more


# -- methods


@pytest.mark.parametrize(("case", "seed"), RUNS)
def test_an_old_set_is_read(case: str, seed: str) -> None:
    one, kept = frozen_set(case, seed), FROZEN["methods"][case]
    assert cases.digest(one.images) == kept["seeds"][seed]["tensors"]
    assert one.images.fingerprint() == kept["seeds"][seed]["fingerprint"]
    assert one.images.counts == dict.fromkeys(range(10), kept["ipc"])
    assert one.images.class_names == tuple("0123456789")
    assert one.card["settings"]["method"] == kept["settings"]


@pytest.mark.parametrize(("case", "seed"), RUNS)
def test_a_set_is_written_as_before(case: str, seed: str, place: Path) -> None:
    content = (HERE / cases.METHODS / f"{case}-seed{seed}.safetensors").read_bytes()
    if any(old.encode() in content for old, _ in RENAMED if old != "mirrored"):  # which stays the name in the file
        pytest.skip("Settings on its card have been renamed since.")
    frozen_set(case, seed).save(place / "again.safetensors")
    assert cases.sha256(place / "again.safetensors") == FROZEN["methods"][case]["seeds"][seed]["file"]


@pytest.mark.parametrize(("case", "seed"), [pytest.param(case, seed, marks=pytest.mark.slow if seed == "1" else []) for case, seed in RUNS])
def test_a_method_makes_what_it_made(case: str, seed: str) -> None:
    kept = FROZEN["methods"][case]
    if not same_machine() and case == "dm-default-compute":
        pytest.skip("The precision chosen by default is another on another machine.")
    made, losses = cases.condensed(case, int(seed), kept["settings"])
    old = frozen_set(case, seed)
    if same_machine():
        assert losses == kept["seeds"][seed]["losses"]
        assert torch.equal(made.images.images, old.images.images)
        assert cases.digest(made.images) == kept["seeds"][seed]["tensors"]
    else:
        assert made.images.counts == old.images.counts
        assert len(losses) == len(kept["seeds"][seed]["losses"])
        if case not in cases.PICKING:
            torch.testing.assert_close(made.images.images, old.images.images, **NEAR)
            if old.images.soft_labels:
                assert made.images.soft_labels
                torch.testing.assert_close(made.images.soft_labels.values, old.images.soft_labels.values, **NEAR)


def test_a_method_is_built_from_its_short_settings_as_before() -> None:
    frozen = {case: one["settings"] for case, one in FROZEN["methods"].items()}
    assert cases.without_new({case: cases.plain_method(case) for case in frozen}, frozen) == frozen


# -- judging


@pytest.mark.parametrize("name", ["evaluate", "ridge"])
def test_accuracies_are_as_before(name: str, place: Path) -> None:
    shutil.copytree(HERE / cases.METHODS, place / "methods")
    os.chdir("methods")
    found = from_json(said(name, *FROZEN[name], "--json"))
    alike(steady(found), steady(frozen_json(name)), 0.0 if same_machine() else ACCURACY)


# -- run folders


def files_of(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): cases.sha256(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", [RUN, GENERATING])
def test_a_finished_run_is_finished(name: str, place: Path) -> None:
    shutil.copytree(HERE / name, place / name)
    before = files_of(place / name)
    found = from_json(said("run", "--config", f"{name}/settings.json", "--out", name, "--resume", "--json"))
    after = files_of(place / name)
    after.pop("report.html", None)  # which that version did not write
    assert after == before
    scores = HERE / name / "scores.json"
    assert steady(found) == (steady(from_json(scores.read_text())) if scores.exists() else {})
    assert cases.digest(CondensedSet.load(place / name).images) == FROZEN["runs"][name]


def test_a_broken_run_goes_on_to_the_same_set(place: Path) -> None:
    shutil.copytree(HERE / BROKEN, place / BROKEN)
    found = from_json(said("run", "--config", f"{BROKEN}/settings.json", "--out", BROKEN, "--resume", "--json"))
    made, whole = CondensedSet.load(place / BROKEN).images, CondensedSet.load(HERE / RUN).images
    log = [from_json(line)["step"] for line in (place / BROKEN / "log.jsonl").read_text().splitlines() if "step" in from_json(line)]
    assert len(log) == len(set(log))
    scores = from_json((HERE / RUN / "scores.json").read_text())
    if same_machine():
        assert torch.equal(made.images, whole.images)
        alike(steady(found), steady(scores), 0.0)
    else:
        torch.testing.assert_close(made.images, whole.images, **NEAR)
        alike(steady(found), steady(scores), ACCURACY)


def test_a_run_gives_what_it_gave(place: Path) -> None:
    said("run", "--config", HERE / RUN / "settings.json", "--out", "again", "--quiet")
    assert {path.name for path in (place / "again").iterdir()} >= {path.name for path in (HERE / RUN).iterdir()}  # a log was added since
    scores = [steady(from_json((folder / "scores.json").read_text())) for folder in (place / "again", HERE / RUN)]
    alike(*scores, 0.0 if same_machine() else ACCURACY)
    if same_machine():
        assert cases.digest(CondensedSet.load(place / "again").images) == FROZEN["runs"][RUN]


@pytest.mark.parametrize("path", [GENERATING, f"{GENERATING}/generator.safetensors"])
def test_an_old_generator_draws_what_it_drew(path: str) -> None:
    drawn = TrainedGenerator.load(HERE / path).images(2, seed=5)
    assert drawn.counts == dict.fromkeys(range(10), 2)
    if same_machine():
        assert cases.digest(drawn) == FROZEN["drawn"]


def test_an_old_pool_is_embedded_with(place: Path) -> None:
    kept = FROZEN["pool"]
    shutil.copytree(HERE / STUDIES / "pools" / "pool", place / "pool")
    made, losses = cases.condensed("dm", 0, kept["settings"])
    if same_machine():
        assert (losses, cases.digest(made.images)) == (kept["losses"], kept["tensors"])
    else:
        torch.testing.assert_close(losses, kept["losses"], **NEAR)


# -- studies


@pytest.mark.parametrize("name", cases.STUDY_ARGUMENTS)
def test_an_old_study_is_printed(name: str, place: Path) -> None:
    shutil.copytree(HERE / STUDIES / name, place / name)
    assert said(name, name)
    alike(steady(from_json(said(name, name, "--json"))), steady(frozen_json(name)), 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.STUDY_ARGUMENTS)
def test_a_study_gives_what_it_gave(name: str) -> None:
    if not same_machine():
        pytest.skip("Made on another machine.")
    cases.make_study(name)
    alike(steady(from_json(said(name, name, "--json"))), steady(frozen_json(name)), 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table", "transfer", "continual"])
def test_an_old_study_goes_on_with_nothing_to_do(name: str, place: Path) -> None:
    shutil.copytree(HERE / STUDIES / name, place / name)
    runs = {path: cases.sha256(path) for path in (place / name).rglob("set.safetensors")}
    said(name, "--config", f"{name}/settings.json", "--out", name, "--quiet")
    assert {path: cases.sha256(path) for path in (place / name).rglob("set.safetensors")} == runs
    alike(steady(from_json(said(name, name, "--json"))), steady(frozen_json(name)), 0.0)


@pytest.mark.parametrize("name", PLAN_FILES)
def test_the_plan_of_a_study_is_as_before(name: str) -> None:
    assert from_json(said(*cases.PLANS[name.removeprefix("plan-")], "--dry-run", "--json")) == frozen_json(name)


# -- settings


OF_A_PRESET = [name for name in CONFIG_FILES if "-m" in CONFIG_FILES[name]]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in OF_A_PRESET else []) for name in CONFIG_FILES])
def test_settings_are_as_before(name: str) -> None:
    path = HERE / CONFIG / f"{name}.toml"
    if not path.exists():
        pytest.skip("Of a method that is newer than the frozen files.")
    frozen = from_toml(path.read_text())
    kind = str(CONFIG_FILES[name][0])
    for arguments in ((kind, "--config", path), CONFIG_FILES[name]):  # built again from the file, and chosen by default or by a preset
        assert cases.without_new(from_toml(said(*arguments, "--print-config")), frozen) == frozen
