"""Measured accuracies beside the published ones, from the files in results/."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.core.storage import read_json
from condensation.methods.base import Method
from condensation.runs.settings import RunSettings
from condensation.studies.published_numbers import Number, columns, published, published_transfer
from condensation.studies.table.cells import differences
from condensation.studies.table.study import TableRow, TableSettings, published_run
from experiments.benchmark_tables import condensing_seconds
from experiments.plan import ROOT

RESULTS = ROOT / "results"
TAUGHT = "taught by its lessons"
RIDGE = "kernel ridge regression"


@dataclass(frozen=True)
class Measured:
    """One measured accuracy in percent, and what a paper reports."""

    method: str  # name in `METHODS`
    data: str
    ipc: int
    variant: str  # what distinguishes it from other rows of the method
    score: Mapping[str, Any]  # mean, deviation, count
    source: str  # file in results/
    about: Mapping[str, Any]  # command, commit, date, minutes and machine of the file
    question: str = "accuracy"  # accuracy, transfer, continual or pools: rows of different questions are never compared
    published: Number | None = None
    column: str = ""  # name of the published number, unique with question, data and ipc
    differences: tuple[str, ...] = ()  # settings that differ from those of the published number
    alike: bool = True  # False if the published number is of another kind of set or evaluation, which the note in `differences` tells
    steps: int = 0  # of condensing, as far as the result tells
    seconds: float | None = None  # of condensing
    curve: Mapping[int, float] = field(default_factory=dict)  # accuracy after steps

    @property
    def apart(self) -> float | None:
        """Difference from the published mean; None if there is nothing to compare."""
        return self.score["mean"] - self.published.mean if self.published else None


def measured() -> list[Measured]:
    """Return all measured accuracies, sorted by data set and images per class."""
    rows = [*_tables(), *_presets(), *_runs(), *_transfer(), *_continual(), *_pools()]
    return sorted(rows, key=lambda row: (row.question, row.data, row.ipc, row.method, row.variant, row.source))


def _files(pattern: str) -> Iterator[tuple[str, Any]]:
    for path in sorted(RESULTS.glob(pattern)):
        yield path.relative_to(RESULTS).as_posix(), read_json(path)


def _tables() -> Iterator[Measured]:
    """Yield the cells of the tables of the papers."""
    for source, content in _files("table/*.json"):
        methods = {row["label"]: row["method"] for row in content["settings"]["rows"]}
        for cell in content["cells"]:
            if cell["method"] not in methods or not cell.get("count"):
                continue
            name, number = methods[cell["method"]]["name"], cell["published"]
            known = Number(**number) if number else None
            data, ipc = content["data"]["name"], cell["ipc"]
            column = next((key for key, value in published(data, ipc).items() if known and value == known and _of(key, name)), "")
            yield Measured(
                *(name, data, ipc, cell["method"], cell, source, content["made_by"], "accuracy", known, column),
                differences=tuple(cell["differences"]),
                steps=methods[cell["method"]].get("steps", 0),
                alike=not (column and columns()[column].unlike),
            )


def _of(column: str, method: str) -> bool:
    return columns()[column].method["name"] == method


def _presets() -> Iterator[Measured]:
    """Yield the accuracies of the presets."""
    for source, content in _files("benchmarks/accuracy-*.json"):
        evaluation = {
            **content["settings"]["evaluation"],
            "recipe": content["evaluation"]["recipe"],
            "networks": content["accuracy"]["count"],
        }
        settings, cutmix = {**content["settings"], "evaluation": evaluation}, evaluation["recipe"].get("cutmix", 0) > 0
        about = {**content["made_by"], "minutes": round(condensing_seconds(content) / 60, 1)}
        variant = f"preset {content['preset']}" + (", trained with CutMix" if cutmix else "")
        plain = not cutmix and not settings["method"].get("form") and settings["method"]["name"] in METHODS_OF_COLUMNS
        yield _row_of(settings, content["accuracy"], variant, source, about, condensing_seconds(content), compared=plain)
        for name, score in content.get("baselines", {}).items():
            other = {**settings, "method": {"name": name, "form": settings["method"].get("form")}}
            shared = "CutMix" if cutmix else "DSA"
            yield _row_of(other, score, f"{name}, {shared}", source, about, None, compared=False)


def _runs() -> Iterator[Measured]:
    """Yield the sets of single runs, as each was evaluated."""
    for source, content in _files("run/*.json"):
        settings, about = content["settings"], content["made_by"]
        curve = {int(step): mean for step, mean in content.get("curve", {}).get("means", {}).items()}
        for number, (label, score) in enumerate(content["sets"].items()):
            first = number == 0
            name = settings["method"]["name"] if first else label.partition(",")[0].partition(" ")[0]
            method = settings["method"] if name == settings["method"]["name"] else {"name": name}
            steps = f"{method['steps']:,} steps" if method.get("steps") else ""
            learner = score.get("network", {}).get("name", "convnet")
            recipe = score.get("recipe") or settings["evaluation"]["recipe"]
            augmented = "DSA" if recipe.get("augmentation") is not None else "no augmentation"
            parts = [steps, *label.split(", ")[1:], learner, augmented]
            run = {**settings, "method": method, "evaluation": {**settings["evaluation"], "recipe": recipe, "networks": score["count"]}}
            usual = ("convnet", "augmented", "DSA" if name == method["name"] and steps else "")
            variant = ", ".join(part for part in dict.fromkeys(parts) if part and part not in usual)
            seconds = content["seconds"] if first else None
            plain = learner == "convnet" and name in METHODS_OF_COLUMNS and name not in ("kip", "gtn")
            yield _row_of(run, score, variant, source, about, seconds, compared=plain, curve=curve if first else {})
        for key, learner in (("taught", TAUGHT), ("ridge", RIDGE)):
            if key in content:
                score = content[key].get("set", content[key])
                yield _row_of(settings, score, learner, source, about, content["seconds"], compared=False)


def _row_of(
    settings: Mapping[str, Any],
    score: Mapping[str, Any],
    variant: str,
    source: str,
    about: Mapping[str, Any],
    seconds: float | None,
    *,
    compared: bool,
    curve: Mapping[int, float] | None = None,
) -> Measured:
    """Return the row of one set, beside the published number if it is ``compared``."""
    name, data, ipc = settings["method"]["name"], settings["data"]["source"], settings["ipc"]
    column, number = "", None
    differing: tuple[str, ...] = ()
    if compared:
        run = from_dict(RunSettings, {key: value for key, value in settings.items() if key != "compute"})
        column = column_of(run, data, ipc)
        number = published(data, ipc).get(column) if column else None
    if number:
        differing = differences(run, published_run(TableSettings((TableRow("", name),), data=data, ipc=(ipc,)), column, ipc))
        differing = ("seeds 1 (published: 5)", *differing)
    return Measured(
        *(name, data, ipc, variant, score, source, about, "accuracy", number, column),
        differences=differing,
        steps=settings["method"].get("steps") or 0,
        seconds=seconds,
        curve=curve or {},
    )


def column_of(run: RunSettings, data: str, ipc: int) -> str:
    """Return the published column of the same method, settings and augmentation; empty if there is none."""
    method, augmented = to_dict(run.method), run.evaluation.recipe.augmentation is not None
    for name, column in columns().items():
        known = to_dict(from_dict(Method, dict(column.method)))  # type: ignore[type-abstract]
        if column.method["name"] == method["name"] and column.augmented == augmented:
            if all(method.get(key) == known[key] for key in column.method) and name in published(data, ipc):
                return name
    return ""


METHODS_OF_COLUMNS = {column.method["name"] for column in columns().values()}


def _transfer() -> Iterator[Measured]:
    """Yield the cells of transfer matrices."""
    for source, content in _files("transfer/*.json"):
        settings = content["settings"]
        method = settings["method"] if isinstance(settings["method"], str) else settings["method"].get("name", "dm")
        for cell in content["cells"]:
            if cell.get("count"):
                name = "random" if cell["learned"] == "random" else method
                column = f"{name}: {cell['learned']} to {cell['tested']}"
                number = published_transfer(content["data"]["name"], settings["ipc"], name, cell["learned"]).get(cell["tested"])
                variant = f"learned on {cell['learned']}, tested on {cell['tested']}"
                about = content["made_by"]
                yield Measured(name, content["data"]["name"], settings["ipc"], variant, cell, source, about, "transfer", number, column)


def _continual() -> Iterator[Measured]:
    """Yield the accuracies after the last step of continual learning."""
    for source, content in _files("continual/*.json"):
        settings, data = content["settings"], content["data"]
        if isinstance(data, list):
            continue  # a sequence of data sets, for which nothing is published
        for label, points in content["curves"].items():
            last = points[-1] if points else {}
            if last.get("count"):
                known = content["published"].get(label)
                yield Measured(
                    *(label, data["name"], settings["ipc"], f"{settings['steps']} steps of classes", last, source, content["made_by"]),
                    *("continual", Number(**known) if known else None, f"{label}, {settings['steps']} steps"),
                    differences=tuple(content["differences"].get(label, ())),
                )


def _pools() -> Iterator[Measured]:
    """Yield the sets condensed with networks of each accuracy."""
    for source, content in _files("pools/*.json"):
        for cell in content["cells"]:
            if cell.get("count"):
                known = cell["published"]
                networks = "new" if cell["bucket"] == "random" else cell["bucket"]
                yield Measured(
                    *("dm", content["data"]["name"], cell["ipc"], f"networks: {networks}", cell, source, content["made_by"], "pools"),
                    *(Number(**known) if known else None, f"networks {cell['bucket']}"),
                )


def machine(about: Mapping[str, Any]) -> str:
    """Return the device that a file of results names."""
    facts = about.get("machine") or about
    gpu = facts.get("gpu", "none")
    threads = facts.get("threads", 1)
    return str(gpu) if gpu not in ("none", None) else f"{threads} CPU thread{'s' if threads != 1 else ''}"


def number(score: Mapping[str, Any]) -> str:
    """Return mean and deviation in percent; one network has no deviation."""
    return f"{score['mean']:.1f}" + ("" if score["deviation"] is None or score.get("count") == 1 else f" ± {score['deviation']:.1f}")


def counted_number(score: Mapping[str, Any]) -> str:
    """Return `number`, and in parentheses how many networks it is of."""
    return f"{number(score)} ({score['count']})"
