"""A run of several processes equals that of one, to the last bit; what stops one of them stops all at the same step."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock  # comes with torch
from torch import Tensor

from condensation import (
    DM,
    KIP,
    Checkpoint,
    Compute,
    CondensationError,
    ConvNet,
    Fresh,
    ImageSet,
    KeepGenerator,
    Method,
    PixelMMD,
    Random,
    Recipe,
    Rng,
    SiameseDC,
    Stopped,
    TrainedGenerator,
    condense,
    evaluate,
)
from condensation.core import stored_images
from condensation.core.checkpoint_parts import MANIFEST, latest_manifest
from condensation.core.errors import NotWritten
from condensation.core.form import Tiles
from condensation.core.stored_images import StoredImages
from condensation.core.team import Team, assigned
from condensation.data.load import load
from condensation.data.pack.write import pack
from condensation.data.settings import DataSettings
from condensation.matching.kernels import RBF, Laplacian
from condensation.methods.step_info import StepInfo
from tests.small import CPU, GRADIENTS, dc, dm, gmmn, images
from tests.team.processes import in_processes

ALONE = Compute(**CPU, chunk=6)  # type: ignore[arg-type]  # as many images as a class has in a step
IPC = {0: 2, 1: 3, 2: 1, 3: 2, 4: 4}
METHODS: dict[str, Method] = {
    "random": Random(Tiles(2)),
    "pixel-mmd": PixelMMD(steps=3),
    "pixel-mmd-rbf": PixelMMD(steps=3, kernel=RBF(), batch_per_class=6),
    "dm": dm(batch_per_class=20),
    "dm-tiles": dm(form=Tiles(2), averaging=0.9, schedule="cosine"),
    "dm-kernel": dm(kernel=Laplacian(), classes_at_a_time=1),
    "dc": dc(steps=2, outer_loops=3, inner_loops=2, averaging=0.9),
    "gmmn": gmmn(batch_per_class=20, lr_drop_step=2),
    "dsa-tiles": SiameseDC(**{**GRADIENTS, "steps": 2, "outer_loops": 2}, form=Tiles(2)),  # type: ignore[arg-type]
}
BATCH_NORM = dm(steps=3, networks=Fresh(ConvNet(width=8, norm="batch")))


UNDIVIDED: list[Method] = [KIP(steps=1), gmmn(networks="conditional"), dc(networks=Fresh(ConvNet(width=8, norm="batch")))]


def real() -> Any:
    return images(per_class=25, classes=5)


def condensed(team: Team | None, name: str, precision: str = "float32", **options: Any) -> tuple[np.ndarray, list[float | None]]:
    """Return the images of a run and its losses."""
    losses: list[float | None] = []
    compute = replace(ALONE, precision=precision)  # type: ignore[arg-type]
    method = METHODS.get(name, BATCH_NORM)
    compute = compute if name in METHODS else replace(compute, chunk=None)
    made = condense(method, real(), IPC, compute=compute, team=team, observers=[lambda info: losses.append(info.loss)], **options)
    return made.images.numpy(), losses


def generator_of(team: Team | None, path: Path, steps: int) -> list[np.ndarray]:
    """Return images drawn from the generator that a run keeps, and those of the run, which continues one of half the steps."""
    method, checkpoint = gmmn(iterations=steps), Checkpoint(path.with_suffix(".state"), every=0)
    made = condense(method, real(), IPC, compute=ALONE, team=team, checkpoint=checkpoint, observers=[KeepGenerator(method, path)])
    if team:
        team.wait()  # for the file
    return [TrainedGenerator.load(path).images(2).images.numpy(), made.images.numpy()]


def all_of_them(team: Team | None) -> dict[str, Any]:
    """Return the results of every method, of batch norm, and of an evaluation."""
    results: dict[str, Any] = {f"{name} {kind}": condensed(team, name, kind) for name in METHODS for kind in ("float32", "bfloat16")}
    if team is None or team.size <= len(IPC):
        results["batch norm"] = condensed(team, "batch norm")
    data = real()
    scores = evaluate(
        [data, data.select([1, 2])], data, network=ConvNet(width=4), recipe=Recipe(epochs=1), networks=2, compute=ALONE, team=team
    )
    results["evaluation"] = scores.values, [float(value) for value in np.ravel(scores.confusion)] if scores.confusion is not None else []
    return results


def check_all(expected: dict[str, Any], results: dict[str, Any]) -> None:
    """Assert that processes made what one makes."""
    for name, (values, numbers) in expected.items():
        if name == "batch norm":
            np.testing.assert_allclose(results[name][0], values, rtol=0, atol=1e-5)
        else:
            assert np.array_equal(results[name][0], values), name
            assert results[name][1] == numbers, name


def large(team: Team | None, per_class: int, side: int, precision: str) -> np.ndarray:
    """Return the images of a run with the usual chunk."""
    method = DM(steps=3, batch_per_class=per_class, networks=Fresh(ConvNet(width=16)))
    compute = Compute(device="cpu", precision=precision, compile="never")  # type: ignore[arg-type]
    return condense(method, images(per_class, 5, (3, side, side)), 3, compute=compute, team=team).images.numpy()


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("per_class", "side"), [(50, 32), (64, 28), (50, 28)])
def test_images_that_do_not_fill_chunks_make_the_same_bits(per_class: int, side: int, precision: str) -> None:
    expected = large(None, per_class, side, precision)
    for count in (2, 3, 5):
        assert all(np.array_equal(made, expected) for made in in_processes(count, large, per_class, side, precision))


def stopped_at(team: Team | None, path: Path, step: int) -> Any:
    """Run until ``step``, from the checkpoint; return the images, or the step at which the run stopped."""

    def stop(info: StepInfo) -> None:
        if info.step == step and (team is None or team.rank == team.size - 1):
            raise Stopped("enough")

    options: Any = {"checkpoint": Checkpoint(path, every=0), "observers": [stop]}
    method = dm(steps=9, form=Tiles(2), averaging=0.9, schedule="cosine")
    try:
        return condense(method, real(), IPC, compute=ALONE, team=team, **options).images.numpy()
    except Stopped as stopped:
        return stopped.step


class Breaking(DM):
    """DM whose images become infinite in one process."""

    def step(self, state: Any, images: ImageSet, rng: Rng) -> Tensor:
        loss = super().step(state, images, rng)
        if rng.path[1] == 2 and os.environ.get("RANK") == "1":
            state.source.assign(torch.full_like(state.source.images, torch.inf))
        return loss


BREAKING = Breaking(steps=4, batch_per_class=6, networks=Fresh(ConvNet(width=8)))


def caught(work: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Return what is known of the error of ``work``."""
    try:
        work(*arguments)
    except ValueError as error:
        return {"kind": type(error).__name__, **error.__dict__}
    return {}


