"""Runs with differential privacy: what they record, show and evaluate, and releases that are used again."""

import json
from dataclasses import replace

import pytest
import torch

from condensation import (
    DM,
    CondensationError,
    CondensedSet,
    ConvNet,
    DataSettings,
    EvaluationSettings,
    Fresh,
    Privacy,
    Random,
    Recipe,
    Release,
    RunSettings,
    from_arrays,
    run,
)
from condensation.cli.pages import run_article
from condensation.cli.pages.report import write_report, write_report_of_run
from condensation.core.form import Frequencies, Tiles
from condensation.runs.estimate import plan_run
from condensation.runs.evaluate_saved import EvaluateSettings, evaluate_saved, planned_trainings
from condensation.runs.presets import settings_from
from condensation.runs.ridge_saved import RidgeSettings, planned_regressions, ridge_saved
from condensation.runs.saved_set import real_images

METHOD = DM(steps=2, privacy=Privacy(epsilon=1.0, networks=2), networks=Fresh(ConvNet(width=4)))
EVALUATION = EvaluationSettings(networks=1, network=ConvNet(width=4), recipe=Recipe(epochs=2))
SETTINGS = RunSettings(DataSettings("digits", preprocessing="centered"), METHOD, ipc=2, evaluation=EVALUATION)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private") / "run"
    return run(SETTINGS, folder)


def test_the_card_states_the_guarantee(done):
    privacy = CondensedSet.load(done.folder).card["privacy"]
    names = {"epsilon", "delta", "relation", "labels", "clip", "networks", "sigma", "accountant", "not_covered", "release"}
    assert names <= privacy.keys()
    assert privacy["epsilon"] == 1.0
    assert privacy["relation"] == "add or remove one image"
    assert privacy["accountant"].startswith("PLD (dp-accounting ")
    assert privacy["release"] == Release.load(done.folder / "release.safetensors").digest
    assert any("chosen by looking at the data" in line for line in privacy["not_covered"])


def test_nothing_recorded_is_a_statistic_of_the_images(done):
    data = SETTINGS.data.load()
    card = CondensedSet.load(done.folder).card
    assert card["data"].keys() == {"name", "note", "read", "images"}
    assert card["data"]["read"].keys() == {"parts", "shape"}
    texts = {path.name: path.read_bytes() for path in done.folder.iterdir() if path.is_file()}
    for digest in (data.train.fingerprint(), data.train.select([0]).fingerprint()):
        assert not [name for name, content in texts.items() if digest.encode() in content]
    assert all(line.keys() <= {"step", "loss", "seconds", "memory"} for line in map(json.loads, texts["log.jsonl"].splitlines()))


def test_no_real_image_is_evaluated_or_shown(done):
    assert list(done.scores.sets) == ["dm"]
    settings = json.loads((done.folder / "settings.json").read_text())["settings"]
    assert settings["show_real"] is settings["baseline"] is False
    real, reason = real_images(done.condensed)
    assert real is None
    assert "privacy" in reason
    page, problems = write_report([done.folder])
    assert not problems
    assert "(1, 1e-05)-differential privacy" in page.read_text()


@pytest.mark.parametrize("at_hand", [True, False])
def test_no_real_image_is_on_the_page_of_a_run(done, at_hand, monkeypatch):
    drawn = []
    gallery = run_article.gallery
    monkeypatch.setattr(run_article, "gallery", lambda sets, real, *rest: drawn.append(real) or gallery(sets, real, *rest))
    assert write_report_of_run(done.folder, SETTINGS.data.load().train if at_hand else None)
    assert drawn == [None]


@pytest.mark.parametrize(
    ("work", "settings", "named"),
    [
        (evaluate_saved, EvaluateSettings(random=1, evaluation=EVALUATION), "random"),
        (evaluate_saved, EvaluateSettings(whole=True, evaluation=EVALUATION), "whole"),
        (planned_trainings, EvaluateSettings(random=1, evaluation=EVALUATION), "random"),
        (ridge_saved, RidgeSettings(random=1), "random"),
        (planned_regressions, RidgeSettings(random=1), "random"),
    ],
)
def test_real_images_beside_a_saved_set_are_refused_by_its_name(done, work, settings, named, monkeypatch):
    monkeypatch.setattr(DataSettings, "load", lambda *_: pytest.fail("this would read the real images"))
    with pytest.raises(CondensationError) as error:
        work(settings, [done.folder])
    assert error.value.setting == named
    assert error.value.message.startswith(f"{done.folder} has differential privacy")


@pytest.mark.parametrize(("work", "settings"), [(evaluate_saved, EvaluateSettings(evaluation=EVALUATION)), (ridge_saved, RidgeSettings())])
def test_a_saved_set_is_not_evaluated_on_held_out_training_images(done, work, settings, monkeypatch):
    train = SETTINGS.data.load().train
    data = from_arrays(train.images, train.labels, preprocessing="centered", flip_invariant=False)
    monkeypatch.setattr(DataSettings, "load", lambda *_: data)
    with pytest.raises(CondensationError) as error:
        work(settings, [done.folder])
    assert error.value.setting == "data.test"


