"""Hold what `make` and `test_golden` share: the frozen cases, and how each is computed. All imports of internal modules are here."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import torch

# Internal names, which may move; everything else in this folder comes from `condensation` itself or is a command line.
from condensation import Compute, CondensedSet, Data, ImageSet, Method, RunSettings, StepInfo, Stopped, condense, load, run
from condensation.cli.main import main
from condensation.config.build import from_dict
from condensation.core.environment import machine as capability
from condensation.core.plain import to_dict
from condensation.core.renamed import ADDED

HERE = Path(os.environ.get("GOLDEN_FOLDER") or Path(__file__).parent)  # where the frozen files are
MANIFEST, METHODS, CONFIG, PRINTED, STUDIES = "manifest.json", "methods", "config", "printed", "studies"
RUN, BROKEN, GENERATING = "run", "broken", "generating"  # run folders: finished, broken off at `BROKEN_AT`, of a generator
BROKEN_AT = 2
SEEDS = (0, 1)

# -- methods: each case is the plain settings of a method, which begin with its name

SMALL_NET = {"name": "convnet", "width": 8}
TRAINED = {"network": SMALL_NET, "recipe": {"epochs": 2, "batch": 128}}
DM = {"name": "dm", "steps": 4, "batch_per_class": 6, "networks": {"name": "fresh", "spec": SMALL_NET}}
GRADIENTS = {
    "steps": 4,
    "batch_per_class": 6,
    "outer_loops": 1,
    "inner_loops": 1,
    "networks": {"name": "fresh", "spec": {"name": "convnet", "width": 4}},
}
GMMN = {"name": "gmmn", "iterations": 4, "batch_per_class": 6, "samples_per_class": 5, "hidden": [8, 8]}
VAE: dict[str, Any] = {"name": "dc-vae", "steps": 3, "batch": 6, "samples": 8, "critic_steps": 2}
VAE |= {"width": 4, "critic_width": 4, "depth": 1, "latent": 5, "queue": 16}
GAN = {"name": "biggan", "steps": 4, "batch": 6, "critic_steps": 2, "width": 4, "depth": 1, "latent": 5, "averaging_from": 2}
GTN: dict[str, Any] = {"name": "gtn", "steps": 3, "batch": 10, "learner": {"name": "convnet", "width": 4, "depth": 1}}
GTN |= {"real_batch": 20, "latent": 5, "hidden": 8, "channels": [4, 3]}
KIP = {"name": "kip", "steps": 4, "batch": 30}

SMALL_METHODS: dict[str, dict[str, Any]] = {
    "random": {"name": "random"},
    "herding": {"name": "herding", **TRAINED},
    "k-center": {"name": "k-center", **TRAINED},
    "forgetting": {"name": "forgetting", **TRAINED},
    "pixel-mmd": {"name": "pixel-mmd", "steps": 4},
    "pixel-mmd-rbf": {"name": "pixel-mmd", "steps": 4, "kernel": "rbf", "batch_per_class": 6},
    "gmmn": GMMN,
    "gmmn-conditional": {**GMMN, "networks": "conditional", "optimizer": "sgd", "lr_drop_step": 2},
    "gmmn-codes": {**GMMN, "autoencoder": {"name": "sigmoid", "hidden": 8, "code": 4, "steps": 2}},
    "dc-vae": VAE,
    "dc-vae-one-a-class": {**VAE, "networks": "one-a-class", "averaging_from": 2, "critic_steps": 1},
    "biggan": GAN,
    "biggan-plain": {**GAN, "augmentation": None, "mirror": False, "critic_steps": 1},
    "gtn": GTN,
    "gtn-weight-norm": {**GTN, "learner": {"name": "convnet-wn", "widths": [3, 4], "hidden": 5}, "passes": 2, "intermediate": 0.0},
    "dc": {"name": "dc", **GRADIENTS},
    "dc-groups": {"name": "dc", **GRADIENTS, "classes_at_a_time": 2, "start": "real"},
    "dc-loops": {"name": "dc", **GRADIENTS, "outer_loops": 3, "inner_loops": 2, "averaging": 0.9},
    "dsa": {"name": "dsa", **GRADIENTS},
    "dsa-batch-norm": {
        "name": "dsa",
        **GRADIENTS,
        "outer_loops": 2,
        "networks": {"name": "fresh", "spec": {"name": "convnet", "width": 4, "norm": "batch"}},
    },
    "dm": DM,
    "dm-kernel": {**DM, "kernel": "laplacian"},
    "dm-noise": {**DM, "start": "noise"},
    "dm-kmeans": {**DM, "start": "kmeans"},
    "dm-groups": {**DM, "classes_at_a_time": 2},
    "dm-plain": {**DM, "augmentation": None},
    "dm-averaged": {**DM, "averaging": 0.9, "schedule": "cosine"},
    "dm-default-compute": DM,
    "kip": KIP,
    "kip-labels": {**KIP, "labels": "learned", "start": "noise"},
    "kip-solved": {**KIP, "labels": "solved"},
    "label-solve": {**KIP, "steps": 0, "labels": "solved"},
    "kip-conv": {**KIP, "batch": 10, "kernel": {"name": "conv", "depth": 2}},
    "best-of": {
        "name": "best-of",
        "of": {**DM, "steps": 1},
        "sets": 2,
        "mixtures": 4,
        "eval_per_class": 5,
        "eval_network": SMALL_NET,
        "recipe": {"epochs": 4, "lr_drop_epoch": 77, "batch": 16},
    },
}
# They pick images by comparing numbers, so that on another machine, which rounds otherwise, another image may be picked.
PICKING = {"herding", "k-center", "forgetting", "dm-kmeans", "best-of"}
PLAIN_COMPUTE = {"device": "cpu", "precision": "float32", "compile": "never"}


def compute_of(case: str) -> dict[str, str]:
    """Return the compute settings of a case: plain float32, or what the machine chooses."""
    return {"device": "cpu"} if case == "dm-default-compute" else PLAIN_COMPUTE


def data_of(case: str) -> dict[str, Any]:
    """Return which images a case condenses; some methods make no images of 8x8 pixels."""
    return {"source": "digits", **({"size": 16} if SMALL_METHODS[case]["name"] in ("dc-vae", "biggan") else {})}


def ipc_of(case: str) -> int:
    """Return the images per class of a case."""
    return 2 if case in ("kip", "dc", "random", "gmmn") else 1


@cache
def images(source: str, size: int | None = None) -> Data:
    """Load a data set once."""
    return load(source, size=size)


def condensed(case: str, seed: int, settings: dict[str, Any] | None = None) -> tuple[CondensedSet, list[float]]:
    """Run one case by plain ``settings`` of its method: the set, with settings and data on its card, and the loss of each step."""
    method = from_dict(RunSettings, {"method": settings or SMALL_METHODS[case]}).method
    compute = from_dict(Compute, compute_of(case))
    losses: list[float] = []

    def note(moment: StepInfo) -> None:
        losses.extend([] if moment.loss is None else [moment.loss])

    made = condense(method, images(**data_of(case)).train, ipc_of(case), seed=seed, compute=compute, observers=[note])
    card = {"settings": {"data": data_of(case), "method": to_dict(method), "ipc": ipc_of(case), "seed": seed}}
    return CondensedSet(made, card), losses


def plain_method(case: str) -> dict[str, Any]:
    """Return the method of a case as complete plain settings, defaults included."""
    method: Method = from_dict(RunSettings, {"method": SMALL_METHODS[case]}).method
    return dict(to_dict(method))


# -- the command, in this process


def command(*arguments: object) -> tuple[int, str, str]:
    """Run ``condense`` with ``arguments``: exit code, standard output, standard error."""
    out, errors = io.StringIO(), io.StringIO()
    argv = ["condense", *map(str, arguments)]
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            main()
            code: Any = 0
        except SystemExit as end:
            code = end.code
    return int(code or 0), out.getvalue(), errors.getvalue()


def said(*arguments: object) -> str:
    """Return what ``condense`` prints; it must succeed."""
    code, out, errors = command(*arguments)
    assert code == 0, f"condense {' '.join(map(str, arguments))} ended with {code}:\n{errors[-3000:]}"
    return out


@contextlib.contextmanager
def quiet_place(folder: Path) -> Iterator[None]:
    """Work in ``folder``, on one thread, without the person's data sets and cache."""
    before = Path.cwd()
    environment = {"XDG_DATA_HOME": str(folder / "none"), "CONDENSATION_CACHE": "none", "COLUMNS": "120"}
    with mock.patch.dict(os.environ, environment):
        os.environ.pop("CONDENSATION_DATA", None)
        torch.set_num_threads(1)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


