"""Hugging Face data sets, made locally without downloads."""

import logging
import sys

import numpy as np
import pytest
import torch

from condensation.data.decode import parallel as decoding
from condensation.data.formats.huggingface import is_saved_dataset
from condensation.data.from_dataset import from_dataset
from condensation.data.load import load

from .pictures import picture
from .refusals import refusal

datasets = pytest.importorskip("datasets", reason="the extra 'hub' is not installed")


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    datasets.disable_progress_bars()


def made(count=12, names=("cat", "dog"), image="image", label="label", **columns):
    features = datasets.Features(
        {image: datasets.Image(), label: datasets.ClassLabel(names=list(names)) if names else datasets.Value("string")}
    )
    content = {image: [picture(n) for n in range(count)], label: [n % 2 if names else "ba"[n % 2] for n in range(count)]}
    for name, (feature, values) in columns.items():
        features[name], content[name] = feature, values
    return datasets.Dataset.from_dict(content, features=features)


def pixels(data):
    return data.train.images.permute(0, 2, 3, 1).numpy()


def test_a_dataset():
    data = from_dataset(made())
    assert data.train.class_names == ("cat", "dog")
    assert data.train.counts == {0: 5, 1: 5}


def test_its_images_are_those_that_were_put_in():
    data = from_dataset(made(), made(2))
    assert np.array_equal(pixels(data)[0], np.asarray(picture(0)))
    assert np.array_equal(pixels(data)[6], np.asarray(picture(1)))


def test_a_dataset_as_numpy_or_torch_is_the_same():
    expected = from_dataset(made()).train.images
    for kind in ("numpy", "torch"):
        assert torch.equal(from_dataset(made().with_format(kind)).train.images, expected)


def test_texts_as_labels():
    data = from_dataset(made(names=None))
    assert data.train.class_names == ("a", "b")


@pytest.mark.parametrize("second", ["test", "validation"])
def test_a_dataset_dict(second):
    data = from_dataset(datasets.DatasetDict({"train": made(), second: made(4)}))
    assert (len(data.train), len(data.test)) == (12, 4)


def test_the_first_of_two_test_splits_is_used():
    data = from_dataset(datasets.DatasetDict({"train": made(), "validation": made(6), "test": made(4)}))
    assert len(data.test) == 4
    assert data.note == "Found the splits test and validation; test is the test split."


def test_parts_without_train():
    assert "first, second" in refusal(from_dataset, datasets.DatasetDict({"first": made(), "second": made()})).message


def test_columns_are_found_by_their_types():
    assert from_dataset(made(image="img", label="fine")).train.class_names == ("cat", "dog")
    more = made(note=(datasets.Value("string"), ["x"] * 12))
    assert len(from_dataset(more).train) == 10


def test_columns_that_are_not_clear_are_asked_for():
    coarse = (datasets.ClassLabel(names=["x", "y"]), [0] * 6 + [1] * 6)
    two = made(label="fine", coarse=coarse)
    assert "image (Image), fine (ClassLabel), coarse (ClassLabel)" in refusal(from_dataset, two).message
    assert from_dataset(two, columns=("image", "coarse")).train.class_names == ("x", "y")
    assert from_dataset(made(coarse=coarse)).train.class_names == ("cat", "dog")  # the column called label
    for columns, value in (
        (("image", "none"), "'none'"),
        (("fine", "coarse"), "ClassLabel"),
        (("image",), "got 1: image"),
        (("image", "fine", "coarse"), "coarse"),
    ):
        error = refusal(from_dataset, two, columns=columns)
        assert error.setting == "data.columns"
        assert value in error.message


def test_a_dataset_without_images():
    assert refusal(from_dataset, datasets.Dataset.from_dict({"label": [0, 1]})).setting == "data.columns"