def with_a_full_disk(team: Team, path: Path) -> None:
    def fail(info: StepInfo) -> None:
        if info.step == 2 and team.rank == 1:
            raise NotWritten(path, OSError(errno.ENOSPC, "No space left on device"), "")

    condense(METHODS["dm"], real(), IPC, compute=ALONE, team=team, checkpoint=Checkpoint(path, 0), observers=[fail])


def not_finite(team: Team, path: Path) -> None:
    condense(BREAKING, real(), IPC, compute=ALONE, team=team, checkpoint=Checkpoint(path, 0))


def different(team: Team, what: str) -> None:
    from condensation.core import team as module

    before = module.versions
    if what == "version" and team.rank:
        module.versions = lambda: {"condensation": "0.0.1"}
    seed = team.rank if what == "settings" else 0
    data = images(per_class=25, classes=5, seed=team.rank if what == "data" else 0)
    precision: Any = "bfloat16" if what == "precision" and team.rank else "float32"
    try:
        condense(METHODS["dm"], data, IPC, seed=seed, compute=replace(ALONE, precision=precision), team=team)
    finally:
        module.versions = before


def alone(team: Team, method: Method) -> None:
    condense(method, real(), 1, compute=ALONE, team=team)


def of_digits(team: Team | None, packed: Path | None) -> tuple[np.ndarray, list[float | None], bool]:
    """Return the result and losses for digits, from memory or from the files of ``packed``, and whether the images stayed in the files."""
    stored_images.IN_MEMORY = 0 if packed else stored_images.IN_MEMORY
    data = load(str(packed or "digits")).train
    losses: list[float | None] = []
    made = condense(METHODS["dm"], data, 2, compute=ALONE, team=team, observers=[lambda info: losses.append(info.loss)])
    return made.images.numpy(), losses, isinstance(data.images, StoredImages)


def everything(team: Team, folder: Path) -> dict[str, Any]:
    """Return the results of two processes; to start them takes longer than any of these."""
    return {
        "all": all_of_them(team),
        "generator": generator_of(team, folder / "generator.safetensors", 3),
        "stopped": stopped_at(team, folder / "stopped.safetensors", 2),
        "full disk": caught(with_a_full_disk, team, folder / "full.safetensors"),
        "not finite": caught(not_finite, team, folder / "broken.safetensors"),
        "different": {what: caught(different, team, what) for what in ("precision", "settings", "data", "version")},
        "alone": [caught(alone, team, method) for method in UNDIVIDED],
        "pack": of_digits(team, folder / "pack"),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of the tests share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "team"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def two(folder: Path) -> list[dict[str, Any]]:
    """Results of two processes; the first process of the tests makes them for the others, since it takes long."""
    kept = folder / "results.pickle"
    with FileLock(folder / "lock"):
        if not kept.exists():
            pack(DataSettings("digits"), folder / "pack", 20_000)
            kept.write_bytes(pickle.dumps(in_processes(2, everything, folder)))
    results: list[dict[str, Any]] = pickle.loads(kept.read_bytes())
    assert not [result["error"] for result in results if "error" in result]
    return results


def test_two_processes_make_the_same_bits_as_one(two: list[dict[str, Any]]) -> None:
    expected = all_of_them(None)
    for results in two:
        check_all(expected, results["all"])


def test_the_generators_of_all_processes_are_kept_and_continued(two: list[dict[str, Any]], folder: Path) -> None:
    for steps in (3, 6):
        expected = generator_of(None, folder / f"alone-{steps}.safetensors", steps)
        some = [results["generator"] for results in two] if steps == 3 else [generator_of(None, folder / "generator.safetensors", steps)]
        for values in some:
            assert all(map(np.array_equal, values, expected))


def test_processes_read_packed_images_from_their_files(two: list[dict[str, Any]]) -> None:
    expected, losses, _ = of_digits(None, None)
    for results in two:
        images_of_two, losses_of_two, in_files = results["pack"]
        assert in_files
        assert np.array_equal(images_of_two, expected)
        assert losses_of_two == losses


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 5, 7])
def test_more_processes_make_the_same_bits_as_one(count: int) -> None:
    expected = all_of_them(None)
    if count > 5:  # more than classes
        del expected["batch norm"]
    for results in in_processes(count, all_of_them):
        check_all(expected, results)


