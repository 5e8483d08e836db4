"""Commands on sets with a form: tiles, and frequencies, which are no pictures."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from condensation import CondensedSet
from condensation.core.form import Frequencies, Tiles
from tests.cli.runs import FAST, RUN, make
from tests.data.pictures import write_classes

pytestmark = pytest.mark.usefixtures("elsewhere")
FORMS = {"tiles": Tiles(2), "frequencies": Frequencies(4)}
SETTINGS = {"tiles": ("method.form=tiles",), "frequencies": ("method.form=frequencies", "method.form.count=4")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a run folder for each form: 10 stored digits, of which a network sees 40."""
    root = tmp_path_factory.mktemp("forms")
    for name, settings in SETTINGS.items():
        make(*RUN, *settings, "-o", root / name, "--quiet")
    return {name: root / name for name in SETTINGS}


@pytest.mark.parametrize("name", FORMS)
def test_a_run_keeps_the_form_and_compares_with_random_images_of_it(runs, name):
    images = CondensedSet.load(runs[name]).images
    assert (images.form, len(images), images.seen) == (FORMS[name], 10, 40)
    assert images.shape == (1, 8, 8)
    scores = json.loads((runs[name] / "scores.json").read_text())["sets"]
    assert list(scores) == ["dm", f"random ({name})"]


@pytest.mark.parametrize(("name", "plain", "decoded"), [("tiles", 1, 4), ("frequencies", 4, 4)])
def test_show_draws_the_stored_images_if_they_are_pictures(condense, runs, name, plain, decoded):
    heights = []
    for options, out in (((), "a.png"), (("--decoded",), "b.png")):
        code, said, _ = condense("show", runs[name], "-o", out, *options)
        assert code == 0
        assert "a network sees 40 images; 10 are stored" in said
        with Image.open(out) as picture:
            heights.append(picture.height)
    cell = (heights[1] - heights[0]) / (decoded - plain) if decoded > plain else 0
    assert (cell > 8) == (decoded > plain)  # three more rows
    assert decoded > plain or Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.parametrize("to", ["png", "npz", "parquet", "torch", "hub"])
@pytest.mark.parametrize("name", FORMS)
def test_a_decoded_export_holds_what_a_network_sees(condense, runs, name, to, monkeypatch):
    code, said, _ = condense("export", runs[name], "--to", to, "-o", "out", "--decoded")
    assert code == 0
    assert "40 images take 4 times the bytes of the 10 stored ones" in said
    code_of_card = Path("out/README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    monkeypatch.chdir("out")
    names: dict[str, object] = {}
    exec(code_of_card, names)
    images, labels = names["dataset"].tensors  # type: ignore[attr-defined]
    expected = CondensedSet.load(runs[name]).decoded().images
    assert torch.equal(labels, expected.labels)
    if to in ("png", "parquet"):
        images, expected = (expected.preprocessing.inverse(each) for each in (images, expected.images))
        torch.testing.assert_close(images, expected.clamp(0, 1), rtol=0, atol=0.51 / 255)
    else:
        assert torch.equal(images, expected.images)


@pytest.mark.parametrize("to", ["png", "parquet"])
def test_coefficients_are_exported_exactly_or_decoded(refused, runs, to):
    assert "--decoded" in refused("export", runs["frequencies"], "--to", to, "-o", "out")
    assert not Path("out").exists()


@pytest.mark.parametrize("name", FORMS)
def test_evaluate_trains_on_the_decoded_images(condense, runs, name):
    assert condense("export", runs[name], "--to", "hub", "-o", "out", "--decoded")[0] == 0
    code, said, _ = condense("evaluate", runs[name], "out/set.safetensors", "--json", *FAST[3:])
    assert code == 0
    stored, decoded = json.loads(said)["sets"].values()
    assert stored["values"] == decoded["values"]
    assert (stored["images"], decoded["images"]) == (10, 40)


def test_a_form_that_does_not_fit_is_refused_with_those_that_do(refused):
    assert "a factor of 2 or 4." in refused(*RUN, "method.form=tiles", "method.form.factor=3", "-o", "out")
    assert "method.form.count" in refused(*RUN, "method.form=frequencies", "method.form.count=5", "-o", "out")


def test_a_size_that_tiles_do_not_fit_is_refused_before_images_are_read(refused, tmp_path):
    for words in (["--size", "65"], ["--size", "65", "--dry-run"], ["--size", "64x51"]):
        said = refused("run", "-d", "cifar10", "--folder", write_places(tmp_path), *words, "-o", "out")
        assert "--preset classic" in said
        assert "another size, such as --size 64" in said
    said = refused("run", "-d", "digits", "data.size=7", "--preset", "classic", "method.form=tiles", "-o", "out")
    assert "--size 6" in said


def test_images_of_odd_size_are_refused_before_the_plan(refused, condense, tmp_path):
    write_classes(tmp_path / "images", ("a", "b"), count=6, size=(35, 35))
    said = refused("run", "-d", tmp_path / "images", "-i", 1, "--dry-run")
    assert "another size, such as --size 32, or no form (--preset classic)" in said
    assert "another size, such as --size 34, or no form" in refused("run", "-d", tmp_path / "images", "-i", 10, "--dry-run")
    assert condense("run", "-d", tmp_path / "images", "-i", 1, "--dry-run", "--preset", "classic")[0] == 0


def write_places(folder):
    """Write files that look like CIFAR-10 to the checks of names, and are no images."""
    (folder / "cifar10").mkdir(exist_ok=True)
    (folder / "cifar10" / "train.npz").write_bytes(b"")
    (folder / "cifar10" / "test.npz").write_bytes(b"")
    return folder
