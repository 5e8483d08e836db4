import csv
import io
import json
import os
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from condensation import EXPORTS, CondensedSet
from condensation.artifacts.export import base
from condensation.artifacts.export.base import eight_bit, rounding_of
from condensation.artifacts.export.png import class_folders
from condensation.core.errors import CondensationError, MissingExtra
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Preprocessing
from tests.artifacts.export.sets import NAMES, PAIRS, PICTURES, PIXELS, SETS


@pytest.mark.parametrize(("name", "to"), PAIRS)
def test_an_export_has_a_page_and_a_json_card(tmp_path, name, to):
    folder = SETS[name].export(tmp_path / "out", to)
    assert folder == tmp_path / "out"
    assert "## Train on the set" in (folder / "README.md").read_text(encoding="utf-8")
    assert json.loads((folder / "card.json").read_text(encoding="utf-8"))["class_names"] == list(NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", SETS)
def test_npz_is_exact(tmp_path, name):
    SETS[name].export(tmp_path / "out", "npz")
    images, labels = SETS[name].images.inputs(), SETS[name].images.labels
    with np.load(tmp_path / "out" / "set.npz", allow_pickle=False) as file:
        assert file["images"].dtype == np.float32
        assert torch.equal(torch.from_numpy(file["images"]), images)
        assert torch.equal(torch.from_numpy(file["labels"]), labels)
        assert tuple(file["class_names"]) == NAMES
        assert json.loads(str(file["card"]))["data"]["name"] == "mine"


@pytest.mark.parametrize("name", SETS)
def test_torch_is_exact_and_loads_with_weights_only(tmp_path, name):
    SETS[name].export(tmp_path / "out", "torch")
    images, labels = SETS[name].images.inputs(), SETS[name].images.labels
    file = torch.load(tmp_path / "out" / "set.pt", weights_only=True)
    assert torch.equal(file["images"], images)
    assert torch.equal(file["labels"], labels)
    assert (file["class_names"], json.loads(file["card"])["data"]["name"]) == (list(NAMES), "mine")


@pytest.mark.parametrize("to", ["npz", "torch"])
@pytest.mark.parametrize("name", ["colour", "zca"])
def test_preprocessing_constants_are_exported(tmp_path, name, to):
    SETS[name].export(tmp_path / "out", to)
    path = tmp_path / "out"
    file = dict(np.load(path / "set.npz")) if to == "npz" else torch.load(path / "set.pt", weights_only=True)
    for key, tensor in SETS[name].preprocessing.tensors().items():
        assert torch.equal(torch.as_tensor(file[key]), tensor)


def test_without_preprocessing_the_constants_are_the_identity(tmp_path):
    SETS["plain"].export(tmp_path / "out", "npz")
    file = np.load(tmp_path / "out" / "set.npz")
    assert (file["mean"].tolist(), file["std"].tolist()) == ([0, 0, 0], [1, 1, 1])


@pytest.mark.parametrize("name", ["colour", "grey", "plain", "pixels"])
def test_png_holds_rounded_and_clipped_images(tmp_path, name):
    SETS[name].export(tmp_path / "out", "png")
    with (tmp_path / "out" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    pictures = SETS[name].pictures()
    assert [int(row["label"]) for row in rows] == [0, 0, 1, 1, 2, 2]
    assert [row["class_name"] for row in rows] == [name for name in NAMES for _ in range(2)]
    for row, picture in zip(rows, pictures, strict=True):
        pixels = np.array(Image.open(tmp_path / "out" / row["file"])).reshape(4, 6, -1)
        assert np.array_equal(pixels, np.rint(picture.numpy().transpose(1, 2, 0) * 255).astype(np.uint8))


def test_png_has_a_folder_for_each_class(tmp_path):
    SETS["colour"].export(tmp_path / "out", "png")
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert found[:3] == ["0-Äpfel/000.png", "0-Äpfel/001.png", "1-Brötchen_süß/000.png"]


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (["airplane", "bird", "cat"], ["airplane", "bird", "cat"]),  # in the order of the labels already
        (["cat", "bird"], ["0-cat", "1-bird"]),
        ([str(n) for n in range(11)], [f"{n:02}-{n}" for n in range(11)]),
        (["a/b", "c:d"], ["0-a_b", "1-c_d"]),
        (["a", "A"], ["0-a", "1-A"]),
        (["..", "~"], ["0", "1-~"]),
        (["", " "], ["0", "1"]),
        (["aux", "b"], ["0-aux", "1-b"]),
        (["a" * 300, "b"], ["0-" + "a" * 60, "1-b"]),
        (["test", "train"], ["0-test", "1-train"]),
    ],
)
def test_class_folders_are_safe_for_file_systems(names, folders):
    assert class_folders(names) == folders


def test_parquet_has_the_metadata_of_datasets(tmp_path):
    SETS["colour"].export(tmp_path / "out", "parquet")
    table = pq.read_table(tmp_path / "out" / "train.parquet")
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features == {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(NAMES)}}
    first = table.to_pylist()[0]
    pixels = np.array(Image.open(io.BytesIO(first["image"]["bytes"])))
    assert np.array_equal(pixels, eight_bit(SETS["colour"].images)[0].numpy().transpose(1, 2, 0))
    assert first["label"] == 0


