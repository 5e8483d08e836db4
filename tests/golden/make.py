"""Make the golden files of a release: what its code computes, prints and writes, for later code to be held to.

Run it with the code that is to be frozen, from the root of its checkout (here /work/old), of which ``tests/golden`` holds this script:

    cp -r /work/main/tests/golden tests/
    OMP_NUM_THREADS=1 PYTHONPATH=src python -m tests.golden.make FOLDER

FOLDER then holds the files: in this repository ``tests/golden`` itself. ``manifest.json`` says on which commit, which machine and which
torch they were made. To compare bits on another machine, make another FOLDER there, with the old code, and test the new code by
``GOLDEN_FOLDER=FOLDER pytest tests/golden``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

out = Path(sys.argv[1]).resolve()
os.environ["GOLDEN_FOLDER"] = str(out)  # before `common` is imported: what is made later reads what was made first

import condensation  # noqa: E402
from condensation import METHODS, CondensedSet, TrainedGenerator  # noqa: E402
from tests.golden import common  # noqa: E402

DROPPED = ("checkpoint.safetensors",)  # of runs inside studies: not needed to print, or to know them as finished


def main() -> None:
    """Make all files in the folder that was named."""
    started_from = Path(condensation.__file__).parent
    for name in (common.METHODS, common.CONFIG, common.PRINTED, common.STUDIES, common.RUN, common.BROKEN, common.GENERATING):
        shutil.rmtree(out / name, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place, common.quiet_place(Path(place)):
        manifest: dict[str, Any] = {
            "command": "OMP_NUM_THREADS=1 PYTHONPATH=src python -m tests.golden.make FOLDER",
            "commit": subprocess.check_output(["git", "-C", started_from, "rev-parse", "--short", "HEAD"], text=True).strip(),
            "machine": common.machine(),
            "methods": methods(),
        }
        write_json(out / common.MANIFEST, manifest)
        runs()
        manifest |= {"evaluate": list(common.EVALUATE_ARGUMENTS), "ridge": list(common.RIDGE_ARGUMENTS), **artefacts()}
        printed()
        configs()
        studies()
    manifest["pool"] = with_pool()
    manifest["files"] = {
        str(path.relative_to(out)): common.sha256(path)
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != common.MANIFEST
    }
    write_json(out / common.MANIFEST, manifest)


def methods() -> dict[str, Any]:
    """Run every method, and keep its sets."""
    missing = METHODS.keys() - {one["name"] for one in common.SMALL_METHODS.values()}
    assert not missing, missing
    found = {}
    for case in common.SMALL_METHODS:
        settings = common.plain_method(case)
        seeds = {}
        for seed in common.SEEDS:
            one, losses = common.condensed(case, seed, settings)
            path = out / common.METHODS / f"{case}-seed{seed}.safetensors"
            path.parent.mkdir(exist_ok=True)
            one.save(path)
            digests = {"fingerprint": one.images.fingerprint(), "tensors": common.digest(one.images), "file": common.sha256(path)}
            seeds[str(seed)] = {**digests, "losses": losses}
        found[case] = {"settings": settings, "ipc": common.ipc_of(case), "seeds": seeds}
        print(case, flush=True)
    return found


def runs() -> None:
    """Make the run folders: finished, broken off, with a generator."""
    common.said(*common.RUN_ARGUMENTS, "--out", out / common.RUN, "--quiet")
    common.break_off(out / common.BROKEN)
    common.said(*common.GENERATING_ARGUMENTS, "--out", out / common.GENERATING, "--quiet")


def artefacts() -> dict[str, Any]:
    """Say what is in the run folders, as values."""
    drawn = TrainedGenerator.load(out / common.GENERATING).images(2, seed=5)
    sets = {name: common.digest(CondensedSet.load(out / name).images) for name in (common.RUN, common.GENERATING)}
    return {"runs": sets, "drawn": common.digest(drawn)}


def printed() -> None:
    """Keep what commands print of sets and runs, and the plans of studies."""
    shutil.copytree(out / common.METHODS, "methods")
    os.chdir("methods")
    write(out / common.PRINTED / "evaluate.json", common.said("evaluate", *common.EVALUATE_ARGUMENTS, "--json"))
    write(out / common.PRINTED / "ridge.json", common.said("ridge", *common.RIDGE_ARGUMENTS, "--json"))
    os.chdir("..")
    for name, arguments in common.PLANS.items():
        write(out / common.PRINTED / f"plan-{name}.json", common.said(*arguments, "--dry-run", "--json"))
        write(out / common.PRINTED / f"plan-{name}.txt", common.said(*arguments, "--dry-run"))


def configs() -> None:
    """Keep the settings that commands print."""
    for name, arguments in common.config_arguments(list(METHODS)).items():
        write(out / common.CONFIG / f"{name}.toml", common.said(*arguments, "--print-config"))


def studies() -> None:
    """Make a small study of each kind, leave out what is not needed to print it, and keep what is printed."""
    for name in common.STUDY_ARGUMENTS:
        common.make_study(name)
        as_made = common.said(name, name, "--json")
        for path in [*Path(name).rglob("*")]:
            if path.name in DROPPED and path.is_file():
                path.unlink()
        for path in Path(name).glob("*.png"):
            path.unlink()  # drawn whenever it is printed
        shutil.copytree(name, out / common.STUDIES / name)
        write(out / common.PRINTED / f"{name}.json", common.said(name, name, "--json"))
        write(out / common.PRINTED / f"{name}.txt", common.said(name, name))
        assert as_made == (out / common.PRINTED / f"{name}.json").read_text(), name
        print(name, flush=True)


def with_pool() -> dict[str, Any]:
    """Embed with the networks of the frozen pool: the set that comes of it."""
    with common.quiet_place(out / common.STUDIES / "pools"):
        settings = {**common.DM, "networks": {"name": "pool", "path": "pool", "spec": {"name": "convnet", "width": 4}}}
        one, losses = common.condensed("dm", 0, settings)
    return {"settings": settings, "tensors": common.digest(one.images), "losses": losses}


def write(path: Path, text: str) -> None:
    """Write a text file, and the folder that it lies in."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def write_json(path: Path, content: object) -> None:
    """Write a JSON file with a line for each value."""
    write(path, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
