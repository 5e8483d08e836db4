"""Published numbers of later methods: their values and caveats, and their place in a table."""

import json
from dataclasses import replace

import pytest

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.data.catalogue import DATASETS
from condensation.studies.published_numbers import Number, recipes, sources, successor, successors
from condensation.studies.registry import TABLE
from condensation.studies.table.cells import cells_in
from condensation.studies.table.study import TableRow, TableSettings, rows_for, table_recipe
from condensation.studies.table.successors import published_blocks, published_cells, published_notes

CIFAR = TableSettings(rows_for(["random", "dm"]), data="cifar10", ipc=(1, 10))
CUTMIX = replace(CIFAR, evaluation={"recipe": {"name": "cutmix", "epochs": 300}})
WANTED = {"mtt", "ftd", "datm", "idc", "idm", "dream", "m3d", "datadam", "dance", "ncfm", "frepo", "rcig", "kip"}


def in_blocks(settings):
    """Return the methods of each block by the recipe that its title names."""
    blocks = published_blocks(published_cells(settings))
    return {next(key for key, text in recipes().items() if text in block.title): {row[1] for row in block.rows} for block in blocks}


@pytest.mark.parametrize("name", successors())
def test_every_number_has_a_source_and_a_data_set(name):
    about = successor(name)
    assert {about.recipe, *about.recipe_on.values()} <= recipes().keys()
    assert set(about.zca) | set(about.recipe_on) <= about.numbers.keys() <= DATASETS.keys()
    assert set(about.selected_on_test or ()) <= {"epoch", "checkpoint"}
    for entries in about.numbers.values():
        for entry in map(Number, *zip(*entries.values(), strict=True)):
            assert entry.source in sources().keys() - {"unverified"}
            assert 0 < entry.mean < 100
            assert entry.deviation is None or 0 < entry.deviation < 3


def test_all_methods_are_listed():
    assert WANTED < successors().keys()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("MTT", "cifar10", ("46.3 ± 0.8", "65.3 ± 0.7", "71.6 ± 0.2")),
        ("ftd", "cifar100", ("25.2 ± 0.2", "43.4 ± 0.3", "50.7 ± 0.3")),
        ("datm", "tiny-imagenet", ("17.1 ± 0.3", "31.1 ± 0.3", "39.7 ± 0.3")),
        ("idc", "cifar10", ("50.6 ± 0.4", "67.5 ± 0.5", "74.5 ± 0.1")),
        ("idc", "mnist", ("94.2", "98.4", "99.1")),
        ("idm", "cifar10", ("45.6 ± 0.7", "58.6 ± 0.1", "67.5 ± 0.1")),
        ("dream", "fashion-mnist", ("81.3 ± 0.2", "86.4 ± 0.3", "86.8 ± 0.3")),
        ("m3d", "cifar10", ("45.3 ± 0.3", "63.5 ± 0.2", "69.9 ± 0.5")),
        ("datadam", "cifar100", ("14.5 ± 0.5", "34.8 ± 0.5", "49.4 ± 0.3")),
        ("dance", "cifar10", ("47.1 ± 0.2", "70.8 ± 0.2", "76.1 ± 0.1")),
        ("ncfm", "cifar100", ("34.4 ± 0.5", "48.7 ± 0.3", "54.7 ± 0.2")),
        ("frepo", "cifar10", ("46.8 ± 0.7", "65.5 ± 0.4", "71.7 ± 0.2")),
        ("rcig", "cifar10", ("53.9 ± 1.0", "69.1 ± 0.4", "73.5 ± 0.3")),
        ("kip", "cifar10", ("49.9 ± 0.2", "62.7 ± 0.3", "68.6 ± 0.2")),
    ],
)
def test_numbers_of_the_papers(name, data, expected):
    assert tuple(str(successor(name).number(data, ipc)) for ipc in (1, 10, 50)) == expected


def test_numbers_that_no_source_gives_are_missing():
    assert successor("dream").number("tiny-imagenet", 10) is None
    assert successor("idc").number("digits", 1) is None
    assert "1" not in successor("idc-i").numbers["svhn"]


