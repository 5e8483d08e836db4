"""Make the golden files of a release: what its code computes, prints and writes, so that later code can be compared with it.

Run it from the root of a checkout of the release, into which this folder is copied as ``tests/golden``:

    OMP_NUM_THREADS=1 PYTHONPATH=src python -m tests.golden.make FOLDER

``FOLDER`` then holds the files; in this repository it is ``tests/golden``. ``manifest.json`` names the commit, the machine and the
version of torch. To compare bits on another machine, make another folder there with the code of the release, and test the new code
with ``GOLDEN_FOLDER=FOLDER pytest tests/golden``.
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
os.environ["GOLDEN_FOLDER"] = str(out)  # before `cases` is imported: what is made later reads what was made first

import condensation  # noqa: E402
from condensation import METHODS, CondensedSet, TrainedGenerator  # noqa: E402
from tests.golden import cases  # noqa: E402

DROPPED = ("checkpoint.safetensors",)  # of runs inside studies: not needed to print, or to know them as finished


def main() -> None:
    """Make all files in the folder that was named."""
    started_from = Path(condensation.__file__).parent
    for name in (cases.METHODS, cases.CONFIG, cases.PRINTED, cases.STUDIES, cases.RUN, cases.BROKEN, cases.GENERATING):
        shutil.rmtree(out / name, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place, cases.quiet_place(Path(place)):
        manifest: dict[str, Any] = {
            "command": "OMP_NUM_THREADS=1 PYTHONPATH=src python -m tests.golden.make FOLDER",
            "commit": subprocess.check_output(["git", "-C", started_from, "rev-parse", "--short", "HEAD"], text=True).strip(),
            "machine": cases.machine(),
            "methods": methods(),
        }
        write_json(out / cases.MANIFEST, manifest)
        runs()
        manifest |= {"evaluate": list(cases.EVALUATE_ARGUMENTS), "ridge": list(cases.RIDGE_ARGUMENTS), **artefacts()}
        printed()
        configs()
        studies()
    manifest["pool"] = with_pool()
    manifest["files"] = {
        str(path.relative_to(out)): cases.sha256(path)
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != cases.MANIFEST
    }
    write_json(out / cases.MANIFEST, manifest)


def methods() -> dict[str, Any]:
    """Run every method, and keep its sets."""
    missing = METHODS.keys() - {one["name"] for one in cases.SMALL_METHODS.values()}
    assert not missing, missing
    found = {}
    for case in cases.SMALL_METHODS:
        settings = cases.plain_method(case)
        seeds = {}
        for seed in cases.SEEDS:
            one, losses = cases.condensed(case, seed, settings)
            path = out / cases.METHODS / f"{case}-seed{seed}.safetensors"
            path.parent.mkdir(exist_ok=True)
            one.save(path)
            digests = {"fingerprint": one.images.fingerprint(), "tensors": cases.digest(one.images), "file": cases.sha256(path)}
            seeds[str(seed)] = {**digests, "losses": losses}
        found[case] = {"settings": settings, "ipc": cases.ipc_of(case), "seeds": seeds}
        print(case, flush=True)
    return found


def runs() -> None:
    """Make the run folders: finished, broken off, with a generator."""
    cases.said(*cases.RUN_ARGUMENTS, "--out", out / cases.RUN, "--quiet")
    cases.break_off(out / cases.BROKEN)
    cases.said(*cases.GENERATING_ARGUMENTS, "--out", out / cases.GENERATING, "--quiet")


def artefacts() -> dict[str, Any]:
    """Say what is in the run folders, as values."""
    drawn = TrainedGenerator.load(out / cases.GENERATING).images(2, seed=5)
    sets = {name: cases.digest(CondensedSet.load(out / name).images) for name in (cases.RUN, cases.GENERATING)}
    return {"runs": sets, "drawn": cases.digest(drawn)}


def printed() -> None:
    """Keep what commands print of sets and runs, and the plans of studies."""
    shutil.copytree(out / cases.METHODS, "methods")
    os.chdir("methods")
    write(out / cases.PRINTED / "evaluate.json", cases.said("evaluate", *cases.EVALUATE_ARGUMENTS, "--json"))
    write(out / cases.PRINTED / "ridge.json", cases.said("ridge", *cases.RIDGE_ARGUMENTS, "--json"))
    os.chdir("..")
    for name, arguments in cases.PLANS.items():
        write(out / cases.PRINTED / f"plan-{name}.json", cases.said(*arguments, "--dry-run", "--json"))
        write(out / cases.PRINTED / f"plan-{name}.txt", cases.said(*arguments, "--dry-run"))


def configs() -> None:
    """Keep the settings that commands print."""
    for name, arguments in cases.config_arguments(list(METHODS)).items():
        write(out / cases.CONFIG / f"{name}.toml", cases.said(*arguments, "--print-config"))


def studies() -> None:
    """Make a small study of each kind, leave out what is not needed to print it, and keep what is printed."""
    for name in cases.STUDY_ARGUMENTS:
        cases.make_study(name)
        as_made = cases.said(name, name, "--json")
        for path in [*Path(name).rglob("*")]:
            if path.name in DROPPED and path.is_file():
                path.unlink()
        for path in Path(name).glob("*.png"):
            path.unlink()  # drawn whenever it is printed
        shutil.copytree(name, out / cases.STUDIES / name)
        write(out / cases.PRINTED / f"{name}.json", cases.said(name, name, "--json"))
        write(out / cases.PRINTED / f"{name}.txt", cases.said(name, name))
        assert as_made == (out / cases.PRINTED / f"{name}.json").read_text(), name
        print(name, flush=True)


def with_pool() -> dict[str, Any]:
    """Embed with the networks of the frozen pool: the set that comes of it."""
    with cases.quiet_place(out / cases.STUDIES / "pools"):
        settings = {**cases.DM, "networks": {"name": "pool", "path": "pool", "spec": {"name": "convnet", "width": 4}}}
        one, losses = cases.condensed("dm", 0, settings)
    return {"settings": settings, "tensors": cases.digest(one.images), "losses": losses}


def write(path: Path, text: str) -> None:
    """Write a text file, and the folder that it lies in."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def write_json(path: Path, content: object) -> None:
    """Write a JSON file with a line for each value."""
    write(path, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
