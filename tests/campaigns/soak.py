"""Long sequences of valid commands in one folder: each gives what it gives in an empty folder, and leaves nothing behind."""

import shutil
from dataclasses import dataclass
from typing import Any

from tests.campaigns import recipes
from tests.campaigns.corpus import made
from tests.campaigns.trial import Fault, Trial, listing, results, same

METHODS = ("dm", "gmmn", "kip", "herding", "random", "dc", "pixel-mmd", "gtn")
STUDIES = ("table", "theory", "transfer", "continual")
COMMANDS = 12  # of a sequence
MEMORY = 2000  # MiB


@dataclass(frozen=True)
class Step:
    """A command, what it writes, and the folder of the corpus that holds the expected result."""

    arguments: list[str]
    writes: str = ""
    expected: str = ""


def trial(trial: Trial) -> None:
    """Run a sequence of commands that make and use each other's results."""
    trial.part = "sequences"
    present: dict[str, str] = {}  # output: its folder of the corpus
    for number in range(COMMANDS):
        step = chosen(trial, present, number)
        trial.doing = f"command {number}: {' '.join(step.arguments)[:90]}"
        before = listing(trial.folder)
        result = trial.run(step.arguments)
        if result.code and "soft labels" not in result.err:  # some formats store one class per image
            raise Fault(f"refused: {result.err}")
        if result.memory > MEMORY:
            raise Fault(f"{result.memory} MiB of memory")
        changed = {name for name, digest in listing(trial.folder).items() if before.get(name) != digest}
        outside = sorted(name for name in changed if not step.writes or not name.startswith(step.writes))
        if outside:
            raise Fault(f"changed {outside[:3]}")
        if step.expected:
            present[step.writes] = step.expected
            compare(trial, step)


def compare(trial: Trial, step: Step) -> None:
    expected = results(made(trial.corpus, step.expected) / "out")
    same(plain(results(trial.folder / step.writes), step.writes), plain(expected, "out"), "compared with the first command of a folder")


def plain(value: Any, name: str) -> Any:
    """Return results with the name of the output made neutral."""
    if isinstance(value, dict):
        return {key: plain(item, name) for key, item in value.items() if not str(key).endswith((".png", ".md"))}
    if isinstance(value, list):
        return [plain(item, name) for item in value]
    return value.replace(f"{name}/", "PLACE/") if isinstance(value, str) else value


def chosen(trial: Trial, present: dict[str, str], number: int) -> Step:
    """Return a random command that is valid now."""
    runs = sorted(out for out, source in present.items() if source.startswith("run-"))
    studies = sorted(out for out, source in present.items() if source.startswith("study-"))
    ways = ["run", "run", "study"] + ["resume", "show", "export", "evaluate"] * bool(runs) + ["print", "again"] * bool(studies)
    way = trial.rng.choice(ways if number else ["run"])
    if way == "run":
        method = trial.rng.choice(METHODS)
        out = f"{method}-{number}"
        return Step(recipes.run(method, out), out, f"run-{method}")
    if way in ("study", "print", "again"):
        study = trial.rng.choice(STUDIES) if way == "study" else trial.rng.choice(studies).split("-")[0]
        out = f"{study}-{number}" if way == "study" else next(name for name in studies if name.startswith(f"{study}-"))
        if way == "print":
            return Step([study, out])
        return Step([*recipes.STUDIES[study], "-o", out], out, f"study-{study}")
    out = trial.rng.choice(runs)
    if way == "resume":
        method = present[out].removeprefix("run-")
        return Step([*recipes.run(method, out), "--resume"], out, present[out])
    if way == "show":
        shutil.rmtree(trial.folder / "picture", ignore_errors=True)
        return Step(["show", out, "-o", "picture/made.png"], "picture")
    if way == "export":
        return Step(["export", out, "--to", trial.rng.choice(recipes.EXPORTS), "-o", f"export-{number}"], f"export-{number}")
    return Step(["evaluate", out, *recipes.EVALUATION, *recipes.CPU])
