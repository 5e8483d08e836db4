"""Privacy study: the membership attack, the search for copies, and the report."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from condensation import (
    DM,
    CondensationError,
    CondensedSet,
    ConvNet,
    DataSettings,
    Fresh,
    Privacy,
    Recipe,
    Release,
    Rng,
    RunSettings,
    condense,
)
from condensation.cli.pages.report import write_report
from condensation.core.plain import to_dict
from condensation.methods.random import Random
from condensation.studies.estimate import plan_study
from condensation.studies.privacy.copies import find_copies, nearer_to_training, worst
from condensation.studies.privacy.lira import auc, lira_scores, rate_at, roc
from condensation.studies.privacy.pool import make_pool
from condensation.studies.privacy.settings import ARMS, PrivacySettings
from condensation.studies.privacy.shadows import logit_confidence, nearest_distance
from condensation.studies.registry import PRIVACY

DATA = DataSettings("digits", preprocessing="centered")
SETTINGS = PrivacySettings(
    data=DATA,
    shadows=4,
    images=200,
    canaries=20,
    ipc=2,
    steps=2,
    privacy=Privacy(epsilon=1.0, networks=2),
    spec=ConvNet(width=4),
    recipe=Recipe(epochs=2),
)


@pytest.fixture(scope="module")
def digits():
    return DATA.load()


@pytest.fixture(scope="module")
def pool(digits):
    return make_pool(digits.train, 200, 20, 0)


def shadow_values(leak, shadows=32, count=400):
    """Scores of images that are higher by ``leak`` standard deviations in shadows that have them, around a level of each image."""
    generator = np.random.default_rng(0)
    members = generator.random((shadows, count)) < 0.5
    level = 5 * generator.standard_normal(count)
    return level + generator.standard_normal((shadows, count)) + leak * members, members


def test_the_attack_finds_a_leak_that_thresholds_of_all_images_would_miss():
    values, members = shadow_values(leak=4.0)
    scores = lira_scores(values, members)
    assert auc(scores.ravel(), members.ravel()) > 0.98
    assert auc(values.ravel(), members.ravel()) < 0.75  # without the level of each image
    assert rate_at(scores.ravel(), members.ravel(), 0.01).value > 0.7


def test_the_attack_finds_nothing_where_nothing_leaks():
    values, members = shadow_values(leak=0.0)
    scores = lira_scores(values, members).ravel()
    assert auc(scores, members.ravel()) == pytest.approx(0.5, abs=0.03)
    rate = rate_at(scores, members.ravel(), 0.01)
    assert rate.low - 0.01 < 0.01 < rate.high + 0.01


def plain_score(values, members, target, image):
    """Log-likelihood ratio of one image and one target, by a plain loop over the other shadows."""
    ratio = 0.0
    for inside, sign in ((True, 1), (False, -1)):
        residuals, center, images = [], None, 0
        for column in range(values.shape[1]):
            rows = [row for row in range(len(values)) if row != target and members[row, column] == inside]
            middle = float(np.median([values[row, column] for row in rows]))
            residuals += [values[row, column] - middle for row in rows]
            images += 1
            center = middle if column == image else center
        spread = np.sqrt(sum(each**2 for each in residuals) / (len(residuals) - images))
        ratio += sign * (-((values[target, image] - center) ** 2) / (2 * spread**2) - np.log(spread))
    return ratio


def test_scores_equal_those_of_a_plain_loop_without_the_target():
    values, members = shadow_values(leak=1.0, shadows=10, count=5)
    scores = lira_scores(values, members)
    for target, image in ((0, 0), (4, 3), (9, 4)):
        assert scores[target, image] == pytest.approx(plain_score(values, members, target, image))


def test_an_image_without_a_shadow_on_both_sides_has_no_score():
    members = np.array([[True, True], [True, False], [True, True], [True, False]])
    scores = lira_scores(np.arange(8.0).reshape(4, 2), members)
    assert np.isnan(scores[:, 0]).all()
    assert np.isfinite(scores[:, 1]).all()


def test_the_curve_counts_equal_scores_once():
    false, true = roc(np.array([2.0, 1.0, 1.0, 0.0]), np.array([True, True, False, False]))
    assert false.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert true.tolist() == [0.0, 0.5, 1.0, 1.0]


def test_a_rate_that_the_images_cannot_resolve_is_marked():
    scores, members = np.arange(100.0), np.arange(100) % 2 == 0
    assert not rate_at(scores, members, 0.001).resolved
    assert rate_at(scores, members, 0.1).resolved


def test_canaries_have_wrong_labels_or_no_object(digits, pool):
    assert [(pool.kinds == kind).sum() for kind in range(3)] == [200, 10, 10]
    known = {bytes(image.numpy().tobytes()): int(label) for image, label in zip(digits.train.images, digits.train.labels, strict=True)}
    labels = [known.get(bytes(image.numpy().tobytes())) for image in pool.images.images]
    for kind, label, true in zip(pool.kinds, pool.images.labels.tolist(), labels, strict=True):
        assert {0: true == label, 1: true is not None and true != label, 2: true is None}[int(kind)]


def test_halves_are_random_and_repeatable(pool):
    first, second = pool.members(0), pool.members(1)
    assert 0.35 < first.mean() < 0.65
    assert (first != second).any()
    assert (first == pool.members(0)).all()


def test_sets_from_real_images_begin_with_the_images_that_the_study_says(pool):
    half = pool.half(2)
    for method in (Random(), DM(steps=0, start="real", networks=Fresh(ConvNet(width=2)))):
        made = condense(method, half, 3, seed=2)
        assert torch.equal(made.inputs(), pool.images.inputs(torch.from_numpy(pool.starts(2, 3))))
    distances = nearest_distance(pool.images, made)
    assert (distances[torch.from_numpy(pool.starts(2, 3))] < 1e-2).all()


def test_confidence_is_the_logit_of_the_probability(pool):
    network = ConvNet(width=4).build(pool.images.shape, 10, Rng(0)).eval()
    with torch.no_grad():
        probability = network(pool.images.inputs()).double().softmax(1)[torch.arange(len(pool.images)), pool.images.labels]
    assert torch.allclose(logit_confidence(network, pool.images), torch.log(probability / (1 - probability)), atol=1e-4)


def test_copies_are_found(digits):
    train = digits.train
    exact = CondensedSet(condense(Random(), train, 3))
    record = find_copies(exact, digits, ConvNet(width=4), "exact")
    assert len(record.images) == 30
    assert all(copy.to_train < 1e-3 or copy.train >= 0 for copy in record.images)
    found = [copy for copy in record.images if copy.to_train < 1e-3]
    assert found
    assert worst(record)[0].ratio < 0.01


def test_images_that_are_no_copies_have_ratios_near_one(digits):
    held_out = replace(digits.train, images=digits.train.images.flip(2))  # turned digits are nobody's copies
    record = find_copies(CondensedSet(condense(Random(), held_out, 3)), digits, ConvNet(width=4), "turned")
    near, count = nearer_to_training(record)
    assert 0.2 * count < near < 0.8 * count
    assert min(copy.ratio for copy in record.images) > 0.5


def test_the_distance_to_the_own_start_is_known(digits):
    method = DM(steps=1, lr=1e-9, batch_per_class=4, start="real", networks=Fresh(ConvNet(width=4)))
    settings = RunSettings(DATA, method, ipc=2, seed=3)
    card = {"settings": to_dict(settings), "data": {"fingerprint": digits.train.fingerprint()}}
    record = find_copies(CondensedSet(condense(method, digits.train, 2, seed=3), card), digits, ConvNet(width=4), "set")
    assert max(copy.to_start for copy in record.images) < 1e-3


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("privacy")
    made = condense(Random(), DATA.load().train, 2)
    CondensedSet(made, {"settings": {"data": to_dict(DATA)}}).save(folder / "set.safetensors")
    settings = replace(SETTINGS, set=str(folder / "set.safetensors"))
    assert PRIVACY.run(settings, folder / "study") == {}
    return settings, folder / "study"


def test_a_study_has_all_arms_and_both_attacks(finished):
    _, folder = finished
    report = PRIVACY.read(folder)
    assert report.missing == ""
    arms = {(row[0], row[1]) for row in report.rows}
    assert arms == {(arm, "networks") for arm in SETTINGS.arms} | {(arm, "the set") for arm in SETTINGS.arms if arm != "whole"}
    assert any("Fewer than 64 shadows" in note for note in report.notes)
    assert {path.name for path in folder.glob("*.png")} == {"roc.png", "copies.png"}
    record = json.loads((folder / "privacy.json").read_text())
    assert len(record["copies"]["images"]) == 20
    assert (folder / "privacy.md").read_text().startswith("# ")


@pytest.mark.slow
def test_a_study_is_resumed_and_may_get_more_shadows(finished):
    settings, folder = finished
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "shadows").iterdir()}
    (folder / "shadows" / "random-1.safetensors").unlink()
    assert PRIVACY.read(folder).missing == ""  # the report still tells its result
    (folder / "privacy.json").unlink()
    assert "1 shadow" in PRIVACY.read(folder).missing
    PRIVACY.run(settings, folder)
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "shadows").iterdir()}
    assert [name for name in after if after[name] != before[name]] == ["random-1.safetensors"]


def test_a_plan_names_what_is_missing_and_makes_nothing(finished, tmp_path, monkeypatch):
    settings, folder = finished
    monkeypatch.setattr(Release, "of", lambda *_, **__: pytest.fail("a plan must spend no epsilon"))
    parts = dict(plan_study(PRIVACY, replace(settings, arms=("random", "dm-private")), tmp_path).parts)
    assert list(parts) == ["4 shadows of random", "4 shadows of dm-private", "the search for copies"]
    assert all(seconds > 0 for seconds in parts.values())
    assert not list(tmp_path.iterdir())
    assert plan_study(PRIVACY, settings, folder).parts == ()
    (part,) = plan_study(PRIVACY, replace(settings, shadows=5, arms=("random",)), folder).parts
    assert part[0] == "1 shadow of random"


def test_the_command_plans_a_study(condense, tmp_path, finished):
    words = ("-d", "digits", "--ipc", 1, "--arms", "random,dm-noise", "images=100", "canaries=0", "spec.width=2", "recipe.epochs=1")
    code, printed, _ = condense("privacy", *words, "--shadows", 4, "--out", tmp_path / "study", "--dry-run")
    assert code == 0
    assert "4 shadows of random" in printed
    assert not (tmp_path / "study").exists()


def test_a_report_without_its_shadows_is_read_from_its_numbers(finished, tmp_path):
    _, folder = finished
    for name in ("privacy.json", "settings.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    alone, whole = PRIVACY.read(tmp_path), PRIVACY.read(folder)
    assert (alone.rows, alone.blocks, alone.notes, alone.missing) == (whole.rows, whole.blocks, whole.notes, whole.missing)
    assert alone.json["copies"] == whole.json["copies"]


def test_a_page_shows_the_curves_of_all_arms(finished):
    _, folder = finished
    networks, sets = PRIVACY.read(folder).charts()
    assert [each.label for each in networks.series] == [*ARMS.values(), "guessing"]
    assert [each.label for each in sets.series] == [text for arm, text in ARMS.items() if arm != "whole"] + ["guessing"]
    page, problems = write_report([folder])
    assert not problems
    assert page.read_text().count('<figure class="chart">') == 2


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"shadows": 3}, "shadows"),
        ({"arms": ("nonsense",)}, "arms"),
        ({"arms": ("random", "random")}, "arms"),
        ({"images": 1}, "images"),
    ],
)
def test_unusable_settings_are_refused(changes, setting):
    with pytest.raises(CondensationError) as error:
        replace(SETTINGS, **changes)
    assert error.value.setting == setting


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"ipc": 50}, "images"),
        ({"images": 40, "ipc": 1, "shadows": 16}, "images"),
        ({"data": DataSettings("digits")}, "data.preprocessing"),
    ],
)
def test_settings_that_do_not_fit_the_images_are_refused(changes, setting, tmp_path):
    with pytest.raises(CondensationError) as error:
        PRIVACY.run(replace(SETTINGS, **changes), tmp_path / "study")
    assert error.value.setting == setting
