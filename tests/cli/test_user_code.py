"""Networks, augmentations and methods of the user on the command line."""

import json
import sys
from pathlib import Path

import pytest

from condensation import CondensedSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CODE = '''
from dataclasses import dataclass
import torch
from torch import nn
from condensation.methods.base import Selection, State
from condensation.methods.initialization import from_real_images
from condensation.methods.synthetic import SyntheticImages

with open("imported", "a") as file:
    file.write("x")

def small(channels, num_classes, width=4):
    return nn.Sequential(nn.Conv2d(channels, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))

def jitter(images, strength=0.1):
    return images + strength * torch.randn(1, 1, 1, 1)

def failing(images):
    return images.no_such_thing()

def broken(num_classes):
    raise ValueError("no weights here")

class Moody(nn.Module):
    """Fails only on a batch of ten, which no check beforehand has."""
    def __init__(self, num_classes):
        super().__init__()
        self.fc = nn.Linear(64, num_classes)
    def forward(self, images):
        if len(images) == 10:
            raise ArithmeticError("ten is too many")
        return self.fc(images.flatten(1))

@dataclass(frozen=True)
class Chosen(Selection):
    """Random, by another name."""
    salt: int = 0
    def init(self, real, ipc, rng, compute):
        return State(SyntheticImages(from_real_images(real, ipc, rng.child("start", self.salt))))
'''
FAST = (
    "method.steps=4 method.batch_per_class=4 evaluation.networks=1 evaluation.recipe.epochs=2 "
    "compute.precision=float32 compute.compile=never"
).split()
RUN = ("run", "-d", "digits", "-i", 1, "--preset", "classic", *FAST)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(CODE)


def config(condense, *words):
    return tomllib.loads(condense("run", "-d", "digits", *words, "--print-config")[1])


def test_network_sets_the_network_of_the_method_and_of_the_evaluation(condense):
    settings = config(condense, "--network", "nets.py:small", "evaluation.network.options.width=7")
    assert settings["method"]["networks"]["spec"] == {"name": "nets.py:small", "layer": "none", "options": {}}
    assert settings["evaluation"]["network"] == {"name": "nets.py:small", "layer": "none", "options": {"width": 7}}
    settings = config(condense, "--network", "lenet", "method.networks.spec=mlp")
    assert (settings["method"]["networks"]["spec"]["name"], settings["evaluation"]["network"]["name"]) == ("mlp", "lenet")
    assert config(condense, "--network", "lenet", "-m", "random")["method"] == {"name": "random", "form": "none"}
    assert config(condense, "--network", "lenet", "-m", "herding")["method"]["network"] == {"name": "lenet"}
    assert config(condense, "--network", "lenet", "method=random")["evaluation"]["network"] == {"name": "lenet"}
    for words in (["--preset", "best", "-m", "best-of"], ["-m", "best-of"]):
        method = config(condense, "--network", "lenet", *words)["method"]
        assert method["of"]["networks"]["spec"] == method["eval_network"] == {"name": "lenet"}


def test_a_run_with_user_code_is_repeated_resumed_and_evaluated(condense):
    own = ("--network", "nets.py:small", "method.augmentation=nets.py:jitter", "evaluation.recipe.augmentation=nets.py:jitter")
    code, said, _ = condense(*RUN, *own, "-o", "out")
    assert code == 0
    assert "One small, trained for 2 epochs" in said
    assert condense("run", "-c", "out/settings.json", "--trust", "-o", "again", "-q") == (0, "", "")
    assert Path("again/set.safetensors").read_bytes() == Path("out/set.safetensors").read_bytes()
    assert "already finished" in condense(*RUN, *own, "-o", "out", "--resume")[1]
    evaluation = ("evaluation.networks=1", "evaluation.recipe.epochs=2")
    found = json.loads(condense("evaluate", "out", "--network", "nets.py:small", *evaluation, "--json")[1])
    assert found["evaluation"]["network"] == {"name": "nets.py:small", "layer": None, "options": {}}
    card = CondensedSet.load("out").card["settings"]["method"]
    assert (card["networks"]["spec"]["name"], card["augmentation"]["name"]) == ("nets.py:small", "nets.py:jitter")


