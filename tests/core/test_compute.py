"""Compute settings, and what happens on machines that lack a device or a compiler."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from condensation import Compute, CondensationError, ConvNet, Rng, condense
from condensation.core.compute import COMPILE_PIXELS
from tests.small import CPU, dm, images

SHAPE = (3, 16, 16)


def network():  # type: ignore[no-untyped-def]
    return ConvNet(width=8).build(SHAPE, 3, Rng(0)).requires_grad_(False)


def test_resolve_replaces_every_auto() -> None:
    resolved = Compute().resolve()
    assert resolved.device != "auto"
    assert resolved.precision in ("float32", "bfloat16")
    assert resolved.resolve() == resolved
    assert resolved.device in resolved.describe()
    assert Compute().describe() == resolved.describe()


def test_a_chunk_is_described_only_if_it_is_set() -> None:
    assert "chunk" not in Compute().describe()
    assert Compute(chunk=40).describe().endswith(", chunks of 40 images")
    assert Compute(chunk=1).describe().endswith(", chunks of 1 image")


@pytest.mark.parametrize(
    ("device", "hint"), [("gpu", "Available: auto, cpu, cuda"), ("cuda:99", ""), ("meta", 'device="cpu"'), (3, "Available: auto")]
)
def test_devices_that_this_machine_lacks_are_refused(device: str, hint: str) -> None:
    with pytest.raises(CondensationError) as caught:
        Compute(device=device).resolve()
    assert caught.value.setting == "compute.device"
    assert str(device) in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("settings", [{"chunk": 0}, {"together": -1}, {"chunk": 2.5}, {"precision": "float16"}, {"compile": True}])
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(CondensationError) as caught:
        Compute(**settings)  # type: ignore[arg-type]
    assert caught.value.setting == f"compute.{next(iter(settings))}"


def test_a_chunk_is_refused_for_batch_norm() -> None:
    module = ConvNet(width=8, norm="batch").build(SHAPE, 3, Rng(0))
    assert Compute(**CPU).chunk_for(module, SHAPE) is None  # type: ignore[arg-type]
    with pytest.raises(CondensationError) as caught:
        Compute(chunk=4).chunk_for(module, SHAPE)
    assert caught.value.setting == "compute.chunk"


def test_chunks_hold_about_the_same_number_of_pixels_for_each_image_size() -> None:
    compute = Compute(**CPU).resolve()  # type: ignore[arg-type]
    assert compute.suitable_chunk((3, 32, 32)) == 32
    assert compute.suitable_chunk((3, 64, 64)) == 8
    assert compute.suitable_chunk((3, 1024, 1024)) == 1


def test_bfloat16_differs_only_by_rounding() -> None:
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


def test_if_compiling_fails_the_function_itself_is_used(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise torch._dynamo.exc.TorchDynamoException("no C++ compiler works here")

    monkeypatch.setattr(torch, "compile", lambda function, **_: refuse)
    module, pictures = network(), torch.randn(4, *SHAPE)
    fast = Compute(device="cpu", precision="float32", compile="always").wrap(module.embed)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(fast(pictures), module.embed(pictures))
        assert torch.equal(fast(pictures), module.embed(pictures))
    (warning,) = caplog.records
    assert "no C++ compiler works here" in warning.message


def test_a_warning_inside_the_compiler_does_not_stop_it(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this test, warnings are errors; the compiler warns of an input that is no leaf and has no gradient."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    network = torch.nn.Linear(4, 3)
    images = 2 * torch.ones(2, 4, requires_grad=True)
    wrapped = Compute(device="cpu", precision="float32", compile="always").wrap(network)
    torch.testing.assert_close(wrapped(images), network(images))
    assert not [record for record in caplog.records if record.name.startswith("condensation")]


@pytest.mark.slow
def test_torch_may_compile_more_shapes_than_its_default() -> None:
    Compute(device="cpu", compile="always").wrap(network().embed)
    config = torch._dynamo.config
    limit = config.recompile_limit if hasattr(config, "recompile_limit") else config.cache_size_limit  # the name before torch 2.7
    assert limit >= 100


@pytest.mark.parametrize(("given", "kept"), [("", torch.backends.cpu.get_cpu_capability()), ("mine", "mine")])
def test_the_compile_cache_is_tagged_with_the_processor(given: str, kept: str) -> None:
    config = torch.compiler.config
    with config.patch(cache_key_tag=given):  # not by pytest's monkeypatch, after which torch takes the name to be deleted
        Compute(device="cpu", compile="always").wrap(network().embed)
        assert config.cache_key_tag.startswith(kept)


def test_without_torch_compile_the_function_itself_is_used(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("torch.compile is not supported on this Python")

    monkeypatch.setattr(torch, "compile", refuse)
    module, pictures = network(), torch.randn(4, *SHAPE)
    fast = Compute(device="cpu", precision="float32", compile="always").wrap(module.embed)
    assert torch.equal(fast(pictures), module.embed(pictures))
    assert "not supported on this Python" in caplog.text


def test_float64_is_refused_on_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(CondensationError) as caught:
        Compute(device="mps", precision="float64").resolve()
    assert caught.value.setting == "compute.precision"


@pytest.mark.slow
def test_compiled_results_differ_only_by_rounding() -> None:
    plain = condense(dm(), images(), 2, compute=Compute(**CPU))  # type: ignore[arg-type]
    compiled = condense(dm(), images(), 2, compute=Compute(device="cpu", precision="float32", compile="always"))
    torch.testing.assert_close(compiled.images, plain.images, rtol=1e-3, atol=1e-4)
    again = condense(dm(), images(), 2, compute=Compute(device="cpu", precision="float32", compile="always"))
    assert torch.equal(compiled.images, again.images)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["no compiler", "a compiler without OpenMP"])
def test_a_broken_compiler_does_not_stop_the_run(trouble: str, tmp_path: Path) -> None:
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
    assert done.stderr.count("Compilation failed") == 1


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


def test_the_warning_of_a_toolkit_without_a_gpu_is_not_shown(caplog):
    Compute("cpu", "float32", compile="always").wrap(lambda images: images)
    logger = logging.getLogger("torch.utils.cpp_extension")
    logger.warning("No CUDA runtime is found, using CUDA_HOME='%s'", "/usr/local/cuda")
    logger.warning("another")
    assert [record.getMessage() for record in caplog.records if record.name == logger.name] == ["another"]
