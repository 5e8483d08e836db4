"""Search for official files, and recognition by name alone."""

import pytest

from condensation.core.errors import CondensationError, NoSuchData
from condensation.data.load import catalogue_key, load
from condensation.data.locate import list_datasets
from condensation.runs.presets import preset_for
from tests.data import official
from tests.data.official import write_cifar, write_svhn, write_tar, write_tiny_imagenet
from tests.data.pictures import write_classes

PYTHON, BINARY = ("cifar10", "python"), ("cifar10", "binary")


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("CONDENSATION_DATA", raising=False)


@pytest.mark.parametrize(("below", "version"), [("", PYTHON), ("cifar10", BINARY), ("CIFAR-10", PYTHON)])
@pytest.mark.parametrize("packed", [True, False])
def test_cifar_is_found_in_the_data_folder(tmp_path, below, version, packed):
    path, held = write_cifar(tmp_path / below, version, packed=packed)
    data = load("cifar10", folder=tmp_path)
    assert (data.name, len(data.train)) == ("cifar10", len(held["train"][1]))
    assert {row.name: row.where for row in list_datasets(tmp_path)}["cifar10"] == str(path)
    if below:
        assert load(tmp_path / below).train.fingerprint() == data.train.fingerprint()


@pytest.mark.parametrize("below", ["", "svhn"])
def test_svhn_is_found_in_the_data_folder(tmp_path, below):
    write_svhn(tmp_path / below)
    data = load("svhn", folder=tmp_path)
    assert data.train.shape == (3, 32, 32)
    assert not data.train.flip_invariant
    assert load(tmp_path / below / "train_32x32.mat").train.fingerprint() == data.train.fingerprint()


@pytest.mark.parametrize("below", ["", "tiny-imagenet", "TinyImageNet"])
@pytest.mark.parametrize("packed", [True, False])
def test_tiny_imagenet_is_found_in_the_data_folder(tmp_path, below, packed):
    write_tiny_imagenet(tmp_path / below, packed=packed)
    assert load("tiny-imagenet", folder=tmp_path).train.shape == (3, 64, 64)


def test_one_data_folder_may_hold_them_all(tmp_path):
    for version in official.FOLDERS:
        write_cifar(tmp_path, version, packed=version[1] == "python")
    write_svhn(tmp_path)
    write_tiny_imagenet(tmp_path, packed=True)
    for name, classes in (("cifar10", 10), ("cifar100", 100), ("svhn", 10), ("tiny-imagenet", 3)):
        data = load(name, folder=tmp_path)
        assert (data.name, data.train.num_classes) == (name, classes)
    assert {row.name for row in list_datasets(tmp_path) if row.where} == {
        "digits",
        "fashion-mini",
        "cifar10",
        "cifar100",
        "svhn",
        "tiny-imagenet",
    }


@pytest.mark.parametrize("name", ["cifar-10-python (1).tar.gz", "cifar-10-python.tgz", "cifar-10-python.tar"])
def test_other_names_that_a_browser_gives_are_known(tmp_path, name):
    files, _ = official.cifar_files(PYTHON)
    members = {f"cifar-10-batches-py/{file}": content for file, content in files.items()}
    path = write_tar(tmp_path / name, members, "w" if name.endswith(".tar") else "w:gz")
    assert load(path).name == "cifar10"


def test_an_archive_here_needs_no_slash(tmp_path, monkeypatch):
    write_cifar(tmp_path, PYTHON, packed=True)
    monkeypatch.chdir(tmp_path)
    assert load("cifar-10-python.tar.gz").name == "cifar10"


def test_the_catalogue_is_known_by_a_quick_look(tmp_path):
    path, _ = write_cifar(tmp_path, ("cifar100", "binary"), packed=True)
    path.write_bytes(b"")
    assert catalogue_key(path) == catalogue_key(str(path)) == "cifar100"
    assert catalogue_key("CIFAR-10") == "cifar10"
    assert catalogue_key(tmp_path) is catalogue_key(tmp_path / "nowhere") is None
    assert preset_for("fast", {"data": {"source": str(path)}}) == preset_for("fast", {"data": {"source": "cifar100"}})