COMPUTE = ("compute.device=cpu", "compute.precision=float32", "compute.compile=never")
OF_DM = ("steps=3", "batch_per_class=4", "networks.spec.width=8")
SMALL_DM = tuple(f"dm.{one}" for one in OF_DM)
SMALL_METHOD = tuple(f"method.{one}" for one in OF_DM)
JUDGE = ("evaluation.network.width=8", *COMPUTE)

# One small run, whose settings the broken run has too.
OF_RUN = (*JUDGE, "evaluation.networks=2", "evaluation.recipe=clean", "evaluation.recipe.epochs=40")
RUN_ARGUMENTS = ("run", "-d", "digits", "-m", "dm", "-i", 1, *SMALL_METHOD, *OF_RUN)
GENERATING_ARGUMENTS = ("run", "-d", "digits", "-m", "gmmn", "-i", 1, "method.iterations=3", "method.hidden=[8,8]", "method.latent=4")
GENERATING_ARGUMENTS += ("method.batch_per_class=6", "method.samples_per_class=5", "evaluation.networks=0", *COMPUTE)
EVALUATE_ARGUMENTS = ("dm-seed0.safetensors", "evaluation.networks=2", "evaluation.recipe.epochs=40", "--random", 1, "--seed", 3, *JUDGE)
RIDGE_ARGUMENTS = ("kip-seed0.safetensors", "--random", 1, "--device", "cpu")