def test_caveats_name_what_differs():
    dance, datm, idc = map(successor, ("dance", "datm", "idc"))
    assert dance.caveats("cifar10") == [
        "each stored image holds 4 training images",
        "1,500 epochs",
        "best epoch and checkpoint chosen on test images",
    ]
    assert datm.caveats("cifar10")[:2] == ["learned soft labels", "ZCA whitening"]
    assert "ZCA whitening" not in successor("mtt").caveats("tiny-imagenet")
    assert (idc.recipe_for("cifar10"), idc.recipe_for("mnist")) == ("idc", "idc-plain")


@pytest.mark.parametrize("names", [("dm3",), ("idc", "IDC")])
def test_unknown_and_repeated_names_are_refused(names):
    with pytest.raises(CondensationError) as error:
        replace(CIFAR, published=names)
    assert (error.value.setting, names[-1].lower() in error.value.message.lower()) == ("published", True)


def test_recipe_of_a_table_does_not_depend_on_its_epochs():
    assert [table_recipe(settings) for settings in (CIFAR, replace(CIFAR, epochs=300), CUTMIX)] == ["dm", "dm", "idc"]
    assert table_recipe(replace(CIFAR, evaluation={"recipe": {"lr": 0.02}})) == ""


def test_each_recipe_has_a_block_of_its_own():
    names = ("idm", "idc", "dance", "mtt", "ftd", "ncfm")
    assert in_blocks(replace(CIFAR, published=names)) == {"idc": {"IDC", "DANCE"}, "mtt": {"MTT", "FTD"}, "ncfm": {"NCFM"}}
    assert in_blocks(replace(CUTMIX, published=names)) == {"dm": {"IDM"}, "mtt": {"MTT", "FTD"}, "ncfm": {"NCFM"}}
    assert "idc" in in_blocks(replace(CIFAR, published=names, evaluation={"recipe": {"lr": 0.02}}))


def test_columns_of_the_dm_recipe_are_left_out_beside_another_recipe(tmp_path):
    assert any(cell.published for cell in cells_in(CIFAR, tmp_path))
    assert not any(cell.published for cell in cells_in(CUTMIX, tmp_path))


def test_a_method_without_a_number_is_named():
    settings = replace(CIFAR, ipc=(20,), published=("idc", "datm"))
    assert published_cells(settings) == []
    assert [note.split(" of ")[1].split()[0] for note in published_notes(settings, [])] == ["IDC", "DATM"]


def test_table_shows_the_rows_in_all_its_forms(tmp_path, monkeypatch):
    monkeypatch.setattr("condensation.studies.published_numbers.Successor.number", lambda self, *_: Number(12.3, 0.4, "dance"))
    small = {"name": "convnet", "width": 8}
    settings = TableSettings(
        (TableRow("Random", "random"),),
        data="digits",
        ipc=(1, 2),
        seeds=1,
        networks=1,
        epochs=1,
        evaluation={"network": small},
        published=("IDM", "dance"),
        compute=Compute("cpu", "float32", compile="never"),
    )
    assert TABLE.run(settings, tmp_path / "t") == {}
    report = TABLE.read(tmp_path / "t")
    assert [row[:2] for row in report.rows] == [("1", "Random"), ("1", "IDM"), ("2", "Random"), ("2", "IDM")]
    assert report.rows[1][2:] == ("-", "", "12.3 ± 0.4", "", "1", "")
    assert report.sections == (False, True, False, True)
    text = (tmp_path / "t" / "table.md").read_text()
    assert "| 2 | DANCE | 12.3 ± 0.4 | 2 |" in text
    assert "2: DANCE (Zhang et al., IJCAI 2024); each stored image holds 4 training images" in text
    kept = json.loads((tmp_path / "t" / "table.json").read_text())
    assert kept["settings"]["published"] == ["IDM", "dance"]
    dance = next(entry for entry in kept["published"] if (entry["method"], entry["ipc"]) == ("DANCE", 2))
    assert (dance["mean"], dance["recipe"], dance["same_recipe"], dance["factor"]) == (12.3, "idc", False, 2)
    assert dance["selected_on_test"] == ["epoch", "checkpoint"]