def test_a_saved_set_is_evaluated_alone(done):
    assert list(evaluate_saved(EvaluateSettings(evaluation=EVALUATION), [done.folder]).sets) == [str(done.folder)]


def test_the_command_refuses_real_images_and_draws_none(done, condense, tmp_path):
    code, _, errors = condense("evaluate", done.folder, "--random", 1)
    assert (code, "Leave out --random" in errors) == (2, True)
    open_set = replace(done.condensed, card={name: part for name, part in done.condensed.card.items() if name != "privacy"})
    open_set.save(tmp_path / "open.safetensors")
    code, printed, _ = condense("show", tmp_path / "open.safetensors", done.folder, "--out", tmp_path / "both.png")
    assert code == 0
    assert "Without real images: the set has differential privacy" in " ".join(printed.split())


def test_noised_counts_are_not_recorded(tmp_path):
    private = replace(METHOD, privacy=Privacy(epsilon=1.0, networks=1, counts="noised"))
    done = run(replace(SETTINGS, method=private, evaluation=EvaluationSettings(networks=0)), tmp_path / "run")
    assert "images" not in done.condensed.card["data"]
    assert done.condensed.card["data"]["read"]["parts"] == {}


def test_a_release_makes_other_sets_at_no_further_epsilon(done, tmp_path, monkeypatch):
    monkeypatch.setattr(Release, "of", lambda *_, **__: pytest.fail("this would spend epsilon again"))
    other = replace(SETTINGS, ipc=5, seed=3, method=replace(METHOD, steps=3), evaluation=EvaluationSettings(networks=0))
    again = run(other, tmp_path / "run", release=done.folder / "release.safetensors")
    assert again.condensed.images.counts[0] == 5
    assert again.condensed.card["privacy"] == done.condensed.card["privacy"]
    grown = run(replace(other, method=replace(METHOD, steps=4)), tmp_path / "run", resume=True)
    assert not torch.equal(grown.condensed.images.images, again.condensed.images.images)


def test_a_release_of_other_data_is_refused_by_name(done, tmp_path):
    other = replace(SETTINGS, data=DataSettings("fashion-mini", preprocessing="centered", size=8))
    with pytest.raises(CondensationError) as error:
        run(other, tmp_path / "run", release=done.folder / "release.safetensors")
    assert "'digits' there, 'fashion-mini' here" in error.value.message
    assert not (tmp_path / "run" / "set.safetensors").exists()


def test_a_release_for_a_method_without_privacy_is_refused(done, tmp_path):
    with pytest.raises(CondensationError) as error:
        run(replace(SETTINGS, method=Random()), tmp_path / "run", release=done.folder / "release.safetensors")
    assert error.value.setting == "release"


def test_held_out_training_images_are_not_evaluated(tmp_path):
    train = SETTINGS.data.load().train
    data = from_arrays(train.images, train.labels, preprocessing="centered", flip_invariant=False)
    with pytest.raises(CondensationError) as error:
        run(SETTINGS, tmp_path / "run", data=data)
    assert error.value.setting == "evaluation.networks"


def test_a_plan_spends_no_epsilon(monkeypatch):
    monkeypatch.setattr(Release, "of", lambda *_, **__: pytest.fail("a plan must not look at the images"))
    data = SETTINGS.data.load()
    plan = plan_run(SETTINGS, data)
    assert [(part.name, part.text) for part in plan.parts][:2] == [
        ("releasing sums", "noisy sums of 2 networks"),
        ("condensing", "condensing 2 steps"),
    ]
    assert all(part.seconds and part.seconds > 0 for part in plan.parts)
    assert "releasing sums" not in [part.name for part in plan_run(SETTINGS, data, released=True).parts]


def test_privacy_replaces_what_a_preset_would_look_at():
    settings = settings_from(options={"data.source": "fashion-mini"}, overrides=["method.privacy.epsilon=2"])
    assert settings.method.start == "noise"
    assert isinstance(settings.method.networks, Fresh)
    assert settings.data.preprocessing == "centered"
    assert settings.method.privacy.epsilon == 2.0
    assert settings.method.form == Tiles(2)


@pytest.mark.parametrize(("name", "ipc", "form"), [("fast", 1, Frequencies(16)), ("fast", 50, None), ("classic", 10, None)])
def test_a_private_set_has_the_form_of_the_preset(name, ipc, form):
    settings = settings_from(preset=name, options={"data.source": "fashion-mini", "ipc": ipc}, overrides=["method.privacy.epsilon=2"])
    assert settings.method.form == form


@pytest.mark.parametrize(
    ("override", "setting"),
    [
        ("method.start=real", "method.start"),
        ("method.networks=trained", "method.networks"),
        ("data.preprocessing=standardize", "data.preprocessing"),
        ("method.privacy.delta=2", "method.privacy.delta"),
    ],
)
def test_what_privacy_excludes_is_refused_before_the_images_are_read(override, setting):
    with pytest.raises(CondensationError) as error:
        settings_from(options={"data.source": "digits"}, overrides=["method.privacy.epsilon=1", override])
    assert error.value.setting == setting