JUDGED = ("--networks", 2, "--epochs", 40)  # enough to learn something, so that accuracies tell sets apart
SPACE = 'width = [4]\ndepth = [1, 2]\nnorm = ["none"]\nactivation = ["relu", "sigmoid"]\npooling = ["none", "avg"]\n'
STUDY_ARGUMENTS: dict[str, tuple[object, ...]] = {
    "table": ("-d", "digits", "-m", "random,dm", "-i", "1,2", "--seeds", 1, *JUDGED, *SMALL_DM, *JUDGE),
    "transfer": ("-d", "digits", "-i", 1, "--learn", "mlp,convnet", "--test", "mlp", *JUDGED, *SMALL_METHOD[:2], *COMPUTE),
    "continual": ("-d", "digits", "-m", "random,dm", "--steps", 2, "-i", 1, "--orders", 1, *JUDGED, *SMALL_DM[:2], *JUDGE),
    "federated": (
        *("-d", "digits", "-i", 4, "--clients", 2, "--alpha", 1, "--splits", 1, "--rounds", 2, "--arms", "condensed,averaging,alone"),
        *(*SMALL_METHOD[:2], "local.epochs=1", "evaluation.network.width=4", *JUDGED, *COMPUTE),
    ),
    "nas": (
        *("-d", "digits", "-i", 1, "--trainings", 1, "--epochs", 40, "--whole-epochs", 1, "--on", "processes:1"),
        *("--proxies", "random,dm,early-stopping", "--space", "space.toml", "dm.steps=2", "dm.batch_per_class=4"),
        *("dm.networks.spec.width=4", "recipe.batch=20", *COMPUTE),
    ),
    "pools": (
        *("-d", "digits", "-i", 1, "--pool", 2, "--pool-epochs", 2, "--bounds", "10,30,99", *JUDGED, "network.width=4"),
        *(*SMALL_METHOD[:2], "evaluation.network.width=4", *COMPUTE),
    ),
    # Without the private arm, whose noise is never the same.
    "privacy": (
        *("-d", "digits", "-i", 1, "--shadows", 4, "--arms", "whole,random,dm-noise", "images=120", "canaries=20", "steps=2"),
        *("spec.width=4", "recipe.epochs=20", *COMPUTE),
    ),
    "theory": ("-d", "digits", *("--networks", 1), "epochs=0,1", "pairs=3", "ipc=1", "batch_per_class=3", "network.width=8", *COMPUTE[:2]),
}
TABLES = ("supplement", "supplement-paper")
# Plans of studies by default and by preset, which nothing is computed for.
PRESETS = {"fast": "classic", "long": "long", "paper": "paper"}  # presets of the frozen files, with their present names
CLEAN = ("--evaluate", "clean")  # what was the default, except for the preset `paper`
PLANS: dict[str, tuple[object, ...]] = {
    **{study: (study,) for study in ("table", "transfer", "continual", "nas", "pools")},
    **{f"table-{old}": ("table", "--preset", new) for old, new in {**PRESETS, **{name: name for name in TABLES}}.items()},
}


