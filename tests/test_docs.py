"""The documents: their commands and Python run in order, links lead somewhere, tables agree with the results, pages stay short.

Every page is executed in one temporary folder, from top to bottom: its commands in-process by ``condense``, its Python blocks in one
namespace. Order, default folders and file names are those of the page. Only sizes change, by the rules of `small`:

- ``fashion-mini`` becomes ``fashion-mnist``, in paths as well. Named data sets are the small ones of `DATA_SETS`.
- Numbers are capped by `LARGEST`, in paths like ``ipc10`` as well. ``--learn`` and ``--test`` keep two networks.
- A bucket of a pool becomes ``all``, since a small pool fills few.
- Settings of `METHODS`, `EVALUATION` and `STUDIES` are added to commands that lack them.
"""

import contextlib
import doctest
import importlib
import importlib.util
import pkgutil
import re
import shlex
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import condensation
from condensation.cli.commands.run import default_folder
from condensation.runs.presets import settings_from
from tests.artifacts.test_official_format import official
from tests.data.pictures import write_classes
from tests.test_architecture import LAYERS

ROOT = Path(__file__).parent.parent
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [*GUIDES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs" / "notes").glob("*.md"))]
MODULES = [module.name for module in pkgutil.walk_packages(condensation.__path__, "condensation.") if not module.name.endswith("__main__")]
LINES = {"README.md": 100, "speed.md": 100}
LISTS = {"results.md"}  # generated
SCREENS, COLUMNS, SENTENCES = 110, 140, 4  # lines of a guide, columns of a line, sentences of a paragraph

# Commands that are not run, and why.
NOT_RUN = {"condense data get": "it downloads"}
# Pages that the quick tests run; the others take longer.
QUICK = ("README.md", "docs/first-steps.md", "docs/own-images.md", "docs/importing.md", "docs/using-a-set.md", "docs/reproducibility.md")
# Packages that a page needs beside those of the development tools; it is skipped where they are not installed.
NEEDS = {
    "docs/recipes-vision.md": ("torchvision", "timm"),
    "docs/recipes-trainers.md": ("lightning", "transformers", "accelerate"),
    "docs/recipes-trackers.md": ("tensorboard", "wandb", "mlflow", "sqlalchemy", "alembic"),
}

# Variables of trackers, so that a page sends nothing.
OFFLINE = {
    **{"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"},
    **{"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true"},
}
# Numbers of images, classes and channels of the data sets that stand in for those of the same name.
DATA_SETS = {
    "mnist": (12, 10, 1, 28),
    "fashion-mnist": (12, 10, 1, 28),
    "cifar10": (12, 10, 3, 32),
    "cifar100": (4, 20, 3, 32),
}


# Largest value of a number: of an option (--ipc 10), of a setting (method.steps=300) and of a Python argument (steps=300).
LARGEST = {
    "ipc": 2,
    **dict.fromkeys(["networks", "epochs", "whole-epochs", "whole_epochs", "trainings", "pool-epochs", "seeds", "orders", "check"], 1),
    **dict.fromkeys(["steps", "iterations", "sets", "mixtures", "passes"], 2),
    **dict.fromkeys(["pool", "subset", "pairs"], 3),
    **dict.fromkeys(["shadows", "canaries"], 4),
    **dict.fromkeys(["width", "critic_width", "latent"], 8),
    **dict.fromkeys(["batch", "samples", "queue", "batch_per_class"], 20),
    "averaging_from": 1,
}
SHORT = {"-i": "ipc", "-n": "networks"}
# Settings that are added to a command that does not have them.
EVALUATION = ["evaluation.networks=1", "evaluation.recipe.epochs=1", "evaluation.network.width=8"]
METHODS = {
    "dm": ["steps=1", "networks.spec.width=8"],
    "best-of": ["of.steps=1", "of.networks.spec.width=8", "sets=2", "mixtures=2", "recipe.epochs=1"],
    "dc": ["steps=1", "outer_loops=1", "inner_loops=1"],
    "dsa": ["steps=1", "outer_loops=1", "inner_loops=1"],
    "herding": ["recipe.epochs=1", "network.width=8"],
    "pixel-mmd": ["steps=2"],
    "gmmn": ["iterations=1"],
    "dc-vae": ["steps=1", "width=8", "critic_width=8", "batch=4", "samples=4", "queue=8"],
    "biggan": ["steps=1", "width=8", "batch=4"],
    "kip": ["steps=1", "batch=20"],
    "gtn": ["steps=1", "real_batch=10"],
}
STUDIES = {
    "table": ["--networks=1", "--epochs=1", "--seeds=1", "--ipc=1,2"],
    "transfer": ["--networks=1", "--epochs=1", "method.steps=1"],
    "theory": ["--networks=1", "pairs=3", "ipc=2", "batch_per_class=4", "epochs=0,1"],
    "continual": ["--networks=1", "--epochs=1", "--orders=1", "--ipc=2", "evaluation.network.width=8"],
    "pools": ["--networks=1", "--epochs=1", "--pool=2", "--pool-epochs=1", "--ipc=2", "method.steps=1", "network.width=8"],
    "privacy": ["shadows=4", "images=100", "canaries=4", "ipc=2", "steps=1", "spec.width=8", "recipe.epochs=1", "privacy.networks=1"],
    "nas": ["--trainings=1", "--epochs=1", "--whole-epochs=1", "--ipc=2", "--on=processes:1", "--subset=3"],
}
PROXIES = {"table": "random,dm", "continual": "random,herding,dm", "nas": "random,herding,dsa,dm"}  # methods of a study by default
SUPPLEMENT = "random,gmmn,dc-vae,biggan,pixel-mmd,dm,kip,gtn"


def words_of(line: str) -> list[str]:
    """Return the words of a command after ``condense``, with the data set that stands in for fashion-mini, in paths as well."""
    return shlex.split(line.split("  #")[0].partition(" > ")[0].replace("fashion-mini", "fashion-mnist"))[1:]


def small(words: list[str]) -> list[str]:
    """Return a command with its numbers capped by `LARGEST`, and with the settings that it lacks to be small."""
    words = [capped(before, word) for before, word in zip(["", *words], words, strict=False)]
    if words[0] == "continual" and "--steps" in words:
        words[words.index("--steps") + 1] = "5"  # steps of classes, not of a method
    return words + [word for word in added(words) if word.partition("=")[0] not in {given.partition("=")[0] for given in words}]


def capped(before: str, word: str) -> str:
    """Return ``word``, which follows the word ``before``, with its numbers capped."""
    option = SHORT.get(before, before.removeprefix("--"))
    if option in ("learn", "test"):
        return ",".join(word.split(",")[:2])
    name, equals, value = word.partition("=")
    if name.endswith(".bucket"):
        return f"{name}=all"
    if option in LARGEST:
        return smaller(word, LARGEST[option])
    if equals and name.rsplit(".", 1)[-1] in LARGEST:
        return f"{name}={smaller(value, LARGEST[name.rsplit('.', 1)[-1]])}"
    return re.sub(r"ipc(\d+)", lambda match: f"ipc{min(int(match[1]), LARGEST['ipc'])}", word)


def smaller(text: str, largest: int) -> str:
    """Return a number, or a list of them, capped; equal ones become one."""
    if not re.fullmatch(r"\[?[\d, ]+\]?", text):
        return text
    numbers = ",".join(dict.fromkeys(str(min(int(number), largest)) for number in re.findall(r"\d+", text)))
    return f"[{numbers}]" if text.startswith("[") else numbers


def added(words: list[str]) -> list[str]:
    """Return what makes a command small, beyond its own numbers."""
    command = words[0]
    if "--print-config" in words or (command in STUDIES and words[1:2] and not words[1].startswith(("-", "runs/"))):
        return []
    evaluation = [word for word in EVALUATION if "network." not in word or not has(words, "--network", "evaluation.network")]
    if command == "run":
        name = "best-of" if "method=best-of" in words else after(words, "--method", "-m") or "dm"
        spec = not has(words, "--network", "method.networks")
        settings = [f"method.{word}" for word in METHODS.get(name, []) if spec or "spec" not in word]
        settings += ["method.autoencoder.steps=1"] if "method.autoencoder=sigmoid" in words else []
        return [*([] if "--config" in words else settings), *evaluation]
    if command == "evaluate" or "--evaluate" in words:
        return evaluation
    settings = list(STUDIES.get(command, []))
    if command == "nas" and not has(words, "--space", "space.width"):
        settings.append("space.width=[8]")
    if command in PROXIES and "--config" not in words:
        chosen = after(words, "--methods", "--proxies") or (SUPPLEMENT if any("supplement" in word for word in words) else PROXIES[command])
        settings += [f"{name}.{setting}" for name in chosen.split(",") for setting in METHODS.get(name, [])]
    return settings


def after(words: list[str], *options: str) -> str | None:
    """Return the value of the first of ``options`` that is given."""
    return next((value for word, value in pairwise(words) if word in options), None)


def has(words: list[str], option: str, setting: str) -> bool:
    """Return whether the option is given, or the setting or one below it."""
    return option in words or any(word.startswith((f"{setting}=", f"{setting}.")) for word in words)


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """Return language and text of the code blocks of a page, in order."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [(language, text) for language, text in found if language in languages]


def small_python(text: str) -> str:
    """Return a Python block with its data set replaced and its numbers capped."""
    text = re.sub(r"DM\.fast\(.*?\)", "DM(steps=1)", text.replace("fashion-mini", "fashion-mnist"))
    text = re.sub(r"(?<![.\w])evaluate\(((?:[^()]|\([^()]*\))*)\)", lambda call: f"evaluate({with_small_evaluation(call[1])})", text)
    largest = {name: value for name, value in LARGEST.items() if name not in ("ipc", "batch", "width", "passes")}
    largest["epochs"] = 4  # a pool needs networks that have learned something
    return re.sub(rf"\b({'|'.join(largest)})=(\d+)", lambda match: f"{match[1]}={min(int(match[2]), largest[match[1]])}", text)


def small_toml(text: str) -> str:
    """Return a file of settings with few images per class and one step of each method."""
    text = re.sub(r'method = "(\w+)"', r'method = {name = "\1"}', text.replace("[1, 10]", "[1, 2]"))
    return re.sub(r'(method = \{name = "\w+")', r"\1, steps = 1", text)


def with_small_evaluation(arguments: str) -> str:
    """Return the arguments of a call of ``evaluate`` with one network and one epoch where it names neither."""
    added = {"networks": "1", "recipe": "small_recipe"}
    return ", ".join([arguments, *(f"{name}={value}" for name, value in added.items() if f"{name}=" not in arguments)])


def write_data(folder: Path) -> None:
    """Write small data sets with the names of the large ones, as npz files."""
    for name, (count, classes, channels, side) in DATA_SETS.items():
        names = condensation.DATASETS[name].class_names if hasattr(condensation.DATASETS[name], "class_names") else None
        for part, size in (("train", count), ("test", 2)):
            labels = np.tile(np.arange(classes), size)
            rng = np.random.default_rng(len(name) + size)
            images = rng.integers(0, 256, (len(labels), side, side, channels), dtype=np.uint8)
            (folder / name).mkdir(parents=True, exist_ok=True)
            extra = {"class_names": np.array(names)} if names else {}
            np.savez(folder / name / f"{part}.npz", images=images.squeeze(-1) if channels == 1 else images, labels=labels, **extra)


def write_files(page: Path) -> None:
    """Write what a reader of ``page`` has: the files that it shows, images, an official set, the examples, and a stand-in for timm."""
    for language, text in blocks(page, "python", "toml"):
        if name := re.match(r"# (\w+\.(?:py|toml))\n", text):
            Path(name[1]).write_text(small_python(text) if language == "python" else small_toml(text), encoding="utf-8")
    for folder in ("path/to/images", "path/to/flowers"):
        write_classes(Path(folder), ("daisy", "rose"), count=12, size=(20, 16))
    ((images, labels),) = official(Path("res_DM_CIFAR10_ConvNet_10ipc.pt"))
    for name, content in (("data", [images.sigmoid(), labels]), ("images_best", images), ("labels_best", labels)):
        torch.save(content, f"{name}.pt")
    Path("examples").symlink_to(ROOT / "examples")
    if importlib.util.find_spec("timm") is None:
        Path("timm.py").write_text(
            "from torch import nn\n\n\ndef resnet18(num_classes=10, in_chans=3, **others):\n"
            "    return nn.Sequential(nn.Conv2d(in_chans, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))\n"
        )


@contextlib.contextmanager
def modules_of(folder: Path) -> Iterator[None]:
    """Forget the modules that were imported from ``folder``, at the end."""
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


RUN = [page for page in PAGES if any("condense " in text or language == "python" for language, text in blocks(page, "bash", "python"))]


def page_parameters() -> list[object]:
    names = [page.relative_to(ROOT).as_posix() for page in RUN]
    others = pytest.mark.filterwarnings("ignore")  # warnings of other packages
    marks = {name: [*([] if name in QUICK else [pytest.mark.slow]), *([others] if name in NEEDS else [])] for name in names}
    return [pytest.param(page, id=name, marks=marks[name]) for page, name in zip(RUN, names, strict=True)]


@pytest.mark.parametrize("page", page_parameters())
def test_commands_and_python_of_a_page_run_in_order(page, tmp_path, monkeypatch, condense, caplog):
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)
    for package in NEEDS.get(page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else "", ()):
        pytest.importorskip(package, reason=f"{package}, which the page uses, is not installed", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    write_data(tmp_path / "data")
    monkeypatch.setenv("CONDENSATION_DATA", str(tmp_path / "data"))
    write_files(page)
    namespace: dict[str, object] = {"small_recipe": condensation.Recipe(epochs=1)}
    with modules_of(tmp_path), torch.random.fork_rng():
        for language, text in blocks(page, "bash", "python"):
            if language == "python":
                exec(compile(small_python(text), str(page), "exec"), namespace)
                continue
            for line in text.splitlines():
                if line.startswith("condense ") and not line.startswith(tuple(NOT_RUN)):
                    run_line(line, condense)
    assert "training images too" not in caplog.text


@pytest.mark.slow
def test_rehearsal_reaches_the_accuracy_that_its_page_states(capsys):
    page = ROOT / "docs" / "recipes-continual.md"
    texts = [text for _, text in blocks(page, "python")]
    last = next(number for number, text in enumerate(texts) if "all classes" in text)
    (stated,) = map(float, re.findall(r"all classes.*# (\d+) %", texts[last]))
    namespace: dict[str, object] = {}
    with torch.random.fork_rng():
        for text in texts[: last + 1]:
            exec(compile(text, str(page), "exec"), namespace)
    measured = float(re.findall(r"all classes: ([\d.]+) %", capsys.readouterr().out)[-1])
    assert stated > 85
    assert abs(measured - stated) < 4


def run_line(line, condense):
    """Run a line of a page, made small, in the folder that it would use as it is."""
    words = small(words_of(line))
    if words[0] == "run" and not {"--out", "-o", "--print-config"} & set(words):
        words += ["--out", str(folder_of(words_of(line), condense))]
    code, out, error = condense(*words)
    assert code == 0, f"{line}\nrun as: {shlex.join(words)}\n{error[-3000:]}"
    if " > " in line:
        Path(line.partition(" > ")[2].split()[0]).write_text(out, encoding="utf-8")


def folder_of(words, condense):
    """Return the default folder of a run whose ipc alone is capped."""
    words = [capped(before, word) if before in ("-i", "--ipc") else word for before, word in zip(["", *words], words, strict=False)]
    code, out, error = condense(*words, "--print-config")
    assert code == 0, error
    Path("complete.toml").write_text(out, encoding="utf-8")
    return default_folder(settings_from(file=Path("complete.toml"), trust=True))


def test_a_page_fails_if_its_second_command_meets_the_folder_of_the_first(tmp_path, monkeypatch, condense, caplog):
    page = tmp_path / "page.md"
    page.write_text("```bash\ncondense run -d digits -i 1 --out runs/a\ncondense run -d digits -i 1 method.lr=0.5 --out runs/a\n```\n")
    (tmp_path / "work").mkdir()
    with pytest.raises(AssertionError, match=r"method\.lr=0\.5"):
        test_commands_and_python_of_a_page_run_in_order(page, tmp_path / "work", monkeypatch, condense, caplog)


def test_a_page_fails_if_a_folder_is_not_the_default(tmp_path, monkeypatch, condense, caplog):
    page = tmp_path / "page.md"
    page.write_text("```bash\ncondense run -d digits -i 1 method.lr=0.5\ncondense show runs/digits-dm-ipc1-seed0\n```\n")
    (tmp_path / "work").mkdir()
    with pytest.raises(AssertionError, match="condense show"):
        test_commands_and_python_of_a_page_run_in_order(page, tmp_path / "work", monkeypatch, condense, caplog)


def test_a_command_is_made_small():
    words = small(words_of("condense run -d fashion-mini -i 10 method.steps=300 --out runs/fashion-mini-dm-ipc10-seed0   # comment"))
    assert words[:8] == ["run", "-d", "fashion-mnist", "-i", "2", "method.steps=2", "--out", "runs/fashion-mnist-dm-ipc2-seed0"]
    assert words[8:] == ["method.networks.spec.width=8", *EVALUATION]


def test_docstring_examples():
    """Run each with nothing imported, as a reader who copies it would."""
    modules = [importlib.import_module(name) for name in ["condensation", *MODULES]]
    tests = [test for module in modules for test in doctest.DocTestFinder(exclude_empty=True).find(module, globs={}) if test.examples]
    assert not [test.name for test in tests if doctest.DocTestRunner().run(test).failed]


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_and_anchors_lead_somewhere():
    broken = []
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text(encoding="utf-8")):
            path = page.parent / target if target else page
            if "://" not in target and (not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path))):
                broken.append(f"{page.name}: {target}#{anchor}")
    assert not broken


def test_every_note_is_linked():
    notes = sorted((ROOT / "docs" / "notes").glob("*.md"))
    text = {page: page.read_text(encoding="utf-8") for page in (*GUIDES, *notes)}
    assert not [note.name for note in notes if not any(f"{note.name}" in content for page, content in text.items() if page != note)]


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs and list items of a page, without code, tables and headings."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = re.sub(r"^\s*[|#<!].*$", "", text, flags=re.M)
    items = [item for block in re.split(r"\n\s*\n", text) for item in re.split(r"\n(?=\s*(?:[-*]|\d+\.)\s)", block)]
    return [" ".join(item.split()) for item in items if item.strip()]


def sentences(paragraph: str) -> int:
    """Return the number of sentences of a paragraph."""
    plain = re.sub(r"`[^`]*`|\$[^$]*\$", "code", re.sub(r"^\d+\. ", "", paragraph))
    plain = re.sub(r"\b([A-Z]|et al)\.(?= )", r"\1", plain)
    return len(re.findall(r"[.!?](?:\*\*)?(?=\s+[A-Z(*\[]|$)", plain))


def test_sentences_are_counted():
    assert sentences("One sentence about `a.b. C`. Another (e.g. this one). A third, by B. Zhao et al.") == 3


def test_paragraphs_are_short():
    texts = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
    assert not [(name, text[:80]) for name, page in texts.items() for text in paragraphs(page) if sentences(text) > SENTENCES]


def test_a_guide_fits_two_screens():
    for page in (page for page in GUIDES if page.name not in LISTS):
        lines = page.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= LINES.get(page.name, SCREENS), page.name
        assert sum(max(1, -(-len(line) // COLUMNS)) for line in lines) <= SCREENS, page.name


def test_the_names_of_the_architecture_exist():
    source, page = Path(condensation.__file__).parent, ROOT / "docs" / "architecture.md"
    text = page.read_text(encoding="utf-8")
    (order,) = re.findall(r"^```\n(core <.*)\n```", text, re.M)
    assert order.split(" < ") == [name for name in LAYERS if not name.startswith("__")]
    paths = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", text)
    folders = [*source.rglob("*/"), *source.rglob("*.py")]
    assert not [path for path in paths if not any(f"/{path}".rstrip("/") in f"/{known.relative_to(source)}" for known in folders)]
    for names, module in re.findall(r"^\| (`[^|]*`) \| `([\w/]+)\.py` \|", text, re.M):
        for name in re.findall(r"`(\w+)`", names):
            assert hasattr(importlib.import_module(f"condensation.{module.replace('/', '.')}"), name), name
    for module, content in re.findall(r"`([\w/]+)\.py`: ([^|]*)", text):
        for name in re.findall(r"`(\w+)(?:\.\w+)*`", content):
            assert hasattr(importlib.import_module(f"condensation.{module.replace('/', '.')}"), name), name
