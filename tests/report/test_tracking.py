"""Losses and pictures for TensorBoard, Weights & Biases and MLflow: with stand-ins, and with the packages where they are installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from condensation import Compute, MissingExtra, Track, condense
from condensation.cli import choices
from condensation.report.tracking import TRACKERS
from tests.small import CPU, dm, images

MODULES = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb", "mlflow": "mlflow"}
needs = {name: f"{name} is not installed: pip install '.[track]'" for name in MODULES}
other_warnings = pytest.mark.filterwarnings("ignore")  # those of the packages


class Calls:
    """Stand-in that keeps the calls of all of its methods."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *values, **options: self.calls.append((name, values, options))

    def of(self, name: str) -> list[tuple[Any, Any]]:
        return [(values, options) for called, values, options in self.calls if called == name]


def run(track: Track) -> list[float]:
    """Condense in four steps and return the losses."""
    losses: list[float] = []
    observers = [track, lambda info: losses.append(info.loss)]
    condense(dm(steps=4), images(), 1, compute=Compute(**CPU), observers=observers)  # type: ignore[arg-type]
    return losses[1:]


def stand_in(monkeypatch: pytest.MonkeyPatch, module: str, **content: Any) -> None:
    made = ModuleType(module)
    vars(made).update(content)
    monkeypatch.setitem(sys.modules, module, made)


def test_tensorboard_gets_every_loss_and_some_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writers = []

    def writer(folder: str, purge_step: int) -> Calls:
        Path(folder).mkdir()
        writers.append(Calls())
        assert purge_step == 1
        return writers[0]

    stand_in(monkeypatch, "torch.utils.tensorboard", SummaryWriter=writer)
    track = Track.tensorboard(tmp_path / "events")
    assert not (tmp_path / "events").exists()  # a rejected run must leave nothing
    losses = run(track)
    assert writers[0].of("add_scalar") == [(("loss", loss, step + 1), {}) for step, loss in enumerate(losses)]
    assert [(values[0], values[1].ndim, values[2], options) for values, options in writers[0].of("add_image")] == [
        ("images", 3, step, {"dataformats": "HWC"}) for step in range(5)
    ]
    assert writers[0].calls[-1][0] == "close"


def test_weights_and_biases_gets_every_loss_and_some_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, given = Calls(), []
    stand_in(monkeypatch, "wandb", init=lambda **settings: given.append(settings) or tracker, Image=lambda picture: picture.mode)
    losses = run(Track.wandb(project="clothes", mode="offline"))
    assert (given[0]["project"], given[0]["mode"], given[0]["config"]["name"], len(given)) == ("clothes", "offline", "dm", 1)
    logged = [(values[0], options["step"]) for values, options in tracker.of("log")]
    assert [each for each in logged if "loss" in each[0]] == [({"loss": loss}, step + 1) for step, loss in enumerate(losses)]
    assert [each for each in logged if "images" in each[0]] == [({"images": "RGB"}, step) for step in range(5)]
    assert tracker.calls[-1][0] == "finish"


def test_mlflow_gets_every_loss_and_some_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = Calls()
    names = ("start_run", "log_dict", "log_metric", "log_image", "end_run")
    stand_in(monkeypatch, "mlflow", **{name: getattr(tracker, name) for name in names})
    losses = run(Track.mlflow(run_name="clothes"))
    assert tracker.calls[0] == ("start_run", (), {"run_name": "clothes"})
    assert tracker.of("log_dict")[0][0][0]["steps"] == 4
    assert tracker.of("log_metric") == [(("loss", loss), {"step": step + 1}) for step, loss in enumerate(losses)]
    assert [options["step"] for _, options in tracker.of("log_image")] == [0, 1, 2, 3, 4]
    assert tracker.calls[-1][0] == "end_run"


@pytest.mark.slow
@other_warnings
def test_weights_and_biases_writes_files_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WANDB_SILENT", "true"), ("WANDB_ERROR_REPORTING", "false")):
        monkeypatch.setenv(name, value)
    pytest.importorskip("wandb", reason=needs["wandb"])
    run(Track.wandb(project="clothes", mode="offline", dir=str(tmp_path)))
    (logged,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert logged.stat().st_size > 0
    assert len(list(tmp_path.glob("wandb/offline-run-*/files/media/images/*.png"))) == 5


@pytest.mark.slow
@other_warnings
def test_mlflow_writes_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):  # before it is imported
        monkeypatch.setenv(name, "true")
    mlflow = pytest.importorskip("mlflow", reason=needs["mlflow"])
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    losses = run(Track.mlflow(run_name="clothes"))
    (metric,) = tmp_path.glob("mlruns/*/*/metrics/loss")
    assert [float(line.split()[1]) for line in metric.read_text().splitlines()] == pytest.approx(losses)
    assert len(list(tmp_path.glob("mlruns/*/*/artifacts/images/*.png"))) == 5


@pytest.mark.parametrize("name", TRACKERS)
def test_without_a_tracker_the_pip_command_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    with pytest.raises(MissingExtra) as error:
        TRACKERS[name](tmp_path)
    assert "pip install '.[track]'" in error.value.hint


def test_the_trackers_of_the_command_are_those_of_the_library() -> None:
    assert tuple(TRACKERS) == choices.TRACKERS
