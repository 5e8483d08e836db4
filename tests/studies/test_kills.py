"""A study that is killed before any change of a file is resumed by the same call, with the results of an unbroken one."""

import json
import shutil

import pytest

from condensation.config.build import from_dict
from condensation.studies.registry import STUDIES
from condensation.studies.tasks import Failure, failures_in, record_failure
from tests.golden.cases import steady
from tests.killing import changes, kill_before, leftovers

CPU = {"device": "cpu", "precision": "float32", "compile": "never"}
SMALL = {"name": "convnet", "width": 4, "depth": 1}
DM = {"name": "dm", "steps": 2, "batch_per_class": 2, "networks": {"spec": SMALL}}
EVALUATION = {"networks": 1, "network": SMALL, "recipe": {"epochs": 1}}
COMMON = {"data": "digits", "compute": CPU}
SETTINGS = {
    "table": {
        "rows": [{"label": "Random", "method": "random"}, {"label": "DM", "method": DM}],
        **{"ipc": [1], "seeds": 1, "networks": 1, "epochs": 1, "evaluation": {"network": SMALL}},
    },
    "transfer": {"method": DM, "learn": [SMALL], "test": [SMALL], "ipc": 1, "evaluation": EVALUATION},
    "continual": {"methods": {"random": "random"}, "steps": 2, "ipc": 1, "orders": 1, "evaluation": EVALUATION},
    "federated": {
        **{"method": DM, "clients": 2, "alpha": 1.0, "splits": 1, "ipc": 4, "arms": ["condensed", "averaging", "alone"], "rounds": 2},
        **{"local": {"epochs": 1, "augmentation": None}, "evaluation": EVALUATION},
    },
    "nas": {
        "proxies": [{"label": "random", "method": "random"}],
        "space": {"width": [4], "depth": [1], "norm": ["instance"], "activation": ["relu"], "pooling": ["avg", "max"]},
        **{"ipc": 1, "trainings": 1, "whole_epochs": 1, "recipe": {"epochs": 1}},
    },
    "pools": {
        "method": {"name": "dm", "steps": 2, "batch_per_class": 2},
        "network": SMALL,
        "pool": {"networks": 2, "recipe": {"epochs": 1, "augmentation": None}, "bounds": [0, 99.9], "growth": 2.0},
        **{"buckets": ["all"], "ipc": [1], "evaluation": EVALUATION},
    },
    "privacy": {
        **{"data": {"source": "digits", "preprocessing": "centered"}, "spec": SMALL, "recipe": {"epochs": 1, "augmentation": None}},
        **{"arms": ["random", "dm-noise"], "shadows": 4, "images": 120, "canaries": 0, "ipc": 1, "steps": 1},
    },
    "theory": {"data": {"source": "digits"}, "network": SMALL, "networks": 2, "epochs": [0, 1], "pairs": 3, "ipc": 1, "batch_per_class": 2},
}


def results(folder):
    """Return sets and records of a study, without times."""
    kept = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors") if "checkpoint" not in path.name}
    for path in folder.rglob("*.json"):
        kept[str(path.relative_to(folder))] = steady(json.loads(path.read_text()))
    return kept


def test_failures_end_with_the_last_success(tmp_path):
    failures = {}
    record_failure(tmp_path, failures, "first", Failure("out of memory"))
    record_failure(tmp_path, failures, "second", Failure("the disk is full"))
    record_failure(tmp_path, failures, "first", None)
    assert failures_in(tmp_path) == failures == {"second": Failure("the disk is full")}
    record_failure(tmp_path, failures, "second", None)
    assert list(tmp_path.iterdir()) == []


MANY = pytest.param(None, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(1800)])


@pytest.mark.parametrize("point", [pytest.param(8, id="once"), MANY])
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_killed_anywhere_resumes(name, point, tmp_path):
    study, folder = STUDIES[name], tmp_path / "study"
    settings = from_dict(study.settings_type, {**COMMON, **SETTINGS[name]})
    count = changes(folder, lambda: study.run(settings, folder))
    assert count > 30
    expected = results(folder)
    assert leftovers(folder) == []
    for at in (point,) if point else (*range(1, 13), *range(13, count + 1, 25)):
        shutil.rmtree(folder)
        assert kill_before(folder, at, lambda: study.run(settings, folder)), at
        assert study.run(settings, folder) == {}, at
        assert results(folder) == expected, at
        assert leftovers(folder) == [], at
