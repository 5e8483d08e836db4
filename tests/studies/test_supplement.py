"""The supplement's table: its rows, and that a generator is trained once for all sets of a seed."""

from dataclasses import replace

import pytest

from condensation import Compute, CondensedSet
from condensation.methods.registry import METHODS
from condensation.studies.jobs import shared_file
from condensation.studies.published_numbers import columns, published
from condensation.studies.registry import TABLE
from condensation.studies.table.cells import cells_in
from condensation.studies.table.study import TableRow, TableSettings, row_run, table_jobs
from condensation.studies.table.supplement import SUPPLEMENT, TABLES, missing, table_named
from condensation.studies.tasks import Watch

GMMN = {"name": "gmmn", "iterations": 2, "batch_per_class": 4, "samples_per_class": 4, "hidden": [4]}
SETTINGS = TableSettings(
    rows=(
        TableRow("GMMN", GMMN),
        TableRow("GMMN, bare", GMMN, {"recipe": {"augmentation": "none"}}),
        TableRow("other", {**GMMN, "lr": 0.01}),
    ),
    data="digits",
    ipc=(1, 2),
    seeds=2,
    networks=1,
    epochs=1,
    evaluation={"network": {"name": "convnet", "width": 4}},
    compute=Compute("cpu", "float32", compile="never"),
)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_rows_are_those_of_installed_methods(name):
    rows = [row.method_settings["name"] for row in table_named(name).rows]
    assert list(dict.fromkeys(rows)) == [method for method in SUPPLEMENT if method in METHODS]
    assert set(missing()) == set(SUPPLEMENT) - set(rows)


@pytest.fixture
def without_gmmn():
    """Return a function that removes a method until the test ends; `monkeypatch` would put it back in another place."""
    before = dict(METHODS)
    yield lambda: METHODS.pop("gmmn")
    METHODS.clear()
    METHODS.update(before)


def test_a_row_appears_with_its_method(without_gmmn):
    without_gmmn()
    assert "gmmn" in missing()
    assert "GMMN" not in [row.label for row in table_named("supplement").rows]


def test_both_tables_have_valid_settings():
    for name in TABLES:
        table = table_named(name)
        for row in table.rows:
            assert row_run(table, row, 10, 0).method.steps >= 0


def test_full_table_has_the_published_protocol():
    table = table_named("supplement-paper")
    assert (table.source, table.ipc, table.seeds, table.networks, table.epochs) == ("cifar10", (1, 10, 50), 5, 20, 1000)


def test_a_generator_is_trained_as_published_in_the_full_table_alone():
    small, full = (table_named(name, ["gmmn"]) for name in ("supplement", "supplement-paper"))
    assert row_run(small, small.rows[0], 10, 0).method == METHODS["gmmn"].fast(10)
    assert row_run(full, full.rows[0], 10, 0).method == METHODS["gmmn"].paper(10)


def test_numbers_of_the_supplement():
    numbers = {column: str(number) for column, number in published("cifar10", 50).items()}
    wanted = {"gmmn": "45.3 ± 1.0", "dc-vae": "44.0 ± 0.8", "biggan": "46.2 ± 0.9", "pixel-mmd": "50.9 ± 0.3", "dm": "63.0 ± 0.4"}
    assert {name: numbers[name] for name in wanted} == wanted


def test_named_methods_select_and_add_rows():
    rows = table_named("supplement", ["dm", "herding"]).rows
    assert [row.label for row in rows] == ["DM", "Herding"]


def test_note_of_a_column_replaces_the_differences(tmp_path):
    table = table_named("supplement-paper", ["gmmn"])
    (cell,) = cells_in(replace(table, ipc=(1,)), tmp_path)
    assert cell.differences == (columns()["gmmn"].note,)


@pytest.mark.slow
def test_a_generator_is_trained_once_for_all_ipc_of_a_seed(tmp_path):
    steps = {}
    jobs = table_jobs(SETTINGS)

    def begin(number, count, job, status):
        steps[jobs[number - 1].name] = 0

    def count(moment):
        steps[next(reversed(steps))] += moment.loss is not None

    assert TABLE.run(SETTINGS, tmp_path / "t", Watch(begin, [count])) == {}
    trained = [name for name, made in steps.items() if made]
    assert trained == ["gmmn-ipc1-seed0", "other-ipc1-seed0", "gmmn-ipc1-seed1", "other-ipc1-seed1"]
    assert all(cell.done for cell in cells_in(SETTINGS, tmp_path / "t"))


@pytest.mark.slow
def test_the_sets_are_those_of_runs_on_their_own(tmp_path):
    TABLE.run(replace(SETTINGS, seeds=1), tmp_path / "both")
    TABLE.run(replace(SETTINGS, seeds=1, ipc=(2,)), tmp_path / "alone")
    for name in ("gmmn-ipc2-seed0", "other-ipc2-seed0"):
        entry, other = (CondensedSet.load(tmp_path / table / "runs" / name).images for table in ("both", "alone"))
        assert entry.images.equal(other.images)


def test_methods_without_a_generator_are_run_each(tmp_path):
    dm = replace(SETTINGS, rows=(TableRow("DM", "dm"),))
    jobs = table_jobs(dm)
    assert shared_file(jobs[0], jobs, tmp_path) is None


def test_command_warns_of_methods_that_are_not_installed(condense, without_gmmn, caplog):
    without_gmmn()
    code, message, _ = condense("table", "--preset", "supplement", "--dry-run", "--json")
    assert code == 0
    assert "left out: gmmn" in caplog.text
    assert "GMMN" not in message


def test_settings_change_the_whole_table(condense):
    message = condense(
        *("table", "--preset", "supplement", "--dry-run", "-d", "fashion-mini", "-m", "gmmn"),
        *("-i", "1", "--networks", "2", "gmmn.iterations=7"),
    )[1]
    assert "GMMN, ipc 1, seed 0: GMMN, 1 image per class, 7 steps; 2 networks" in message
    assert "tables/fashion-mini-supplement/runs" in message
