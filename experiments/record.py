"""Run one experiment with the command that a user would type, and keep its result."""

import json
import signal
import subprocess
import sys
import time
from datetime import date
from typing import Any

from benchmarks.harness import cpu_seconds_of_children, made_by as facts

from condensation.core.storage import read_json, write_json
from condensation.evaluation.scores import Scores
from condensation.runs.curve import curve_points
from condensation.runs.files import CURVE, LOG, SCORES, SETTINGS
from condensation.studies.registry import STUDIES
from experiments.plan import ROOT, Experiment

# What else is measured on the set or generator of a method, by the name of its part in the result.
FURTHER = {
    "gtn": ("taught", ("teach", "--networks", "5")),
    "kip": ("ridge", ("ridge", "--random", "3")),
    "gmmn": ("recognized", ("sample", "--ipc", "100", "--seed", "1", "--check", "10")),
    "dc-vae": ("recognized", ("sample", "--ipc", "100", "--seed", "1", "--check", "10")),
    "biggan": ("recognized", ("sample", "--ipc", "100", "--seed", "1", "--check", "10")),
}


def work_on(experiment: Experiment, seconds: float | None) -> bool:
    """Continue ``experiment`` for at most ``seconds``, and return True if it is finished; its result is written then.

    At the end of the time the command is interrupted as by Ctrl-C, so that the next call continues. Exit if the command fails.
    """
    began, before = time.monotonic(), cpu_seconds_of_children() / 60
    arguments = list(experiment.arguments)
    if experiment.command == "run" and (experiment.folder / SETTINGS).exists():
        arguments.append("--resume")
    print(f"{experiment.name}: condense {' '.join(arguments)}", flush=True)
    spent = experiment.folder.parent / f"{experiment.folder.name}.json"  # minutes of earlier calls
    minutes = read_json(spent) if spent.exists() else {"wall": 0.0, "cpu": 0.0}
    try:
        finished = condense(arguments, seconds)
    finally:  # an interrupted or failed call counts, too
        minutes["wall"] += (time.monotonic() - began) / 60
        minutes["cpu"] += cpu_seconds_of_children() / 60 - before
        write_json(spent, minutes)
    if not finished:
        return False
    content = of_run(experiment) if experiment.command == "run" else of_study(experiment)
    write_json(experiment.result, {**content, "made_by": made_by(experiment, minutes)})
    return True


def condense(arguments: list[str], seconds: float | None = None) -> bool:
    """Run the command ``condense``; return False if it was interrupted after ``seconds``. Exit if it fails."""
    process = subprocess.Popen([sys.executable, "-m", "condensation", *arguments], cwd=ROOT)
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
        return False
    if status:
        sys.exit(f"condense {' '.join(arguments)} ended with exit status {status}.")
    return True


def of_study(experiment: Experiment) -> dict[str, Any]:
    """Return the JSON report of a study. Exit if results are missing."""
    report = STUDIES[experiment.command].read(experiment.folder)
    if report.missing:
        sys.exit(f"{experiment.name}: {report.missing} missing. {experiment.folder} tells why.")
    return report.json


def of_run(experiment: Experiment) -> dict[str, Any]:
    """Return settings, accuracies, learning curve and seconds of a run, and what else is measured on its set."""
    folder = experiment.folder
    settings = read_json(folder / SETTINGS)["settings"]
    scores = Scores.read(folder / SCORES).to_json()
    log = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()] if (folder / LOG).exists() else []
    content = {"settings": settings, "sets": scores["sets"], "seconds": log[-1]["seconds"] if log else None}
    if (folder / CURVE).exists():
        curve, seconds = Scores.read(folder / CURVE), {line["step"]: line["seconds"] for line in log}
        means = dict(curve_points(curve))
        content["curve"] = {"means": means, "seconds": {step: seconds[step] for step in means if step in seconds}}
    if settings["method"]["name"] in FURTHER:
        part, (command, *options) = FURTHER[settings["method"]["name"]]
        content[part] = printed([command, str(folder), *options, "--json"])
    return content


def printed(arguments: list[str]) -> Any:
    """Return the JSON that a command prints. Exit if it fails."""
    done = subprocess.run([sys.executable, "-m", "condensation", *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f"condense {' '.join(arguments)} ended with exit status {done.returncode}.")
    return json.loads(done.stdout)


def made_by(experiment: Experiment, minutes: dict[str, float]) -> dict[str, Any]:
    """Return command, commit, day, minutes, machine and versions of a result."""
    return {
        "command": "condense " + " ".join(experiment.arguments),
        "date": date.today().isoformat(),
        "minutes": round(minutes["wall"], 1),
        "cpu_minutes": round(minutes["cpu"], 1),
        **facts(),
    }
