"""Files of the official project, written as its code writes them, and files that try to run code."""

import os
import zipfile

import numpy as np
import pytest
import torch

from condensation import CondensedSet
from condensation.core.errors import CondensationError
from condensation.data.catalogue import DATASETS

MEAN, STD = (torch.tensor(values).view(3, 1, 1) for values in DATASETS["cifar10"].published)


def normalized(ipc=2, classes=10, shape=(3, 32, 32), seed=0):
    """Return images and labels in the order of the official project, normalized by the published constants."""
    pictures = torch.rand((ipc * classes, *shape), generator=torch.Generator().manual_seed(seed))
    mean, std = (MEAN, STD) if shape[0] == 3 else (0.2861, 0.3530)
    return [(pictures - mean) / std, torch.arange(classes).repeat_interleave(ipc)]


def official(path, sets=1, **shape):
    """Write a file as main_DM.py does: several sets, and accuracies as numpy numbers by network."""
    data = [normalized(seed=seed, **shape) for seed in range(sets)]
    accuracies = {"ConvNet": [np.float64(0.26), np.float64(0.27)], "AlexNet": []}
    torch.save({"data": data, "accs_all_exps": accuracies}, path)
    return data


def refused(path, **options):
    """Return the error of reading ``path``."""
    with pytest.raises(CondensationError) as error:
        CondensedSet.from_official(path, **{"data": "cifar10", **options})
    assert "\n" not in error.value.message
    return error.value


def test_images_and_labels_are_read_exactly(tmp_path):
    ((images, labels),) = official(tmp_path / "a.pt")
    read = CondensedSet.from_official(tmp_path / "a.pt", data="cifar10")
    assert torch.equal(read.images.images, images)
    assert torch.equal(read.images.labels, labels)


def test_the_set_knows_its_classes_and_preprocessing(tmp_path):
    official(tmp_path / "a.pt")
    read = CondensedSet.from_official(tmp_path / "a.pt", data="CIFAR10")
    assert read.images.class_names[:2] == ("airplane", "automobile")
    assert torch.equal(read.preprocessing.mean, MEAN.flatten())
    pictures = read.pictures()
    assert 0 <= float(pictures.min()) < 0.01
    assert 0.99 < float(pictures.max()) <= 1


def test_which_selects_one_of_several_sets(tmp_path):
    data = official(tmp_path / "a.pt", sets=3)
    assert torch.equal(CondensedSet.from_official(tmp_path / "a.pt", data="cifar10", which=2).images.images, data[2][0])
    error = refused(tmp_path / "a.pt", which=3)
    assert error.setting == "which"
    assert "3 sets" in error.message


def test_grey_images(tmp_path):
    official(tmp_path / "a.pt", shape=(1, 28, 28))
    assert CondensedSet.from_official(tmp_path / "a.pt", data="fashion-mnist").images.shape == (1, 28, 28)


@pytest.mark.parametrize("kind", [list, tuple])
def test_plain_images_and_labels(tmp_path, kind):
    images, labels = normalized()
    torch.save(kind([images, labels]), tmp_path / "a.pt")
    assert torch.equal(CondensedSet.from_official(tmp_path / "a.pt", data="cifar10").images.images, images)


def test_labels_in_any_order_are_sorted(tmp_path):
    images, labels = normalized()
    torch.save([images.flip(0), labels.flip(0)], tmp_path / "a.pt")
    read = CondensedSet.from_official(tmp_path / "a.pt", data="cifar10").images
    assert read.labels.tolist() == sorted(labels.tolist())
    assert torch.equal(read.images[0], images[1])


def test_learned_images_are_read_without_gradient(tmp_path):
    images, labels = normalized()
    torch.save({"data": [[images.requires_grad_(), labels]]}, tmp_path / "a.pt")
    assert not CondensedSet.from_official(tmp_path / "a.pt", data="cifar10").images.images.requires_grad


