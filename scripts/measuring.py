"""Shared parts of the measuring scripts: jobs, results that are saved part by part, and their commit and machine."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from condensation import Compute, ConvNet, ImageSet, Method, Recipe, evaluate, run
from condensation.core.environment import machine, versions
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write_json
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.loop import Observer
from condensation.networks.base import NetworkSpec
from condensation.runs.files import LOG, SETTINGS
from condensation.runs.settings import RunSettings

ROOT = Path(__file__).parent.parent


class Named(Protocol):
    """A job with a unique name."""

    @property
    def name(self) -> str: ...


JobT = TypeVar("JobT", bound=Named)


def commit() -> str:
    """Return the commit of the working tree, marked if the code differs from it."""
    name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    changed = subprocess.run(["git", "status", "--porcelain", "src", "scripts"], capture_output=True, text=True, check=True).stdout
    return f"{name} (changed)" if changed else name


COMMIT = commit()  # of the loaded code: the working tree may change while a script runs


def made_by() -> dict[str, Any]:
    """Return the commit, the machine and the versions that a result comes from."""
    return {"commit": COMMIT, "machine": machine(), "versions": versions()}


class PartialResult:
    """Result file of a job. Every part is saved as soon as it is computed, so an interrupted script continues with the next part."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: dict[str, Any] = read_json(path) if path.exists() else {}

    def add(self, name: str, compute: Callable[[], Any]) -> None:
        """Compute and save a part, unless the file has it."""
        if name not in self.parts:
            print(f"{self.path.stem}: {name}", flush=True)
            self.parts[name] = compute()
            write_json(self.path, self.parts)


def job_parser(description: str | None, jobs: Sequence[Named]) -> argparse.ArgumentParser:
    """Return a parser of the command line that takes names of jobs."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"some of: {', '.join(job.name for job in jobs)}")
    return parser


def jobs_named(names: Sequence[str], jobs: Sequence[JobT]) -> list[JobT]:
    """Return the jobs with these names; exit if there is no such job."""
    unknown = set(names) - {job.name for job in jobs}
    if unknown:
        sys.exit(f"Unknown job: {', '.join(sorted(unknown))}. Known: {', '.join(job.name for job in jobs)}.")
    return [job for job in jobs if job.name in names]


def run_settings(data: DataSettings, method: Method[Any], ipc: int) -> RunSettings:
    """Return the settings of a run that is not evaluated."""
    return RunSettings(data=data, method=method, ipc=ipc, evaluation=EvaluationSettings(networks=0))


def run_or_resume(settings: RunSettings, folder: Path, observer: Observer) -> None:
    run(settings, folder, resume=(folder / SETTINGS).exists(), observers=[observer])


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of the log of a run."""
    return [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]


def score(
    sets: ImageSet | list[ImageSet],
    test: ImageSet,
    recipe: Recipe,
    networks: int,
    network: NetworkSpec = ConvNet(),
    compute: Compute = Compute(),
) -> dict[str, Any]:
    """Evaluate the sets and return the accuracies with their recipe and network, for JSON."""
    scores = evaluate(sets, test, network=network, recipe=recipe, networks=networks, compute=compute)
    print(f"  {scores}", flush=True)
    return {**scores.summary(), "recipe": to_dict(recipe), "network": to_dict(network)}
