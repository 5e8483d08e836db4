"""What the machine is asked to do, and what happens where it cannot."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from condensation import Compute, CondensationError, ConvNet, Rng, condense
from condensation.core.compute import COMPILE_PIXELS
from tests.small import CPU, dm, images

SHAPE = (3, 16, 16)


def network():  # type: ignore[no-untyped-def]
    return ConvNet(width=8).build(SHAPE, 3, Rng(0)).requires_grad_(False)


def test_choosing_leaves_nothing_open() -> None:
    chosen = Compute().resolve()
    assert chosen.device != "auto"
    assert chosen.precision in ("float32", "bfloat16")
    assert chosen.resolve() == chosen
    assert chosen.device in chosen.describe()
    assert Compute().describe() == chosen.describe()


def test_a_chunk_is_told_where_it_is_asked_for() -> None:
    assert "chunk" not in Compute().describe()
    assert Compute(chunk=40).describe().endswith(", chunks of 40 images")
    assert Compute(chunk=1).describe().endswith(", chunks of 1 image")


@pytest.mark.parametrize(
    ("device", "message"),
    [("gpu", "no kind of device 'gpu'"), ("cuda:99", "GPU|no such device"), ("meta", "no such device")],
)
def test_devices_that_are_not_here_are_refused(device: str, message: str) -> None:
    with pytest.raises(CondensationError, match=message):
        Compute(device=device).resolve()


def test_chunks_hold_about_as_many_pixels_whatever_the_image_size() -> None:
    compute = Compute(**CPU).resolve()  # type: ignore[arg-type]
    assert compute.suitable_chunk((3, 32, 32)) == 32
    assert compute.suitable_chunk((3, 64, 64)) == 8
    assert compute.suitable_chunk((3, 1024, 1024)) == 1


def test_bfloat16_rounds_and_nothing_more() -> None:
    module, pictures = network(), torch.randn(4, *SHAPE)
    exact = module.embed(pictures)
    rounded = Compute(device="cpu", precision="bfloat16", compile="never").wrap(module.embed)(pictures)
    assert not torch.equal(exact, rounded.float())
    torch.testing.assert_close(rounded.float(), exact, rtol=0.1, atol=0.05)


def test_short_work_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condensation.core.compute.shutil.which", lambda name: name)
    enough = COMPILE_PIXELS["cpu"] // 256
    compute = Compute(device="cpu").resolve()
    assert compute.with_compile_decision(SHAPE, enough - 1).compile == "never"
    assert compute.with_compile_decision(SHAPE, enough + 1).compile == "always"
    assert Compute(device="cpu", compile="always").with_compile_decision(SHAPE, 1).compile == "always"
    monkeypatch.setattr("condensation.core.compute.shutil.which", lambda name: None)
    assert compute.with_compile_decision(SHAPE, enough + 1).compile == "never"


def test_where_compiling_fails_the_plain_function_goes_on(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise torch._dynamo.exc.TorchDynamoException("no C++ compiler works here")

    monkeypatch.setattr(torch, "compile", lambda function, **_: refuse)
    module, pictures = network(), torch.randn(4, *SHAPE)
    fast = Compute(device="cpu", precision="float32", compile="always").wrap(module.embed)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(fast(pictures), module.embed(pictures))
        assert torch.equal(fast(pictures), module.embed(pictures))
    assert [record.message for record in caplog.records] == ["Going on without compiling, which is slower (no C++ compiler works here)."]


def test_more_shapes_may_be_compiled_than_torch_allows_by_itself() -> None:
    Compute(device="cpu", compile="always").wrap(network().embed)
    assert torch._dynamo.config.recompile_limit >= 100


@pytest.mark.parametrize(("given", "kept"), [("", torch.backends.cpu.get_cpu_capability()), ("mine", "mine")])
def test_programs_are_kept_for_this_kind_of_processor(given: str, kept: str) -> None:
    config = torch.compiler.config
    with config.patch(cache_key_tag=given):  # not by pytest's monkeypatch, after which torch takes the name to be deleted
        Compute(device="cpu", compile="always").wrap(network().embed)
        assert config.cache_key_tag.startswith(kept)


def test_a_torch_that_cannot_compile_here_is_no_obstacle(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("torch.compile is not supported on this Python")

    monkeypatch.setattr(torch, "compile", refuse)
    module, pictures = network(), torch.randn(4, *SHAPE)
    fast = Compute(device="cpu", precision="float32", compile="always").wrap(module.embed)
    assert torch.equal(fast(pictures), module.embed(pictures))
    assert "not supported on this Python" in caplog.text


def test_float64_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(CondensationError, match="float64 on mps"):
        Compute(device="mps", precision="float64").resolve()


@pytest.mark.slow
def test_compiled_is_plain_but_for_rounding() -> None:
    plain = condense(dm(), images(), 2, compute=Compute(**CPU))  # type: ignore[arg-type]
    compiled = condense(dm(), images(), 2, compute=Compute(device="cpu", precision="float32", compile="always"))
    torch.testing.assert_close(compiled.images, plain.images, rtol=1e-3, atol=1e-4)
    again = condense(dm(), images(), 2, compute=Compute(device="cpu", precision="float32", compile="always"))
    assert torch.equal(compiled.images, again.images)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["no compiler", "a compiler without OpenMP"])
def test_whatever_is_wrong_with_the_compiler_the_work_is_done(trouble: str, tmp_path: Path) -> None:
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    compiler = tmp_path / "compiler"
    answers = 'for word in "$@"; do [ "$word" = --version ] && exec g++ "$@"; done\n' if "OpenMP" in trouble else ""
    compiler.write_text(f"#!/bin/sh\n{answers}echo fatal error >&2\nexit 1\n")
    compiler.chmod(0o755)
    environment["CXX"] = str(compiler)
    program = """
from condensation import Compute, condense
from tests.small import dm, images
compute = Compute(device="cpu", precision="float32", compile="always")
print(tuple(condense(dm(steps=2), images(), 1, compute=compute).images.shape))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.stdout == "(3, 3, 16, 16)\n", done.stderr
    assert done.stderr.count("Going on without compiling") == 1


@pytest.mark.slow
def test_memory_does_not_grow_with_batch_per_class() -> None:
    program = """
import resource, sys
from condensation import Compute, condense
from tests.small import dm, images
real = images(2000, classes=5, shape=(3, 32, 32))
compute = Compute(device="cpu", precision="float32", compile="never")
condense(dm(steps=2, batch_per_class=int(sys.argv[1])), real, 1, compute=compute)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = [
        int(subprocess.run([sys.executable, "-c", program, str(batch)], capture_output=True, text=True, check=True).stdout)
        for batch in (64, 2000)
    ]
    # All 10,000 images in floats would take 120 MB, their first feature maps 330 MB.
    assert peaks[1] - peaks[0] < 30_000