def test_fewer_images_than_the_data_set_has_are_noted(tmp_path, caplog):
    path, _ = write_cifar(tmp_path, PYTHON, packed=True)
    note = "CIFAR-10 has 50,000 training and 10,000 test images; these files have 20 and 20."
    assert load(path).note == note
    assert note in caplog.text


@pytest.mark.parametrize(("name", "folder"), [("digits", "digits"), ("digits", "Digits"), ("Fashion_Mini", "fashion-mini")])
def test_a_bundled_name_hides_a_folder(tmp_path, monkeypatch, caplog, name, folder):
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / folder)
    assert len(load(name).train.class_names) == 10
    assert len(caplog.messages) == 1
    assert f'source="./{folder}"' in caplog.text
    assert "bundled" in caplog.text
    caplog.clear()
    assert load(f"./{folder}").train.class_names == ("a", "b", "c")
    assert not caplog.messages


def test_a_name_in_the_data_folder_hides_a_folder(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "mine")
    write_classes(tmp_path / "all" / "mine", ("x", "y"))
    monkeypatch.setenv("CONDENSATION_DATA", str(tmp_path / "all"))
    assert load("mine").train.class_names == ("x", "y")
    assert 'source="./mine"' in caplog.text
    assert f'source="{tmp_path / "all" / "mine"}"' in caplog.text
    caplog.clear()
    monkeypatch.setenv("CONDENSATION_DATA", str(tmp_path))  # the same folder
    assert load("mine").train.class_names == ("a", "b", "c")
    (tmp_path / "digits").mkdir()  # without data
    load("digits")
    assert not caplog.messages


def test_a_folder_whose_name_begins_like_a_home_folder_is_read(tmp_path, monkeypatch):
    write_classes(tmp_path / "~nobody-has-this-name")
    monkeypatch.chdir(tmp_path)
    assert load("./~nobody-has-this-name").train.class_names == load(tmp_path / "~nobody-has-this-name").train.class_names


@pytest.mark.parametrize("given", ["flower", "./flower", "flowerz"])
def test_a_misspelt_folder_is_suggested(given, tmp_path, monkeypatch):
    write_classes(tmp_path / "flowers")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CondensationError) as raised:
        load(given)
    assert "Did you mean 'flowers'?" in raised.value.message
    assert raised.value.setting == "data.source"


@pytest.mark.parametrize(
    "source", ["a\\nowhere", "C:\\data\\images", "./nowhere", "~nobody-has-this-name/x", "./no\nwhere", "no\x1b[31mwhere"]
)
def test_a_missing_path_is_named(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoSuchData) as caught:
        load(source)
    assert caught.value.setting == "data.source"
    assert source.removeprefix("./") in caught.value.message or repr(source) in caught.value.message
    assert not set(caught.value.hint) & {"\n", "\x1b"}
    assert ("/train.npz" in caught.value.hint) == ("\x1b" in source)  # a name, not a path


def test_a_path_with_backslashes_is_suggested_with_slashes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "photos" / "mine")
    with pytest.raises(NoSuchData) as caught:
        load("photos\\mine")
    assert "photos/mine" in caught.value.hint


@pytest.mark.parametrize("source", ["/dev/zero", "/", "//", "/etc/.."])
def test_devices_and_the_root_hold_no_data(source):
    with pytest.raises(CondensationError) as caught:
        load(source)
    assert caught.value.setting == "data.source"
    assert len(caught.value.hint) < 200


def test_a_run_is_no_data_set(tmp_path):
    (tmp_path / "settings.json").write_text('{"settings": {}, "versions": {}, "machine": {}}')
    (tmp_path / "set.safetensors").write_bytes(b"set")
    for source in (tmp_path, tmp_path / "set.safetensors"):
        with pytest.raises(CondensationError) as caught:
            load(source)
        assert "written by this program" in caught.value.message
