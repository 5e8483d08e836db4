"""Measured accuracies of each method, from the files in results/."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condensation.core.storage import read_json
from condensation.studies.published_numbers import UNVERIFIED, published

RESULTS = Path(__file__).resolve().parents[2] / "results"
JUDGED = {"kernel ridge": "kernel ridge regression", "wide": "wide network", "convnet": "ConvNet"}
TAUGHT = {"taught": "learned schedule", "judged by convnet": "ConvNet", "judged by convnet-wn": "ConvNet with weight norm"}


@dataclass(frozen=True)
class Measured:
    """One measured accuracy in percent, and what the paper reports."""

    method: str  # name in `METHODS`
    data: str
    ipc: int
    variant: str  # what distinguishes it from other rows of the method
    score: Mapping[str, Any]  # mean, deviation, count
    source: str  # file in results/
    published: str = ""
    seconds: float | None = None
    machine: str = ""
    differences: tuple[str, ...] = ()  # settings that differ from those of the paper


def measured() -> list[Measured]:
    """Return all measured accuracies, sorted by data set and images per class."""
    rows = [*_tables(), *_presets(), *_dm(), *_kip(), *_gtn()]
    return sorted(rows, key=lambda row: (row.data, row.ipc, row.variant, row.source))


def _files(pattern: str) -> Iterator[tuple[str, Any]]:
    for path in sorted(RESULTS.glob(pattern)):
        yield path.relative_to(RESULTS).as_posix(), read_json(path)


def _tables() -> Iterator[Measured]:
    """Yield the cells of the tables of the papers."""
    for source, content in _files("tables/*/table.json"):
        names = {row["label"]: row["method"]["name"] for row in content["settings"]["rows"]}
        for cell in content["cells"]:
            if cell["method"] in names and cell.get("count"):
                known = cell["published"]
                text = "" if known is None else number(known) + ("?" if known["source"] == UNVERIFIED else "")
                yield Measured(
                    *(names[cell["method"]], content["data"]["name"], cell["ipc"], cell["method"], cell, source, text),
                    differences=tuple(cell["differences"]),
                )


def _presets() -> Iterator[Measured]:
    """Yield the accuracies of the presets."""
    for source, content in _files("benchmarks/accuracy-*.json"):
        settings = content["settings"]
        name, data, ipc = settings["method"]["name"], settings["data"]["source"], settings["ipc"]
        cutmix = content["evaluation"]["recipe"].get("cutmix", 0) > 0
        known = None if cutmix else published(data, ipc).get("dm")  # the paper trains without CutMix
        variant = f"preset {content['preset']}" + (", trained with CutMix" if cutmix else "")
        seconds, made = content["condensing_seconds"], machine(content["made_by"])
        yield Measured(name, data, ipc, variant, content["accuracy"], source, str(known or ""), seconds, made)


def _dm() -> Iterator[Measured]:
    """Yield the short runs of DM."""
    for source, content in _files("dm/*.json"):
        job, settings = content["job"], content["job"]["settings"]["method"]
        if "dm" in content:
            variant = f"{settings['steps']:,} steps of {settings['batch_per_class']} real images"
            known = published(job["data"], job["ipc"]).get("dm")
            made = machine(content["made_by"]["machine"])
            yield Measured(
                "dm", job["data"], job["ipc"], variant, content["dm"], source, str(known or ""), content["condensing"]["seconds"], made
            )


def _kip() -> Iterator[Measured]:
    """Yield the sets of KIP, each as it was evaluated."""
    for source, content in _files("kip/*.json"):
        settings = content.get("settings", {}).get("settings", {})
        if settings.get("method", {}).get("name") != "kip":
            continue
        method, data = settings["method"], settings["data"]
        whitened = ", whitened" if data["preprocessing"] == "zca" else ""
        for key, learner in JUDGED.items():
            if key in content:
                variant = f"kernel {method['kernel']['name']}, {method['labels']} labels{whitened}: {learner}"
                seconds, made = content["condensing"]["seconds"], machine(content["made_by"]["machine"])
                yield Measured("kip", data["source"], settings["ipc"], variant, content[key], source, "", seconds, made)


def _gtn() -> Iterator[Measured]:
    """Yield the lessons of GTN, each as they were evaluated."""
    for source, content in _files("gtn/*.json"):
        settings = content["job"]["settings"]
        for key, learner in TAUGHT.items():
            if key in content and settings["method"]["name"] == "gtn":
                seconds, made = content["condensing"]["seconds"], machine(content["made_by"]["machine"])
                variant = f"{settings['method']['steps']:,} steps: {learner}"
                yield Measured("gtn", settings["data"]["source"], settings["ipc"], variant, content[key], source, "", seconds, made)


def machine(about: Mapping[str, Any]) -> str:
    """Return the device that a file of results names."""
    gpu = about.get("gpu", "none")
    threads = about.get("threads", 1)
    return str(gpu) if gpu not in ("none", None) else f"{threads} CPU thread{'s' if threads != 1 else ''}"


def number(score: Mapping[str, Any]) -> str:
    """Return mean and deviation in percent."""
    return f"{score['mean']:.1f}" + ("" if score["deviation"] is None else f" ± {score['deviation']:.1f}")
