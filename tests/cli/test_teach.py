"""``condense teach``, and the curriculum of a run of gtn."""

import json
import re

import pytest
import torch

from condensation import Compute, CondensedSet, Random, RunSettings, Schedule, TrainedGenerator, run
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from tests.small import CPU, gtn

COMPUTE = Compute(**CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a run of GTN."""
    folder = tmp_path_factory.mktemp("teaching") / "run"
    run(RunSettings(DataSettings("digits"), gtn(batch=10), ipc=2, evaluation=EvaluationSettings(0), compute=COMPUTE), folder)
    return folder


def test_the_set_of_a_run_has_its_schedule(folder):
    schedule = Schedule.from_card(CondensedSet.load(folder).card)
    assert (schedule.batch, len(schedule.lr)) == (10, 2)


def test_networks_are_tested_during_training(condense, folder):
    code, said, _ = condense("teach", folder, "--networks", 2, "--device", "cpu")
    assert code == 0
    assert re.findall(r"^│\s+(\d+) │\s+(\d+) │", said, re.MULTILINE) == [("0", "0"), ("1", "10"), ("2", "20")]
    assert "2 new convnets trained once on 20 synthetic images" in said


def test_a_run_of_gtn_suggests_teach(condense, tmp_path):
    settings = ["method.steps=1", "method.hidden=8", "method.channels=[4,3]", "method.learner.hidden=4", "evaluation.networks=0"]
    code, said, _ = condense("run", "-d", "digits", "-m", "gtn", "-i", 2, "-o", tmp_path / "run", *settings)
    assert code == 0
    assert f"teach {tmp_path / 'run'}" in "".join(said.split("\n"))


def test_json_has_every_number(condense, folder):
    scores = json.loads(condense("teach", folder, "-n", 3, "--points", 1, "--device", "cpu", "--json")[1])
    assert (scores["steps"], scores["images"], scores["count"], scores["lessons"]) == ([0, 2], [0, 20], 3, 20)
    assert scores["learner"]["name"] == "convnet"
    assert scores["learner"]["width"] == 4


def test_another_network_can_be_trained(condense, folder):
    scores = json.loads(condense("teach", folder, "-n", 1, "--network", "mlp", "--device", "cpu", "--json")[1])
    assert scores["learner"]["name"] == "mlp"


def test_a_set_of_another_method_has_no_curriculum(condense, tmp_path):
    run(RunSettings(DataSettings("digits"), Random(), ipc=1, evaluation=EvaluationSettings(0), compute=COMPUTE), tmp_path / "run")
    code, _, errors = condense("teach", tmp_path / "run")
    assert code == 2
    assert "gtn" in errors


def test_samples_of_the_generator_have_no_curriculum(condense, folder, tmp_path):
    generator = TrainedGenerator.load(folder)
    drawn = generator.sample(3, compute=COMPUTE)
    assert drawn.images.images.abs().max() <= 2  # what a network sees, as the generator makes it
    assert not torch.isclose(drawn.images.images[:1], CondensedSet.load(folder).images.images).all(dim=(1, 2, 3)).any()
    drawn.save(tmp_path / "drawn.safetensors")
    assert condense("teach", tmp_path / "drawn.safetensors")[0] == 2