def test_a_set_made_with_user_code_is_used_without_it(condense):
    assert condense(*RUN, "--network", "nets.py:small", "-o", "out", "-q")[0] == 0
    assert Path("imported").read_text() == "x"
    Path("nets.py").write_text("raise SystemExit('this must not run')\n")
    for name in [name for name in sys.modules if name.startswith("condensation_own_")]:
        del sys.modules[name]
    assert CondensedSet.load("out").images.shape == (1, 8, 8)
    code, said, _ = condense("show", "out")
    assert code == 0
    assert said.startswith("digits, DM, 1 image per class, 4 steps\n")
    assert condense("evaluate", "out", "evaluation.networks=1", "evaluation.recipe.epochs=1", "-q")[0] == 0


def test_a_user_defined_method_runs(condense):
    words = ("run", "-d", "digits", "-i", 2, "-m", "nets.py:Chosen", "evaluation.networks=0", "-q")
    assert condense(*words, "method.salt=3") == (0, "", "")
    (folder,) = Path("runs").glob("digits-Chosen-ipc2-seed0-*")
    assert condense("show", folder)[1].startswith("digits, Chosen, 2 images per class\n")


def test_a_network_is_printed_with_its_layers(condense):
    code, said, _ = condense("networks", "nets.py:small", "options.width=6", "layer=0", "--shape", "1x8x8", "--classes", 5)
    assert code == 0
    assert "95 parameters, embeddings of 216 dimensions" in said
    shown = json.loads(condense("networks", "nets.py:small", "--shape", "1x8x8", "--json")[1])
    assert shown["embedding"] == 4
    assert [layer["name"] for layer in shown["layers"]] == ["0", "1", "2", "3", "4"]
    assert shown["layers"][0] == {"name": "0", "kind": "Conv2d", "shape": [4, 6, 6], "runs": 1}
    assert json.loads(condense("networks", "convnet-bn", "width=8", "--json")[1])["settings"]["width"] == 8


def test_layers_are_printed_if_the_embedding_must_be_named(condense):
    Path("nolinear.py").write_text(
        "from torch import nn\n"
        "def net(channels, num_classes):\n"
        "    return nn.Sequential(nn.Conv2d(channels, num_classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    code, said, error = condense("networks", "nolinear.py:net")
    assert code == 2
    assert "nolinear.py:net has no nn.Linear" in error
    for part in ("Conv2d", "10x30x30", "AdaptiveAvgPool2d", "Choose one of these layers with layer=NAME"):
        assert part in said
    code, said, _ = condense("networks", "nolinear.py:net", "--json")
    assert code == 2
    assert [layer["name"] for layer in json.loads(said)["layers"]] == ["0", "1", "2"]
    assert condense("networks", "nolinear.py:net", "layer=0")[0] == 0
    code, said, error = condense("networks", "nolinear.py:net", "layer=7")
    assert code == 2
    assert "has no layer '7'" in error
    assert "Conv2d" in said


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--network nets.py:smal", "nets.py has no 'smal'. Did you mean 'small'?"),
        ("--network nets:broken", "nets:broken failed for images of 1x8x8 and 10 classes: ValueError: no weights here\nnets.py, line "),
        ("--network ../nowhere/nets.py:small", "There is no file ../nowhere/nets.py."),
        ("--network nets.py:small method.networks.spec.layer=fc", "nets.py:small has no layer 'fc'.\nIt has 0, 1, 2, 3, 4."),
        ("--network nets.py:small evaluation.network.options.with=3", "nets.py:small has no option 'with'. Did you mean 'width'?"),
        ("--network nets.py:failing", "'images'"),
        ("--network nets.py:Chosen", "nn.Module"),
        ("method.augmentation=nets.py:failing", "The augmentation nets.py:failing failed on images (1, 1, 8, 8): AttributeError"),
        (
            "evaluation.recipe.augmentation=nets.py:failing",
            "The augmentation nets.py:failing failed on images (2, 1, 8, 8): AttributeError",
        ),
        (
            "method.augmentation=nets.py:jitter method.augmentation.options.much=1",
            "failed on images (1, 1, 8, 8): TypeError: jitter() got an",
        ),
        ("method=nets.py:jitter", "nets.py:jitter"),
        ("evaluation.network=nets.py:Moody", "ArithmeticError: ten is too many\nnets.py, line 31, in forward: raise ArithmeticError("),
    ],
)
def test_an_error_in_user_code_is_short(refused, arguments, text):
    words = arguments.split()
    fast = FAST if "method=" not in arguments else FAST[2:]
    assert text in refused("run", "-d", "digits", "-i", 1, "--preset", "classic", *fast, *words, "-o", "out")