@pytest.mark.parametrize("name", ["colour", "grey", "plain", "frequencies", "zca", "pixels"])
def test_the_hub_folder_holds_the_exact_set(tmp_path, name):
    SETS[name].save_pretrained(tmp_path / "out")
    back = CondensedSet.from_pretrained(tmp_path / "out")
    assert torch.equal(back.images.images, SETS[name].images.images)
    assert torch.equal(load_file(tmp_path / "out" / "set.safetensors")["images"], SETS[name].images.images)
    assert back.preprocessing == SETS[name].preprocessing
    assert (tmp_path / "out" / "data" / "train-00000-of-00001.parquet").is_file()


@pytest.mark.parametrize("to", ["png", "parquet"])
@pytest.mark.parametrize("name", ["zca", "zca pixels"])
def test_8_bit_images_of_a_whitened_set_are_refused(tmp_path, name, to):
    with pytest.raises(CondensationError) as error:
        SETS[name].export(tmp_path / "out", to)
    assert 'to="npz"' in error.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("to", ["png", "parquet"])
def test_coefficients_are_not_rounded_to_8_bits(tmp_path, to):
    with pytest.raises(CondensationError) as error:
        SETS["frequencies"].export(tmp_path / "out", to)
    assert "decoded=True" in error.value.hint
    SETS["frequencies"].decoded().export(tmp_path / "out", to)


def test_the_viewer_of_the_hub_shows_the_images_of_coefficients(tmp_path):
    SETS["frequencies"].export(tmp_path / "out", "hub")
    rows = pq.read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet").to_pylist()
    decoded = SETS["frequencies"].images.decoded()
    assert [row["label"] for row in rows] == decoded.labels.tolist()
    pixels = [np.array(Image.open(io.BytesIO(row["image"]["bytes"]))).transpose(2, 0, 1) for row in rows]
    assert np.array_equal(np.stack(pixels), eight_bit(decoded).numpy())


def test_real_8_bit_images_are_not_rounded():
    assert torch.equal(eight_bit(SETS["pixels"].images), PIXELS)
    assert rounding_of(SETS["pixels"].images) == base.Rounding(0, 0, 0)


def test_clipping_and_rounding_are_measured():
    images = ImageSet.of(torch.tensor([-0.5, 0.5, 1.0, 0.25]).view(2, 1, 1, 2), torch.arange(2))
    loss = rounding_of(images)
    assert loss.clipped == 1 / 4
    assert loss.largest == pytest.approx(127.5)
    assert loss.mean == pytest.approx((127.5 + 0.5 + 0 + 0.25) / 4)


def test_undoing_the_normalization_does_not_count_as_clipping():
    black_and_white = torch.randint(0, 2, (10, 3, 4, 6), generator=torch.Generator().manual_seed(0)).float()
    preprocessing = SETS["colour"].preprocessing
    images = ImageSet.of(preprocessing(black_and_white), torch.arange(10), preprocessing=preprocessing)
    assert rounding_of(images).clipped == 0


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(CondensationError) as error:
        SETS["colour"].export(tmp_path / "out", "npy")
    assert "npz" in error.value.hint


@pytest.mark.parametrize("to", EXPORTS)
def test_nothing_is_overwritten(tmp_path, to):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(CondensationError) as caught:
        SETS["colour"].export(tmp_path / "out", to)
    assert caught.value.setting == "out"
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]


@pytest.mark.parametrize(("to", "name"), [("npz", "a.npz"), ("torch", "a.pt"), ("parquet", "a.parquet")])
def test_a_file_name_is_refused(tmp_path, to, name):
    with pytest.raises(CondensationError) as error:
        SETS["colour"].export(tmp_path / name, to)
    assert name in error.value.message
    assert "out=" in error.value.hint


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, os.strerror(28))])
def test_an_interrupted_export_leaves_nothing(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("condensation.artifacts.export.export.write_card", fail)
    with pytest.raises((KeyboardInterrupt, CondensationError)):
        SETS["colour"].export(tmp_path / "out", "png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("to", "package"), [("parquet", "pyarrow"), ("hub", "pyarrow"), ("hub", "huggingface_hub")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, to, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra) as error:
        SETS["colour"].export(tmp_path / "out", to)
    assert "pip install '.[hub]'" in error.value.hint


@pytest.mark.parametrize("to", ["png", "npz", "torch"])
def test_png_npz_and_torch_need_no_optional_packages(tmp_path, monkeypatch, to):
    for package in ("pyarrow", "huggingface_hub", "datasets"):
        monkeypatch.setitem(sys.modules, package, None)
    SETS["colour"].export(tmp_path / "out", to)


def test_a_preprocessing_of_the_user_is_refused(tmp_path):
    class UserModule(Preprocessing):
        def __call__(self, pictures):
            return pictures

        def inverse(self, inputs):
            return inputs

    images = ImageSet.of(PICTURES[:2], torch.arange(2), preprocessing=UserModule())
    with pytest.raises(CondensationError, match="UserModule"):
        CondensedSet(images).export(tmp_path / "out", "npz")
    assert not list(tmp_path.iterdir())