def make_study(name: str) -> None:
    """Make a study in the folder of its name, in the current folder."""
    Path("space.toml").write_text(SPACE)
    said(name, *STUDY_ARGUMENTS[name], "--out", name, "--quiet")


def break_off(folder: Path) -> None:
    """Make the run of `RUN_ARGUMENTS` in ``folder``, and stop it after step `BROKEN_AT`."""
    settings = json.loads((HERE / RUN / "settings.json").read_text())["settings"]

    def stop(moment: StepInfo) -> None:
        if moment.step == BROKEN_AT:
            raise Stopped("enough")

    with contextlib.suppress(Stopped):
        run(from_dict(RunSettings, settings), folder, observers=[stop])


def config_arguments(methods: list[str]) -> dict[str, tuple[object, ...]]:
    """Return what is typed before ``--print-config``, by the name of the frozen file: defaults, and each preset with each method."""
    presets = {old: (new, *(() if new == "paper" else CLEAN)) for old, new in PRESETS.items()}
    return {
        "run": ("run", "--preset", "classic", *CLEAN),
        **{f"run-{old}": ("run", "--preset", *preset) for old, preset in presets.items()},
        **{f"run-{old}-{method}": ("run", "-m", method, "--preset", *preset) for old, preset in presets.items() for method in methods},
        **{f"run-{old}-ipc{ipc}": ("run", "-i", ipc, "--preset", *preset) for old, preset in presets.items() for ipc in (1, 50)},
        "run-paper-cifar10": ("run", "--preset", "paper", "-d", "cifar10"),
        "run-lenet": ("run", "--preset", "classic", "--network", "lenet", *CLEAN),
        "evaluate": ("evaluate",),
        "evaluate-paper": ("evaluate", "-d", "digits", "--network", "alexnet", "--whole", "evaluation.recipe=paper"),
        "ridge": ("ridge",),
        "ridge-conv": ("ridge", "-d", "digits", "-k", "conv", "--random", 1),
    }


# -- comparing

CHANGING = {"confusion", "seconds", "seconds_of_set", "machine", "versions", "notes", "folder", "format"}  # clocks, machines, and words


def steady(content: Any) -> Any:
    """Return parsed JSON without what differs from machine to machine, or is wording alone."""
    if isinstance(content, dict):
        return {key: steady(value) for key, value in content.items() if key not in CHANGING}
    return [steady(value) for value in content] if isinstance(content, list) else content


def machine() -> dict[str, str | int]:
    """Return all that the last bits of a result depend on, but the code."""
    return {**capability(), "processor": _processor()}


def _processor() -> str:
    """Tell the model of the processor as exactly as Linux does: its name alone may be that of many."""
    wanted = ("model name", "cpu family", "model", "stepping", "cache size")
    try:
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()]
    except OSError:
        return platform.processor()
    found = {key.strip(): value.strip() for key, _, value in lines}
    return ", ".join(f"{key} {found[key]}" for key in wanted if key in found) or platform.machine()


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(made: ImageSet) -> str:
    """Return a digest of images, labels and soft labels that does not depend on the code of the library."""
    found = hashlib.sha256()
    soft = made.soft_labels.values if made.soft_labels else torch.zeros(0)
    for tensor in (made.images, made.labels, soft):
        found.update(repr((tuple(tensor.shape), str(tensor.dtype))).encode())
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


def without_new(ours: Any, theirs: Any) -> Any:
    """Return plain settings ``ours`` without those that the older ``theirs`` lack and that are off, as their absence meant."""
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [without_new(*pair) for pair in zip(ours, theirs, strict=True)]
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return ours
    off = (None, "none", False, [])
    kept = {key: value for key, value in ours.items() if key in theirs or (value not in off and value != ADDED.get(key))}
    return {key: without_new(value, theirs.get(key)) for key, value in kept.items()}