def test_missing_labels_and_images_are_named():
    features = made().features
    content = {"image": [picture(n) for n in range(3)] + [None], "label": [0, 1, 0, 1]}
    assert "dataset, train, row 3" in refusal(from_dataset, datasets.Dataset.from_dict(content, features=features)).message
    content = {"image": [picture(n) for n in range(4)], "label": [0, 1, 0, None]}
    assert "Row 3 of dataset has the label None" in refusal(from_dataset, datasets.Dataset.from_dict(content, features=features)).message


@pytest.mark.parametrize("kind", ["disk", "disk of parts", "parquet", "parquet file", "parquet in data"])
def test_a_saved_data_set_is_loaded(tmp_path, kind):
    place = tmp_path / "saved"
    if kind == "disk":
        made().save_to_disk(str(place))
    elif kind == "disk of parts":
        datasets.DatasetDict({"train": made(), "test": made(4)}).save_to_disk(str(place))
    elif kind == "parquet file":
        place = tmp_path / "saved.parquet"
        made().to_parquet(str(place))
    else:
        below = place / "data" if kind == "parquet in data" else place
        below.mkdir(parents=True)
        made().to_parquet(str(below / "train-00000-of-00001.parquet"))
        made(4).to_parquet(str(below / "test-00000-of-00001.parquet"))
    assert is_saved_dataset(place)
    data = load(place)
    assert data.name == "saved"
    assert (len(data.train), len(data.test)) == ((12, 4) if "parts" in kind or kind in ("parquet", "parquet in data") else (10, 2))
    assert data.train.class_names == ("cat", "dog")
    assert data.format.startswith("a data set of Hugging Face")


