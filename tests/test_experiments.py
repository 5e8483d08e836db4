"""The experiments beside the papers, and the numbers in the documents."""

import json
import re
import subprocess
import sys
from datetime import date
from typing import Any

import pytest
from experiments import page_parts, record, results_page, tables
from experiments.measured import measured
from experiments.plan import CPU, GPU, Experiment

from condensation.config.build import from_dict
from condensation.config.toml import read_settings
from condensation.runs.presets import settings_from
from condensation.studies.registry import STUDIES
from tests.test_docs import PAGES, ROOT

NAMES = (*CPU, *GPU)


def numbers(content: Any) -> set[str]:
    """Return all means with deviations in the content of a file of results, as pages show them."""
    found: set[str] = set()
    if isinstance(content, dict):
        mean, deviation = content.get("mean", content.get("accuracy")), content.get("deviation")
        if isinstance(mean, int | float) and isinstance(deviation, int | float):
            found.add(f"{mean:.1f} ± {deviation:.1f}")
        for value in content.values():
            found |= numbers(value)
    elif isinstance(content, list):
        if len(content) == 3 and isinstance(content[2], str) and all(isinstance(value, int | float) for value in content[:2]):
            found.add(f"{content[0]:.1f} ± {content[1]:.1f}")  # a published number with its source
        for value in content:
            found |= numbers(value)
    return found


def test_every_accuracy_in_the_documents_is_in_a_file_of_results():
    files = [*(ROOT / "results").rglob("*.json"), *(ROOT / "src").rglob("*.json")]
    known = set().union(*(numbers(json.loads(path.read_text(encoding="utf-8"))) for path in files))
    assert "48.9 ± 0.6" in known
    shown = {page: re.findall(r"\d+\.\d\s±\s\d+\.\d", page.read_text(encoding="utf-8")) for page in PAGES}
    assert sum(map(len, shown.values())) > 300
    assert not {page.name: absent for page, found in shown.items() if (absent := {" ".join(text.split()) for text in found} - known)}


def test_the_page_of_results_agrees_with_the_files():
    rows = measured()
    assert results_page.page(rows, results_page.cells(rows)) == results_page.PAGE.read_text(encoding="utf-8")


def test_generated_tables_agree_with_the_recorded_results():
    parts = tables.parts()
    generated = [page for page in PAGES if "<!-- measured: " in page.read_text(encoding="utf-8")]
    assert set(tables.PAGES) <= set(generated)
    for page in tables.PAGES:
        text = page.read_text(encoding="utf-8")
        assert page_parts.with_parts(text, parts) == text, page
        assert set(re.findall(r"<!-- measured: ([a-z-]+) -->", text)) <= parts.keys()


def test_a_published_number_is_shown_by_the_measurement_of_most_steps():
    rows = [row for row in measured() if row.published and (row.data, row.ipc, row.column) == ("cifar10", 10, "dm")]
    (shown,) = results_page.cells(rows)
    assert shown.steps == max(row.steps for row in rows) > min(row.steps for row in rows)


def test_at_least_forty_published_numbers_are_measured():
    assert len(results_page.cells(measured())) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_of_an_experiment_are_valid(name):
    experiment = Experiment(name)
    if experiment.command == "run":
        assert settings_from(file=experiment.settings).evaluation.networks
    else:
        kind = STUDIES[experiment.command].settings_type
        assert isinstance(from_dict(kind, read_settings(experiment.settings)), kind)


def test_every_settings_file_is_listed_once():
    files = {path.relative_to(ROOT / "experiments").with_suffix("").as_posix() for path in (ROOT / "experiments").glob("*/*.toml")}
    assert files == set(NAMES)
    assert len(NAMES) == len(set(NAMES))


def test_every_result_says_when_and_where_it_was_made():
    for row in measured():
        assert date.fromisoformat(row.about["date"]), row.source
        assert row.about["commit"], row.source
        assert row.about["command"], row.source


@pytest.fixture
def small(tmp_path, monkeypatch):
    """An experiment on bundled digits, in a folder of its own."""

    class Small(Experiment):
        settings = tmp_path / "settings.toml"
        folder = tmp_path / "runs" / "small"
        result = tmp_path / "results" / "small.json"
        arguments = ("run", "--config", str(settings), "--out", str(folder))

    network = '{ name = "convnet", width = 8 }'
    lines = [
        "ipc = 1",
        "curve = 2",
        'data = { source = "digits" }',
        f'method = {{ name = "dm", steps = 4, batch_per_class = 2, networks = {{ spec = {network} }} }}',
        f"evaluation = {{ networks = 1, network = {network}, recipe = {{ epochs = 2 }} }}",
    ]
    Small.settings.write_text("\n".join(lines), encoding="utf-8")
    Small.result.parent.mkdir()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return Small("run/small")


@pytest.mark.slow
def test_an_experiment_is_interrupted_and_continued(small):
    assert not record.work_on(small, 0.0)
    assert not small.result.exists()
    assert record.work_on(small, None)
    result = json.loads(small.result.read_text(encoding="utf-8"))
    assert list(result["sets"]) == ["dm", "random"]
    assert result["curve"]["means"].keys() == {"0", "2"}
    about = result["made_by"]
    assert about["date"] == date.today().isoformat()
    assert about["cpu_minutes"] > 0


def test_an_unknown_experiment_is_named():
    process = subprocess.run([sys.executable, "-m", "experiments", "run/nothing"], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode
    assert process.stderr.startswith("Unknown experiment: run/nothing. Known: table/")


def test_the_gpu_script_names_what_is_missing(tmp_path):
    environment = {"PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    for data, message in ((None, "Set CONDENSATION_DATA"), (tmp_path, "No GPU is available")):
        given = environment | ({"CONDENSATION_DATA": str(data)} if data else {})
        process = subprocess.run(["bash", ROOT / "experiments" / "gpu.sh"], capture_output=True, text=True, env=given)
        assert process.returncode
        assert process.stdout.startswith(message)
