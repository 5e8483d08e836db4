"""Recipes, training and accuracies."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from condensation import DSA, CondensationError, ConvNet, ImageSet, Recipe, Rng, train
from condensation.augment.cutmix import cutmix
from condensation.core.form import Tiles
from condensation.core.soft_labels import SoftLabels
from condensation.training.epoch_window import EpochWindow
from condensation.training.stacked import SingleModel
from condensation.training.train import class_accuracies, optimizer_of, train_epoch, train_together
from tests.small import images

NETWORK = ConvNet(width=4)


def trained(recipe: Recipe, data: ImageSet, seed: int = 0):  # type: ignore[no-untyped-def]
    network = NETWORK.build(data.shape, data.num_classes, Rng(seed))
    train(network, data, recipe, Rng(seed).child("train"))
    return network


def written_out(data: ImageSet, epochs: int, lr_drop_epoch: int, new_optimizer: bool):  # type: ignore[no-untyped-def]
    """The same training with explicit SGD updates."""
    network = NETWORK.build(data.shape, data.num_classes, Rng(0))
    parameters = list(network.parameters())
    velocity = [torch.zeros_like(p) for p in parameters]
    lr, started = 0.01, False
    for epoch in range(epochs):
        if epoch == lr_drop_epoch:
            lr = 0.01 / 10
            if new_optimizer:
                velocity, started = [torch.zeros_like(p) for p in parameters], False
        order = Rng(0).child("train", "order", epoch).permutation(len(data))
        for indices in order.split(5):
            loss = F.cross_entropy(network(data.inputs(indices)), data.labels[indices])
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for p, g, v in zip(parameters, gradients, velocity, strict=True):
                    v.mul_(0.9 if started else 0).add_(g + 5e-4 * p)
                    p.sub_(lr * v)
            started = True
    return network


@pytest.mark.parametrize(
    ("recipe", "epochs", "lr_drop_epoch", "new_optimizer"),
    [
        (replace(Recipe(epochs=6), batch=5, augmentation=None), 6, 3, False),
        (replace(Recipe.paper(6), batch=5, augmentation=None), 7, 5, True),
    ],
    ids=["clean", "paper"],
)
def test_training_is_sgd_with_one_drop(recipe: Recipe, epochs: int, lr_drop_epoch: int, new_optimizer: bool) -> None:
    data = images(per_class=6)
    network = trained(recipe, data)
    expected = written_out(data, epochs, lr_drop_epoch, new_optimizer)
    for mine, theirs in zip(network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_the_paper_recipe_has_one_epoch_more_and_drops_two_later() -> None:
    paper, clean = Recipe.paper(), Recipe()
    assert (paper.epochs, paper.drop_epoch, paper.reset_momentum) == (1001, 502, True)
    assert (clean.epochs, clean.drop_epoch, clean.reset_momentum) == (1000, 500, False)
    assert (paper.lr, paper.momentum, paper.weight_decay, paper.batch) == (0.01, 0.9, 5e-4, 256)


def test_the_seed_decides_the_network() -> None:
    data, recipe = images(), Recipe(epochs=2)
    first, second, other = (trained(recipe, data, seed).classifier.weight for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_networks_learn_and_accuracies_are_per_class() -> None:
    data = images(per_class=[20, 10, 30])
    network = trained(Recipe(epochs=40, augmentation=None), data)
    accuracies = class_accuracies(SingleModel(network), data, chunk=7)[0]
    network.eval()
    right = (network(data.inputs()).argmax(1) == data.labels).double()
    torch.testing.assert_close(accuracies, torch.stack([part.mean() for part in right.split([20, 10, 30])]))
    assert accuracies.mean() > 0.9


def test_raw_and_preprocessed_images_train_alike() -> None:
    raw = images()
    ready = replace(raw, images=raw.inputs())
    one, other = trained(Recipe(epochs=2), raw), trained(Recipe(epochs=2), ready)
    assert torch.equal(one.classifier.weight, other.classifier.weight)


@pytest.mark.parametrize(
    "settings", [{"epochs": 0}, {"batch": 0}, {"lr": 0.0}, {"momentum": -1.0}, {"weight_decay": -1.0}, {"lr_drop_epoch": -3}]
)
def test_an_invalid_recipe_setting_is_named(settings: dict[str, float]) -> None:
    (name,) = settings
    with pytest.raises(CondensationError) as raised:
        Recipe(**settings)  # type: ignore[arg-type]
    assert raised.value.setting == f"recipe.{name}"


@pytest.mark.parametrize("soft", [False, True], ids=["classes", "soft labels"])
def test_microbatches_give_the_same_training(soft: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = images(per_class=8)
    if soft:
        data = replace(data, soft_labels=SoftLabels(torch.rand(24, 3, generator=torch.Generator().manual_seed(0))))

    def learned(pieces: tuple[int, int]):  # type: ignore[no-untyped-def]
        monkeypatch.setattr("condensation.core.microbatch.LEARNED_PIXELS", tuple(256 * size for size in pieces))
        model, told = SingleModel(NETWORK.build(data.shape, 3, Rng(0)).double()), []
        recipe = Recipe(batch=12)
        tell = lambda places, logits: told.append((places, logits))  # noqa: E731
        _, loss = train_epoch(model, [data], recipe, [Rng(1)], optimizer_of(model, recipe), 0, tell)
        return [*model.parameters(), loss, *(one for of_batch in told for one in of_batch)]

    counts = []
    forward = SingleModel.forward_each
    monkeypatch.setattr(SingleModel, "forward_each", lambda self, batch: (counts.append(batch.shape[1]), forward(self, batch))[1])
    for whole, ours in zip(learned((16, 63)), learned((2, 5)), strict=True):
        assert torch.allclose(whole.double(), ours.double(), rtol=1e-9, atol=1e-12)
    assert counts == [12] * 2 + [4] * 6


# -- epoch windows


def test_an_epoch_window_shows_all_images_before_any_again():
    whole = images([5, 6, 9])
    passing = EpochWindow(whole, 8, Rng(0))
    assert len(passing) == 8
    epochs = [passing.for_epoch(epoch) for epoch in range(5)]  # two passes through 20 images
    assert [len(one) for one in epochs] == [8] * 5
    seen = [bytes(image.numpy().data) for one in epochs for image in one.images]
    assert sorted(seen) == sorted(2 * [bytes(image.numpy().data) for image in whole.images])
    assert all(torch.equal(one.labels, one.labels.sort().values) for one in epochs)


def test_an_epoch_window_depends_on_epoch_and_stream_only():
    whole = images([5, 6, 9])
    again = EpochWindow(whole, 8, Rng(0)).for_epoch(3)
    assert torch.equal(again.images, EpochWindow(whole, 8, Rng(0)).for_epoch(3).images)
    assert not torch.equal(again.images, EpochWindow(whole, 8, Rng(1)).for_epoch(3).images)


def test_training_on_an_epoch_window_equals_training_on_its_epochs():
    whole, recipe = images([5, 6, 9]), Recipe(epochs=4, batch=4, lr_drop_epoch=2)
    passing = EpochWindow(whole, 8, Rng(7))
    network, plain = (ConvNet(width=4).build(whole.shape, 3, Rng(1)) for _ in range(2))
    train_together(SingleModel(network), [passing], recipe, [Rng(2)])
    model = SingleModel(plain)
    optimizer = optimizer_of(model, recipe)
    for epoch in range(4):
        optimizer, _ = train_epoch(model, [passing.for_epoch(epoch)], recipe, [Rng(2)], optimizer, epoch)
    for one, other in zip(network.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)


def test_two_drops_divide_the_learning_rate_by_five_twice() -> None:
    recipe = Recipe(epochs=12, lr=1.0, schedule="two-drops")
    torch.testing.assert_close(torch.tensor([recipe.lr_at(epoch) for epoch in range(12)]), torch.tensor([1.0] * 8 + [0.2] * 2 + [0.04] * 2))


def test_cosine_falls_from_the_learning_rate_towards_zero() -> None:
    recipe = Recipe(epochs=10, lr=2.0, schedule="cosine")
    rates = [recipe.lr_at(epoch) for epoch in range(10)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 2.0
    assert rates[5] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 - math.cos(math.pi / 10))


def test_the_optimizer_uses_the_rate_of_the_schedule() -> None:
    data, model = images(per_class=2), SingleModel(NETWORK.build((3, 16, 16), 3, Rng(0)))
    recipe = Recipe(epochs=6, lr=1.0, schedule="two-drops", augmentation=None)
    optimizer = optimizer_of(model, recipe)
    for epoch in (0, 4, 5):
        optimizer, _ = train_epoch(model, [data], recipe, [Rng(0)], optimizer, epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx({0: 1.0, 4: 0.2, 5: 0.04}[epoch])


def test_adamw_decays_weights_apart_from_the_gradient() -> None:
    data = images(per_class=2)
    network, expected = (NETWORK.build(data.shape, 3, Rng(0)) for _ in range(2))
    adamw = Recipe(epochs=1, lr=0.1, batch=6, optimizer="adamw", weight_decay=0.5, augmentation=None, schedule="cosine")
    train(network, data, adamw, Rng(1))
    optimizer = torch.optim.AdamW(expected.parameters(), lr=0.1, weight_decay=0.5)
    F.cross_entropy(expected(data.inputs()), data.labels).backward()
    clear = [parameter.grad.abs() > 1e-4 for parameter in expected.parameters() if parameter.grad is not None]
    optimizer.step()
    for ours, theirs, where in zip(network.parameters(), expected.parameters(), clear, strict=True):
        torch.testing.assert_close(ours[where], theirs[where], rtol=1e-3, atol=1e-4)  # the first update is the sign of the gradient
    assert sum(int(where.sum()) for where in clear) > 100


def test_cutmix_trains_on_mixed_images_and_targets() -> None:
    data, rng = images(per_class=2), Rng(1)
    recipe = Recipe(epochs=1, batch=6, lr_drop_epoch=1, augmentation=None, cutmix=1.0)
    network, expected = (NETWORK.build(data.shape, 3, Rng(0)) for _ in range(2))
    train(network, data, recipe, rng)
    order = rng.child("order", 0).permutation(6)
    mixed, targets = cutmix(data.inputs(order), data.labels[order], [rng.child("cutmix", 0, 0)], 1.0, 3)
    assert not torch.equal(mixed, data.inputs(order))
    F.cross_entropy(expected(mixed), targets).backward()
    optimizer = torch.optim.SGD(expected.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    optimizer.step()
    for ours, theirs in zip(network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_recipe_with_cutmix_is_that_of_idc() -> None:
    recipe = Recipe.with_cutmix()
    assert (recipe.epochs, recipe.batch, recipe.lr, recipe.momentum, recipe.weight_decay) == (1000, 64, 0.01, 0.9, 5e-4)
    assert (recipe.schedule, recipe.optimizer, recipe.cutmix) == ("two-drops", "sgd", 0.5)
    assert recipe.augmentation == DSA(operations=("crop", "scale", "rotate"), always=("color", "flip"))


def test_a_set_with_a_form_is_trained_on_as_seen() -> None:
    stored = replace(images(per_class=2), images=images(per_class=2).inputs(), form=Tiles(2))
    recipe = Recipe(epochs=2, batch=5)
    for ours, theirs in zip(trained(recipe, stored).parameters(), trained(recipe, stored.decoded()).parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_set_that_was_not_decoded_is_never_trained_on() -> None:
    stored = replace(images(per_class=2), images=images(per_class=2).inputs(), form=Tiles(2))
    model = SingleModel(NETWORK.build(stored.shape, 3, Rng(0)))
    with pytest.raises(AssertionError):
        train_together(model, [stored], Recipe(epochs=1), [Rng(0)])


@pytest.mark.parametrize(
    ("recipe", "changed"),
    [
        (Recipe.paper(), Recipe.paper(30)),
        (Recipe(), Recipe(epochs=30)),
        (Recipe(epochs=10, lr_drop_epoch=4), Recipe(epochs=30, lr_drop_epoch=4)),
        (Recipe(epochs=10, lr_drop_epoch=10), Recipe(epochs=30, lr_drop_epoch=30)),  # never
    ],
)
def test_the_drop_fits_other_epochs(recipe: Recipe, changed: Recipe) -> None:
    assert recipe.with_epochs(30) == changed


def test_published_epochs_are_stated_as_they_were_asked_for():
    assert [recipe.stated_epochs for recipe in (Recipe.paper(30), Recipe.paper(), Recipe(31), Recipe.quick())] == [30, 1000, 31, 200]