def test_a_refused_run_is_repeated_in_the_same_folder(condense, refused):
    words = (*RUN, "method.augmentation=mended.py:augment", "-o", "out", "-q")
    Path("mended.py").write_text("def augment(images):\n    return images.no_such_thing()\n")
    refused(*words)
    Path("mended.py").write_text("def augment(images):\n    return 2 * images\n")
    for name in [name for name in sys.modules if name.startswith("condensation_own_")]:
        del sys.modules[name]
    assert condense(*words) == (0, "", "")


TABLE = "--networks 1 --epochs 1 --seeds 1 -i 1 -d digits compute.precision=float32 compute.compile=never".split()


def test_settings_of_an_own_method_are_set_in_a_table_and_its_report_is_printed_without_its_code(condense):
    code, _, error = condense("table", "-m", "random,nets.py:Chosen", *TABLE, "nets.py:Chosen.salt=3", "-o", "made")
    assert code == 0, error
    (run,) = Path("made/runs").glob("chosen-*")
    assert json.loads((run / "settings.json").read_text())["settings"]["method"] == {"name": "nets.py:Chosen", "salt": 3}
    again = ("table", "-m", "random,nets.py:Chosen", *TABLE, "Chosen.salt=3", "-o", "made")
    assert condense(*again)[0] == 0  # the same table
    page = condense("table", "made")
    Path("imported").unlink()
    Path("nets.py").unlink()
    for name in [name for name in sys.modules if name.startswith("condensation_own_")]:
        del sys.modules[name]
    assert condense("table", "made") == page
    assert "Chosen" in page[1]
    assert condense("table", "made", "--to", "csv,latex", "-q")[0] == 0
    assert "Chosen" in Path("made/table.csv").read_text()
    cells = json.loads(condense("table", "made", "--json")[1])["cells"]
    assert [cell["method"] for cell in cells if cell["values"]] == ["Random", "Random, DSA", "Chosen"]
    assert condense("report", "made", "--no-real")[0] == 0
    assert "Chosen" in Path("made/report.html").read_text()
    code, _, error = condense("table", "made", "--to", "pdf")
    assert (code, "nets.py:Chosen" in error, "--trust" in error) == (2, True, True)
    assert not Path("imported").exists()


def test_a_name_given_with_the_folder_of_a_study_is_trusted(condense):
    assert condense("table", "-m", "nets.py:Chosen", *TABLE, "-o", "made", "-q")[0] == 0
    for name in [name for name in sys.modules if name.startswith("condensation_own_")]:
        del sys.modules[name]
    assert condense("table", "made", "--methods", "nets.py:Chosen", "--to", "svg", "-q")[0] == 0
    assert Path("made/table.svg").exists()


@pytest.mark.parametrize("study", ["table", "nas", "continual"])
@pytest.mark.parametrize("prefix", ["nets.py:Chosen", "Chosen"])
def test_overrides_of_an_own_method_reach_its_settings_in_each_study(condense, study, prefix):
    option = "--proxies" if study == "nas" else "--methods"
    words = (option, "nets.py:Chosen", f"{prefix}.salt=wrong", "-d", "digits", "-i", 2, "-o", "made", "--dry-run")
    code, _, error = condense(study, *words)
    assert (code, "method.salt" in error) == (2, True), error
