"""A lease is held by one process; that of a process that is gone is taken over."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from condensation.core import lease
from condensation.core.lease import STALE, lease_holder, leased, remove_stale


def write(path, host, pid, age=0.0):
    """Write the lease of another process."""
    path.write_text(json.dumps({"host": host, "pid": pid, "since": "now", "token": "x"}))
    os.utime(path, (time.time() - age,) * 2)


def dead():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture(params=[True, False])
def locks(request, monkeypatch):
    """Whether the file system has locks."""
    if not request.param:
        monkeypatch.setattr(lease, "flock", lambda handle: None)
        monkeypatch.setattr(lease, "SETTLING", 0.01)
    return request.param


def test_a_lease_has_one_holder_and_ends_with_the_block(tmp_path, locks):
    path = tmp_path / "jobs" / "a.lease"
    with leased(path) as holder, leased(path) as other:
        assert holder is None
        assert (other.pid, other.host) == (os.getpid(), socket.gethostname())
        assert lease_holder(path) == other
    assert lease_holder(path) is None
    assert list(path.parent.iterdir()) == []


def test_the_lease_of_a_process_that_is_gone_is_taken_over(tmp_path, locks):
    path = tmp_path / "a.lease"
    write(path, socket.gethostname(), dead())
    with leased(path) as holder:
        assert holder is None
        assert lease_holder(path).pid == os.getpid()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("age", [0.0, STALE + 10])
def test_the_lease_of_another_host_is_taken_over_if_it_is_not_renewed(tmp_path, locks, age):
    path = tmp_path / "a.lease"
    write(path, "elsewhere", 1, age)
    with leased(path) as holder:
        assert (holder is None) is (age > STALE)
    assert path.exists() is (age < STALE)


def test_a_lease_is_renewed(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "RENEWED", 0.01)
    path = tmp_path / "a.lease"
    with leased(path):
        os.utime(path, (0, 0))
        until = time.monotonic() + 5
        while path.stat().st_mtime == 0 and time.monotonic() < until:
            time.sleep(0.01)
        assert time.time() - path.stat().st_mtime < 60


def test_a_holder_whose_lease_was_taken_over_leaves_it_alone(tmp_path):
    path = tmp_path / "a.lease"
    with leased(path):
        path.unlink()
        write(path, "elsewhere", 1)
    assert lease_holder(path).host == "elsewhere"


def test_one_of_many_takes_a_stale_lease_over(tmp_path, locks):
    path, holding, most, gate = tmp_path / "a.lease", [], [], threading.Barrier(8)
    write(path, socket.gethostname(), dead())

    def take():
        gate.wait()
        with leased(path) as holder:
            if holder is None:
                holding.append(1)
                most.append(len(holding))
                time.sleep(0.1)
                holding.pop()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_stale_leases_are_removed_and_held_ones_stay(tmp_path):
    jobs = tmp_path / "jobs"
    with leased(jobs / "a.lease"):
        write(jobs / "b.lease", socket.gethostname(), dead())
        remove_stale(jobs)
        assert [path.name for path in jobs.iterdir()] == ["a.lease"]
    remove_stale(jobs)
    assert not jobs.exists()
