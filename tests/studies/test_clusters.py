"""Executors by their text: the results of one process, in one call, even if a worker is killed; refusals in one line."""

import importlib.util
import json
import logging
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

import condensation
from condensation.config.build import from_dict
from condensation.core.errors import CondensationError, MissingExtra
from condensation.studies.executors import Processes
from condensation.studies.pace import START, Pace
from condensation.studies.registry import STUDIES
from condensation.studies.remote import RemoteTask, perform, version
from condensation.studies.tasks import Watch
from condensation.studies.where import FORMS, Where, parse_executor
from tests.studies.test_kills import COMMON, SETTINGS, results


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """Results of a study in one process, without the times of its pool."""
    made = {}

    def run(name):
        if name not in made:
            study, folder = STUDIES[name], tmp_path_factory.mktemp(name) / "serial"
            assert study.run(from_dict(study.settings_type, {**COMMON, **SETTINGS[name]}), folder) == {}
            made[name] = comparable(folder)
        return made[name]

    return run


def comparable(folder):
    """Results of a study; buckets are named by the absolute path of their pool."""
    text = {name: json.dumps(content, sort_keys=True) for name, content in results(folder).items() if name.endswith(".json")}
    return {name: content.replace(str(folder.resolve()), "FOLDER") for name, content in text.items()}


def run(name, folder, executor, watch=Watch()):
    """Run a small study by an executor."""
    study = STUDIES[name]
    return study.run(from_dict(study.settings_type, {**COMMON, **SETTINGS[name]}), folder, watch, executor)


class Killer:
    """Kills the first worker that holds a lease, in the middle of its task."""

    def __init__(self, folder):
        self.folder, self.killed = folder, []

    def __call__(self, done, total):
        for path in () if self.killed else (self.folder / "jobs").glob("*.lease"):
            text = path.read_text()
            if text and (number := json.loads(text)["pid"]) != os.getpid():
                os.kill(number, signal.SIGKILL)
                self.killed.append(number)


@pytest.mark.parametrize("name", STUDIES)
def test_any_executor_gives_the_results_of_one_process(name, serial, tmp_path):
    """Every task is sent as text."""
    with ThreadPoolExecutor(2) as pool:
        assert run(name, tmp_path / "study", pool) == {}
    assert comparable(tmp_path / "study") == serial(name)
    assert not (tmp_path / "study" / "jobs").exists()


def test_two_calls_share_the_tasks_of_a_folder(serial, tmp_path):
    done, failed = [], []

    def call():
        watch = Watch(on_end=lambda number, count, title, result, seconds, left: seconds and done.append(title))
        with ThreadPoolExecutor(1) as pool:
            failed.append(run("nas", tmp_path / "study", pool, watch))

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [{}, {}]
    assert len(done) == len(set(done)) == 3
    assert comparable(tmp_path / "study") == serial("nas")


def test_a_study_whose_process_is_killed_ends_in_the_same_call(serial, tmp_path):
    killer = Killer(tmp_path / "study")
    with Processes(1) as processes:
        assert run("theory", tmp_path / "study", processes, Watch(on_tasks=killer)) == {}
    assert killer.killed
    assert comparable(tmp_path / "study") == serial("theory")


def needs(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


@pytest.fixture
def cluster(request):
    """The text of an executor on a cluster of this machine with two workers."""
    with ExitStack() as stack:
        if request.param == "dask":
            import dask
            from distributed import LocalCluster

            stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))  # else Dask itself tries again
            options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
            yield f"dask:{stack.enter_context(LocalCluster(**options)).scheduler_address}"
        elif request.param == "ray":
            import ray

            ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
            stack.callback(ray.shutdown)
            yield "ray:auto"
        else:
            yield {"slurm": "slurm:cluster=local,jobs=2", "processes": "processes:2"}[request.param]