@pytest.mark.parametrize("prefix", ["", "hf:"])
def test_files_on_this_machine_are_loaded_without_a_connection(tmp_path, monkeypatch, prefix):
    asked = []
    monkeypatch.setattr(datasets.load, "get_session", lambda: asked.append("a server"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    place = tmp_path / "mine"
    place.mkdir()
    made().to_parquet(str(place / "train.parquet"))
    load(f"{prefix}{place}")
    load(place / "train.parquet")
    assert asked == []


def test_a_name_of_the_hub_may_be_a_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    made().to_parquet(str(tmp_path / "mine" / "train.parquet"))
    data = load(f"hf:{tmp_path / 'mine'}")
    assert data.name == "mine"
    assert len(data.train) == 10


@pytest.mark.parametrize(
    ("source", "asked"),
    [("hf:mnist", ["mnist"]), ("hf:ylecun/mnist", ["ylecun/mnist"]), ("hf:uoft-cs/cifar100/plain", ["uoft-cs/cifar100", "plain"])],
)
def test_names_of_the_hub(monkeypatch, source, asked):
    seen = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments: seen.extend(arguments) or datasets.DatasetDict({"train": made()}))
    data = load(source)
    assert seen == asked
    assert data.name == asked[0].rpartition("/")[2]


def test_it_is_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    counts = []
    decode_block = decoding._decode_block
    monkeypatch.setattr(decoding, "_decode_block", lambda block, options: counts.extend(block) or decode_block(block, options))
    made().save_to_disk(str(tmp_path / "saved"))
    first = load(tmp_path / "saved")
    assert torch.equal(load(tmp_path / "saved").train.images, first.train.images)
    assert len(counts) == 12


def test_the_hub_needs_a_name():
    assert refusal(load, "hf:").setting == "data.source"


def test_without_the_packages_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "pip install '.[hub]'" in refusal(load, "hf:ylecun/mnist").hint


@pytest.mark.slow
def test_loading_anything_else_imports_none_of_them():
    import os
    import subprocess

    code = "import sys; from condensation import load; load('digits'); print({'datasets', 'pyarrow', 'huggingface_hub'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}, check=True)
    assert done.stdout == "set()\n"


def test_retries_of_the_hub_are_not_logged(monkeypatch, capfd, caplog):
    library = logging.getLogger("huggingface_hub.utils")

    def unreachable(*arguments):
        for number in range(5):
            library.warning("Retrying in 1s [Retry %d/5].", number)
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    before = logging.getLogger("huggingface_hub").level
    with caplog.at_level(logging.WARNING):
        error = refusal(load, "hf:foo/bar")
    assert error.setting == "data.source"
    assert "foo/bar: ConnectionError: no network" in error.message
    assert "Retrying" not in caplog.text + "".join(capfd.readouterr())
    assert logging.getLogger("huggingface_hub").level == before
    library.warning("and afterwards")
    assert "and afterwards" in caplog.text


@pytest.mark.parametrize("labels", [[-1] * 3, [None] * 3])
def test_a_test_split_without_labels_gives_way_to_the_validation_split(tmp_path, labels):
    features = made().features
    test = datasets.Dataset.from_dict({"image": [picture(n) for n in range(3)], "label": labels}, features=features)
    splits = datasets.DatasetDict({"train": made(), "test": test, "validation": made(4, names=("dog", "cat"))})
    splits.save_to_disk(str(tmp_path / "saved"))
    data = load(tmp_path / "saved")
    assert data.note == "There are no labelled images in test. The test split is validation."
    assert np.array_equal(data.test.images[0].permute(1, 2, 0).numpy(), np.asarray(picture(1)))  # its cat
    assert refusal(load, tmp_path / "saved", test="test").setting == "data.test"
    alone = from_dataset(datasets.DatasetDict({"train": made(), "test": test}))
    assert len(alone.test) == 2
    assert "no labelled images in test" in alone.note


def test_splits_are_named(tmp_path):
    datasets.DatasetDict({"first": made(), "second": made(4), "third": made(6)}).save_to_disk(str(tmp_path / "saved"))
    assert refusal(load, tmp_path / "saved").setting == "data.train"
    data = load(tmp_path / "saved", train="third", test="Second")
    assert (len(data.train), len(data.test)) == (6, 4)
    assert data.note == "Parts that were not read: first."


@pytest.mark.parametrize("kind", ["binary", "large binary", "struct"])
@pytest.mark.parametrize("labels", [[0, 1] * 4, ["a", "b"] * 4])
def test_plain_parquet_with_image_files(tmp_path, kind, labels):
    import io

    import pyarrow as pa
    from pyarrow import parquet

    files = []
    for number in range(8):
        file = io.BytesIO()
        picture(number).save(file, "PNG")
        files.append(file.getvalue())
    content = [{"bytes": file, "path": "x.png"} for file in files] if kind == "struct" else files
    column = pa.array(content, {"binary": pa.binary(), "large binary": pa.large_binary()}.get(kind))
    parquet.write_table(pa.table({"image": column, "label": pa.array(labels)}), tmp_path / "plain.parquet")
    data = load(tmp_path / "plain.parquet")
    both = torch.cat([data.train.images[:3], data.test.images[:1]]).permute(0, 2, 3, 1).numpy()
    assert sorted(map(bytes, both)) == sorted(np.asarray(picture(number)).tobytes() for number in range(0, 8, 2))


def test_streams_are_refused():
    stream = made().to_iterable_dataset()
    for value in (stream, datasets.IterableDatasetDict({"train": stream})):
        assert "streaming" in refusal(from_dataset, value).hint


def test_parquet_files_of_any_name_are_parts_if_named(tmp_path):
    place = tmp_path / "data"
    place.mkdir()
    made().to_parquet(str(place / "alpha-00000-of-00002.parquet"))
    made(6).to_parquet(str(place / "alpha-00001-of-00002.parquet"))
    made(4, names=("dog", "cat")).to_parquet(str(place / "beta.parquet"))
    data = load(place, train="alpha", test="beta")
    assert (len(data.train), len(data.test)) == (18, 4)
    assert np.array_equal(data.test.images[0].permute(1, 2, 0).numpy(), np.asarray(picture(1)))  # its cat
    assert "aligned" in refusal(load, place).message  # as one part, the files contradict each other
