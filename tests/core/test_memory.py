"""Free memory within the limits of the machine, of control groups and of the process."""

import errno
import os
import subprocess
import sys

import pytest
import torch

from condensation.core import memory
from condensation.core.errors import NotEnoughMemory

MB = 1 << 20


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A function that writes a file of the kernel, here of a machine with 1,000 MB free."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_free_in_process", lambda: iter(()))

    def write(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    write("proc/meminfo", f"MemTotal: 9 kB\nMemAvailable:   {1000 * 1024} kB\n")
    return write


def limit(kernel, group, version, most, used, cached=0):
    names, active = (memory.CGROUP_2 if version == 2 else memory.CGROUP_1)[:2], memory.CGROUP_2[2] if version == 2 else memory.CGROUP_1[2]
    for name, value in zip(names, (most, used), strict=True):
        kernel(f"cgroup/{group}/{name}", f"{value}\n")
    kernel(f"cgroup/{group}/memory.stat", f"anon 1\n{active[0]} {cached}\n{active[1]} 0\n")


def test_of_the_machine(kernel, tmp_path, monkeypatch):
    assert memory.free_memory() == 1000 * MB
    (tmp_path / "proc" / "meminfo").unlink()
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_AVPHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}[name])
    assert memory.free_memory() == 40960
    monkeypatch.delattr(os, "sysconf")
    assert memory.free_memory() is None
    memory.require(10**18, "anything", "")


@pytest.mark.parametrize(
    ("groups", "path", "place", "version"),
    [
        ("0::/\n", "", "", 2),
        ("0::/user/job\n", "", "user/job", 2),
        ("0::/user/job\n", "", "user", 2),  # a limit of a group above
        ("0::/kubepods/of/host\n", "", "", 2),  # a container that sees its group as the top
        ("9:name=systemd:/\n4:cpu,memory:/docker/12\n", "memory/", "docker/12", 1),
        ("4:memory:/docker/12\n0::/\n", "memory/", "", 1),
    ],
)
def test_of_a_container(kernel, groups, path, place, version):
    kernel("proc/self/cgroup", groups)
    limit(kernel, path + place, version, 300 * MB, 250 * MB, cached=40 * MB)
    assert memory.free_memory() == 90 * MB
    limit(kernel, path + place, version, 300 * MB, 350 * MB)
    assert memory.free_memory() == 0
    with pytest.raises(NotEnoughMemory):
        memory.require(1, "Anything", "Use less.")


@pytest.mark.parametrize("most", ["max", 9223372036854771712])
def test_without_a_limit(kernel, most):
    kernel("proc/self/cgroup", "4:memory:/\n0::/\n")
    limit(kernel, "memory", 1, most, 5)
    limit(kernel, "", 2, most, 5)
    assert memory.free_memory() == 1000 * MB


@pytest.mark.skipif(sys.platform != "linux", reason="these limits are read from Linux")
@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_of_the_process(kind):
    code = f"""
import resource
from condensation.core import memory
resource.setrlimit(resource.{kind}, (1 << 29, 1 << 29))
before = memory.free_memory()
block = bytearray(1 << 28)
print(before, memory.free_memory())
try:
    memory.require(1 << 29, "Reading images", "Use a smaller size.")
except ValueError as error:
    print(type(error).__name__)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    before, after = map(int, said[:2])
    assert 0 <= after < before - (1 << 28) + MB < 1 << 29
    assert said[2] == "NotEnoughMemory"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("could not create a primitive"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        RuntimeError("std::bad_alloc"),
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
)
def test_errors_for_want_of_memory(error):
    assert memory.is_out_of_memory(error)


def test_other_errors():
    for error in (OSError(errno.ENOSPC, "no"), RuntimeError("mat1 and mat2 cannot be multiplied"), ValueError("out of memory")):
        assert not memory.is_out_of_memory(error)