def test_one_process_continues_the_work_of_two(two: list[dict[str, Any]], folder: Path) -> None:
    path = folder / "stopped.safetensors"
    assert [results["stopped"] for results in two] == [3, 3]  # all at the same step, one after the request
    unbroken = stopped_at(None, folder / "unbroken.safetensors", -1)
    assert np.array_equal(stopped_at(None, path, -1), unbroken)
    manifest = latest_manifest(Checkpoint(path).parts)
    assert manifest is not None
    assert manifest.steps == (3, 2)  # the last two are kept
    assert sorted(place.name for place in Checkpoint(path).parts.iterdir()) == [MANIFEST, "step-2", "step-3"]


@pytest.mark.slow
@pytest.mark.parametrize("counts", [(2, 3, 1), (1, 5, 2)])
def test_any_number_of_processes_continues_a_run(tmp_path: Path, counts: tuple[int, ...]) -> None:
    unbroken = stopped_at(None, tmp_path / "unbroken.safetensors", -1)
    path = tmp_path / "checkpoint.safetensors"
    for number, count in enumerate(counts):
        step = -1 if number == len(counts) - 1 else 3 * number + 2
        results = [stopped_at(None, path, step)] if count == 1 else in_processes(count, stopped_at, path, step)
        if step == -1:
            assert all(np.array_equal(made, unbroken) for made in results)
        else:
            assert results == [step + (count > 1)] * count


@pytest.mark.parametrize(("problem", "kept"), [("full disk", 2), ("not finite", 2)])
def test_an_error_in_one_process_stops_all_and_loses_nothing(two: list[dict[str, Any]], folder: Path, problem: str, kept: int) -> None:
    errors = [results[problem] for results in two]
    assert [error.get("reported", False) for error in errors] == [False, True]  # one line, of the first process
    if problem == "full disk":
        assert ["No space left" in error["message"] for error in errors] == [True, True]
        assert errors[0]["message"].startswith("Process 1 of 2")
    else:
        assert [(error["kind"], error["step"]) for error in errors] == [("Diverged", 3)] * 2
    path, method = (folder / "full.safetensors", METHODS["dm"]) if problem == "full disk" else (folder / "broken.safetensors", BREAKING)
    manifest = latest_manifest(Checkpoint(path).parts)
    assert manifest is not None
    assert manifest.steps[0] == kept
    made = condense(method, real(), IPC, compute=ALONE, checkpoint=Checkpoint(path))
    assert torch.equal(made.images, condense(method, real(), IPC, compute=ALONE).images)


@pytest.mark.parametrize(
    ("what", "name"), [("precision", "precision"), ("settings", "digest of the settings"), ("data", "real"), ("version", "condensation")]
)
def test_processes_that_differ_are_refused_by_name_in_all_of_them(two: list[dict[str, Any]], what: str, name: str) -> None:
    first, second = (results["different"][what] for results in two)
    assert first["message"] == second["message"]
    assert f"another {name}" in first["message"]


def test_methods_that_need_one_process_are_refused_by_name(two: list[dict[str, Any]]) -> None:
    for results in two:
        assert [error["message"] for error in results["alone"]] == [
            "KIP runs in one process.",
            "GMMN with one generator runs in one process.",
            "DC with a network that mixes images, such as by batch norm, runs in one process.",
        ]


def test_the_largest_groups_are_assigned_first() -> None:
    assert assigned([1, 5, 3, 3], 2) == [[0, 1], [2, 3]]
    assert assigned([2, 2], 4) == [[0], [1], [], []]
    assert sorted(item for part in assigned(list(range(100)), 7) for item in part) == list(range(100))


def test_batch_norm_needs_a_class_per_process() -> None:
    plan = BATCH_NORM.class_plan(real(), IPC, ALONE)
    assert plan.synchronized_between(5).groups == ((0,), (1,), (2,), (3,), (4,))
    with pytest.raises(CondensationError) as raised:
        plan.synchronized_between(6)
    assert raised.value.setting == "method"