def test_a_file_of_an_older_torch_is_read(tmp_path):
    images, labels = normalized()
    torch.save({"data": [[images, labels]]}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(CondensedSet.from_official(tmp_path / "a.pt", data="cifar10").images.images, images)


def test_numbers_of_an_older_numpy_are_read(tmp_path):
    official(tmp_path / "new.pt")
    with zipfile.ZipFile(tmp_path / "new.pt") as new, zipfile.ZipFile(tmp_path / "old.pt", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            if name.endswith("data.pkl"):
                if b"numpy._core.multiarray" not in content:
                    pytest.skip("The numpy here writes the older name itself.")
                content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            old.writestr(name, content)
    assert "26.5 ± 0.5" in str(CondensedSet.from_official(tmp_path / "old.pt", data="cifar10").card["scores"])


def test_accuracies_in_the_file_are_on_the_card(tmp_path):
    official(tmp_path / "a.pt")
    read = CondensedSet.from_official(tmp_path / "a.pt", data="cifar10")
    assert read.card["scores"] == {"by its file, ConvNet": "26.5 ± 0.5 (2 networks)"}
    assert read.card["official"] == {"file": "a.pt", "which": 0, "sets": 1}


def test_an_imported_set_is_saved_and_loaded(tmp_path):
    ((images, _),) = official(tmp_path / "a.pt")
    CondensedSet.from_official(tmp_path / "a.pt", data="cifar10").save(tmp_path / "a.safetensors")
    back = CondensedSet.load(tmp_path / "a.safetensors")
    assert torch.equal(back.images.images, images)
    assert back.card["settings"]["data"] == {"source": "cifar10", "preprocessing": "published"}


class Poison:
    """Runs os.mkdir when unpickled."""

    def __reduce__(self):
        return os.mkdir, ("poisoned",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_poisoned_file_runs_nothing(tmp_path, monkeypatch, zipped):
    monkeypatch.chdir(tmp_path)
    images, labels = normalized()
    torch.save({"data": [[images, labels]], "accs_all_exps": Poison()}, "a.pt", _use_new_zipfile_serialization=zipped)
    assert f"{os.mkdir.__module__}.mkdir" in refused(tmp_path / "a.pt").message
    assert not (tmp_path / "poisoned").exists()


def test_reading_leaves_the_allow_list_of_torch_unchanged(tmp_path):
    official(tmp_path / "a.pt")
    before = set(torch.serialization.get_safe_globals())
    CondensedSet.from_official(tmp_path / "a.pt", data="cifar10")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 not an archive", b"\x80\x02."])
def test_a_foreign_file_is_named(tmp_path, content):
    (tmp_path / "a.pt").write_bytes(content)
    assert refused(tmp_path / "a.pt").hint == "Download it again."


def test_an_incomplete_file_is_named(tmp_path):
    official(tmp_path / "a.pt")
    whole = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(whole[: len(whole) // 2])
    assert refused(tmp_path / "a.pt").hint == "Download it again."


def test_a_missing_file_is_named(tmp_path):
    assert "There is no file" in refused(tmp_path / "a.pt").message


@pytest.mark.parametrize("content", [{}, {"data": []}, [1, 2], {"data": [[torch.zeros(1)]]}, {"state_dict": {"w": torch.zeros(2)}}, 3])
def test_a_file_without_a_set_gets_the_expected_structure(tmp_path, content):
    torch.save(content, tmp_path / "a.pt")
    assert "{'data': [[images, labels], ...]}" in refused(tmp_path / "a.pt").hint


def test_images_of_another_data_set_are_refused(tmp_path):
    official(tmp_path / "a.pt", shape=(1, 28, 28))
    error = refused(tmp_path / "a.pt")
    assert "(n, 3, 32, 32)" in error.message
    assert "data=" in error.hint


def test_labels_of_another_data_set_are_refused(tmp_path):
    official(tmp_path / "a.pt", ipc=1, classes=100)
    error = refused(tmp_path / "a.pt")
    assert "0..99" in error.message
    assert "data=" in error.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pixels_that_are_not_finite_are_refused(tmp_path, value):
    images, labels = normalized()
    images[3, 0, 0, 0] = value
    torch.save([images, labels], tmp_path / "a.pt")
    assert "not a number" in refused(tmp_path / "a.pt").message


def test_soft_labels_are_refused(tmp_path):
    images, _ = normalized()
    torch.save([images, torch.rand(20, 10)], tmp_path / "a.pt")
    assert "soft labels" in refused(tmp_path / "a.pt").message


OTHER_FORMS = {
    "scalar": lambda tensor: tensor.sum(),
    "none": lambda tensor: tensor[:0],
    "axes": lambda tensor: tensor[:, None, None],
    "meta": lambda tensor: tensor.to("meta"),
    "nested": lambda tensor: torch.nested.nested_tensor([tensor[:3], tensor[3:]]),
    "sparse": torch.Tensor.to_sparse,
    "complex": lambda tensor: tensor.to(torch.complex64),
    "bits": lambda tensor: tensor > 0,
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("part", [0, 1], ids=["images", "labels"])
@pytest.mark.parametrize("form", OTHER_FORMS)
def test_tensors_of_another_form_are_refused(tmp_path, form, part):
    parts = normalized()
    parts[part] = OTHER_FORMS[form](parts[part])
    torch.save(parts, tmp_path / "a.pt")
    refused(tmp_path / "a.pt")


def test_labels_that_do_not_match_are_refused(tmp_path):
    images, labels = normalized()
    torch.save([images, labels[:5]], tmp_path / "a.pt")
    assert "20" in refused(tmp_path / "a.pt").message


@pytest.mark.parametrize("name", ["cifar1", "digits", "mine"])
def test_a_data_set_without_constants_is_refused(tmp_path, name):
    official(tmp_path / "a.pt")
    assert repr(name) in refused(tmp_path / "a.pt", data=name).message


def test_a_torch_that_cannot_read_safely_is_refused(tmp_path, monkeypatch):
    official(tmp_path / "a.pt")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    assert "2.5.1+cpu" in refused(tmp_path / "a.pt").message


@pytest.mark.parametrize("kind", [float, np.float32, np.float64])
def test_accuracies_of_any_kind_of_number(tmp_path, kind):
    torch.save({"data": [normalized()], "accs_all_exps": {"ConvNet": [kind(0.25)]}}, tmp_path / "a.pt")
    assert "25.0 (1 network)" in str(CondensedSet.from_official(tmp_path / "a.pt", data="cifar10").card["scores"])
