"""Processors within the affinity and the quotas of control groups."""

import os

import pytest

from condensation.core import memory, processors
from condensation.core.processors import processor_quota, usable_processors


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A function that writes files of the kernel, of a machine with 8 processors."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(8), raising=False)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def test_without_groups(kernel, monkeypatch):
    assert (processor_quota(), usable_processors()) == (None, 8)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert usable_processors() == 3


@pytest.mark.parametrize(("quota", "count"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8)])
def test_version_2(kernel, quota, count):
    kernel(proc__self__cgroup="0::/user/job\n", cgroup__user__cpu_dot_max=quota)
    assert usable_processors() == count


def test_the_least_quota_of_all_groups_counts(kernel):
    kernel(proc__self__cgroup="0::/a/b\n", cgroup__a__b__cpu_dot_max="600000 100000", cgroup__a__cpu_dot_max="300000 100000")
    assert (processor_quota(), usable_processors()) == (3.0, 3)


@pytest.mark.parametrize(("quota", "count"), [("-1", 8), ("400000", 4), ("nonsense", 8)])
def test_version_1(kernel, quota, count):
    name = "cgroup__cpu__docker__12__cpu_dot_cfs_{}_us"
    kernel(proc__self__cgroup="4:cpu,cpuacct:/docker/12\n", **{name.format("quota"): quota, name.format("period"): "100000"})
    assert usable_processors() == count


def test_the_command_gives_pytorch_no_more_threads_than_a_quota_allows(kernel, condense, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    kernel(proc__self__cgroup="0::/\n", cgroup__cpu_dot_max="250000 100000")
    condense("data", "verify", "nothing")
    assert os.environ["OMP_NUM_THREADS"] == "5"
    monkeypatch.delenv("OMP_NUM_THREADS")
    condense("data", "verify", "nothing")
    assert os.environ.pop("OMP_NUM_THREADS") == "2"


@pytest.mark.parametrize(
    ("load", "running", "threads", "shared"),
    [(3.0, 4, 2, True), (3.0, 1, 2, False), (0.2, 4, 2, False), (3.0, 4, 1, False), (1.4, 2, 2, True)],
)
def test_a_machine_is_shared_if_load_and_running_processes_say_so(tmp_path, monkeypatch, load, running, threads, shared):
    (tmp_path / "loadavg").write_text(f"{load} 1.0 1.0 {running}/300 4242\n")
    monkeypatch.setattr(processors, "RUNNING", tmp_path / "loadavg")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 1.0, 1.0))
    assert processors.is_shared(threads) is shared
