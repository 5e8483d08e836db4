"""Kinds of files that the program reads, and the commands that read them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.campaigns import recipes

RESUMED = [*recipes.run("dm", "out"), "--resume"]
EXPORTED = ["export", "out", "--to", "npz", "-o", "made", "-q"]
SAMPLED = ["sample", "out", "-i", "1", "-o", "made"]
POOLED = "method.networks=pool method.networks.path=out/pool method.networks.spec.width=8 method.steps=1 evaluation.networks=0".split()
POOL = ["run", "-d", "digits", "-i", "1", "-m", "dm", "-o", "made", "-q", "method.batch_per_class=4", *POOLED, *recipes.CPU]


@dataclass(frozen=True)
class Kind:
    """Files of one kind in a folder of the corpus."""

    source: str  # in the corpus
    files: str  # pattern of the files to change
    command: list[str]
    output: str = ""  # whose content must equal that of the undamaged file; empty: the kind has no digest
    environment: dict[str, str] = field(default_factory=dict)


def _read(source: str, files: str, data: str, *more: str) -> Kind:
    return Kind(source, files, recipes.read(data, "made", *more))


def _printed(name: str) -> Kind:
    return Kind(f"study-{name}", "out/**/*.json", [name, "out"])


KINDS: dict[str, Kind] = {
    "set": Kind("run-dm", "out/set.safetensors", EXPORTED, "made"),
    "set with labels": Kind("run-kip-labels", "out/set.safetensors", [*EXPORTED[:3], "torch", *EXPORTED[4:]]),
    "set of gtn": Kind("run-gtn", "out/set.safetensors", ["teach", "out", "--networks", "1", "--points", "1"]),
    "checkpoint": Kind("begun", "out/checkpoint.safetensors", RESUMED, "out/set.safetensors"),
    "settings": Kind("begun", "out/settings.json", RESUMED, "out/set.safetensors"),
    "log": Kind("begun", "out/log.jsonl", RESUMED, "out/set.safetensors"),
    "scores": Kind("run-dm", "out/scores.json", RESUMED, "out/set.safetensors"),
    "generator": Kind("run-gmmn", "out/generator.safetensors", SAMPLED, "made"),
    "table": _printed("table"),
    "continual": _printed("continual"),
    "transfer": _printed("transfer"),
    "nas": _printed("nas"),
    "pools": _printed("pools"),
    "theory": _printed("theory"),
    "table again": Kind("study-table", "out/**/*.json", [*recipes.STUDIES["table"], "-o", "out"]),
    "pool": Kind("study-pools", "out/pool/**/*.*", POOL),
    "hub folder": Kind("output-export-hub", "made/set.safetensors", ["show", "made", "-o", "made.png"]),
    "official": Kind("official", "*.pt", recipes.OUTPUTS["import"][1]),
    "toml": Kind("toml", "mine.toml", ["run", "-c", "mine.toml", "--print-config"]),
    "cache": Kind("cached", "cache/images/*/*.*", recipes.read("pets", "made"), "made/set.safetensors", {"CONDENSATION_CACHE": "cache"}),
    "npz": _read("npz", "train.npz", "."),
    "npz file": _read("one-npz", "mine.npz", "mine.npz"),
    "idx": _read("idx", "mnist/train*", "mnist"),
    "idx.gz": _read("idx-gz", "mnist/*.gz", "mnist"),
    "cifar10": _read("cifar10", "*/*batch*", "cifar-10-batches-py"),
    "cifar10 tar.gz": _read("cifar10-tar", "*.gz", "cifar-10-python.tar.gz"),
    "cifar10 tar": _read("cifar10-plain-tar", "*.tar", "cifar-10-python.tar"),
    "cifar10 binary": _read("cifar10-binary-tar", "*.gz", "cifar-10-binary.tar.gz"),
    "cifar100": _read("cifar100", "*/*", "cifar-100-python"),
    "cifar100 binary": _read("cifar100-binary", "*/*", "cifar-100-binary"),
    "svhn": _read("svhn", "*.mat", "."),
    "tiny imagenet": _read("tiny", "*/**/*.*", "tiny-imagenet-200"),
    "tiny imagenet zip": _read("tiny-zip", "*.zip", "tiny-imagenet-200.zip"),
    "csv": _read("csv", "table.csv", "table.csv"),
    "csv images": _read("csv", "*.png", "table.csv", "--skip-bad"),
    "images": _read("images", "pets/*/*.*", "pets"),
    "parquet": _read("parquet", "*.parquet", "mine.parquet"),
    "saved dataset": _read("saved", "set/*.*", "set"),
}

READERS: list[Callable[[str], list[str]]] = [  # of a set by its path
    lambda path: ["show", path, "-o", "shown.png"],
    lambda path: ["show", path, "-o", "shown.png", "--json"],
    lambda path: ["report", path, "-o", "shown.html"],
    *(lambda path, to=to: ["export", path, "--to", to, "-o", "made"] for to in recipes.EXPORTS),  # type: ignore[misc]
    lambda path: [
        "export",
        path,
        "--to",
        "png",
        "-o",
        "made",
        "--evaluate",
        "evaluation.networks=1",
        "evaluation.recipe.epochs=1",
        *recipes.CPU,
    ],
    lambda path: ["evaluate", path, *recipes.EVALUATION, *recipes.CPU],
    lambda path: ["evaluate", path, "--random", "1", "-d", "digits", *recipes.EVALUATION, *recipes.CPU],
    lambda path: ["ridge", path],
    lambda path: ["teach", path, "--networks", "1", "--points", "1"],
]
