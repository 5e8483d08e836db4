"""Events for TensorBoard, with a stand-in for its writer."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from condensation import Compute, MissingExtra, condense
from condensation.report.tensorboard import TensorBoard
from tests.small import CPU, dm, images


class Writer:
    """Stand-in for SummaryWriter that keeps its arguments."""

    def __init__(self, folder: str, purge_step: int) -> None:
        assert purge_step == 1
        Path(folder).mkdir()
        self.losses: list[tuple[float, int]] = []
        self.pictures: list[tuple[tuple[int, ...], int]] = []
        self.flushed = 0

    def add_scalar(self, name: str, value: float, step: int) -> None:
        assert name == "loss"
        self.losses.append((value, step))

    def add_image(self, name: str, picture: Any, step: int, dataformats: str) -> None:
        assert dataformats == "HWC"
        self.pictures.append((picture.shape, step))

    def flush(self) -> None:
        self.flushed += 1


def test_every_loss_and_some_pictures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    board = TensorBoard(tmp_path / "events")
    assert not (tmp_path / "events").exists()  # a refused run must leave nothing
    losses: list[float] = []
    condense(dm(steps=4), images(), 1, compute=Compute(**CPU), observers=[board, lambda m: losses.append(m.loss or 0)])  # type: ignore[arg-type]
    writer: Writer = board._writer
    assert writer.losses == [(loss, step + 1) for step, loss in enumerate(losses[1:])]
    assert [step for _, step in writer.pictures] == [0, 1, 2, 3, 4]
    assert writer.flushed == 1


def test_without_tensorboard_the_pip_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra) as error:
        TensorBoard(tmp_path)
    assert "pip install '.[track]'" in error.value.hint