CLUSTERS = [
    "processes",
    pytest.param("dask", marks=needs("distributed")),
    pytest.param("ray", marks=needs("ray")),
    pytest.param("slurm", marks=needs("submitit")),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the engines
@pytest.mark.parametrize("name", ["theory", "nas"])
@pytest.mark.parametrize("cluster", CLUSTERS, indirect=True)
def test_a_study_whose_worker_is_killed_ends_in_the_same_call(cluster, name, serial, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(condensation.__file__).parents[1]), os.getcwd()]))
    killer = Killer(tmp_path / "study")
    assert run(name, tmp_path / "study", cluster, Watch(on_tasks=killer)) == {}
    assert killer.killed
    assert comparable(tmp_path / "study") == serial(name)
    assert not (tmp_path / "study" / "jobs").exists()


@pytest.mark.slow
def test_auto_starts_processes_once_that_saves_time(serial, tmp_path, monkeypatch):
    """The rest of the tasks goes to processes after the first has shown how long they take."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    seen = []
    monkeypatch.setattr(Pace, "pays", lambda self, groups, workers: seen.append((self.spent > 0, workers)) or self.spent > 0)
    assert run("theory", tmp_path / "study", "auto") == {}
    assert seen == [(False, 2), (True, 2)]
    assert comparable(tmp_path / "study") == serial("theory")


def test_processes_pay_for_long_tasks_alone():
    pace = Pace()
    assert not pace.pays(["cells"] * 100, 4)  # unknown
    pace.add("cells", 1.0, 1.0)
    assert pace.left(["cells"] * 4) == 4.0
    assert pace.left(["cells"] * 4, 2) == 2.0
    assert not pace.pays(["cells"] * 4, 2)
    assert pace.pays(["cells"] * 100, 2)
    assert not pace.pays(["cells"] * 100, 1)
    assert not pace.pays(["cells", "networks"], 2)
    pace.add("cells", 1.0, START + 1)
    assert pace.pays(["networks", "networks"], 2)  # nobody knows how long those take


# -- refusals


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("processes:4", Where("processes", 4)),
        ("processes", Where("processes")),
        ("auto", Where("auto")),
        ("dask:tcp://host:8786", Where("dask", address="tcp://host:8786")),
        ("ray:ray://host:10001", Where("ray", address="ray://host:10001")),
        ("slurm:partition=gpu,gpus=1", Where("slurm", options={"partition": "gpu", "gpus": "1"})),
        ("slurm", Where("slurm")),
    ],
)
def test_texts_of_executors(text, where, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert parse_executor(text) == where


@pytest.mark.parametrize(
    "text", ["", "threads:3", "processes:0", "processes:many", "auto:3", "dask", "ray:", "slurm:gpus", "slurm:gpus=many"]
)
def test_texts_that_name_no_executor_are_refused(text, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(CondensationError) as error:
        parse_executor(text)
    assert error.value.setting == "executor"
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("kind", ["dask", "ray", "slurm"])
def test_a_missing_package_is_told_with_the_command_that_installs_it(kind, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as error:
        parse_executor(FORMS[kind])
    assert f"pip install '.[{kind}]'" in error.value.hint


@pytest.mark.parametrize("text", ["dask:tcp://127.0.0.1:9", "ray:127.0.0.1:9", "dask:nowhere", "slurm:partition=gpu"])
def test_a_cluster_that_cannot_be_reached_is_told_at_once(text, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    started = time.monotonic()
    with pytest.raises(CondensationError) as error:
        run("theory", tmp_path / "study", text)
    assert error.value.setting == "executor"
    assert time.monotonic() - started < 10
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(("change", "reason"), [({"version": "0.0"}, "version"), ({"folder": "/no/where"}, "does not see the folder")])
def test_a_worker_that_does_not_fit_says_so(change, reason, tmp_path):
    fields = {"study": "theory", "folder": str(tmp_path), "settings": "{}", "version": version(), **change}
    assert reason in perform(RemoteTask(**fields).text()).failure.reason
