"""Sets with soft labels: sorted, selected and joined with their images, and trained by the loss of the labels."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from condensation import (
    Compute,
    CondensationError,
    CondensedSet,
    ConvNet,
    ImageSet,
    Random,
    Recipe,
    Rng,
    SoftLabels,
    condense,
    evaluate,
    train,
)
from condensation.core.soft_labels import LOSSES, centred
from condensation.core.tensor_files import read_tensors
from condensation.training.stacked import SingleModel, StackedModels
from condensation.training.train import train_together
from tests.small import CPU, images

NETWORK = ConvNet(width=4)
LOSS = pytest.mark.parametrize("loss", LOSSES)


def soft(loss: str = "squared", per_class: int = 4, seed: int = 0) -> ImageSet:
    """Images with random soft labels, floats as a condensed set has them."""
    made = images(per_class=per_class, seed=seed)
    values = torch.rand((len(made), 3), generator=torch.Generator().manual_seed(seed))
    return replace(made, images=made.inputs(), soft_labels=SoftLabels(values / values.sum(1, keepdim=True), loss))


def values(data: ImageSet) -> Tensor:
    assert data.soft_labels is not None
    return data.soft_labels.values


def test_they_are_sorted_with_their_images() -> None:
    pixels, labels = torch.rand((3, 1, 2, 2)), torch.tensor([2, 0, 1])
    made = ImageSet.of(pixels, labels, soft_labels=SoftLabels(torch.eye(3)))
    assert torch.equal(values(made), torch.eye(3)[[1, 2, 0]])


def test_they_are_taken_and_selected_with_their_images() -> None:
    made = soft()
    assert torch.equal(values(made.take(torch.tensor([1, 5]))), values(made)[[1, 5]])
    assert torch.equal(values(made.select([1])), values(made)[4:8])


def test_joined_sets_keep_them() -> None:
    first, second = soft(), soft(seed=1)
    assert torch.equal(values(first.concat(second).select([0])), torch.cat([values(first)[:4], values(second)[:4]]))


@pytest.mark.parametrize("other", [replace(soft(), soft_labels=None), soft("cross-entropy")])
def test_sets_with_labels_for_another_loss_are_not_joined(other: ImageSet) -> None:
    with pytest.raises(CondensationError, match="soft labels for the same loss"):
        soft().concat(other)


def test_they_are_part_of_the_fingerprint() -> None:
    made = soft()
    assert made.fingerprint() != replace(made, soft_labels=SoftLabels(values(made) + 1)).fingerprint()
    assert made.fingerprint() != replace(made, soft_labels=None).fingerprint()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (SoftLabels(torch.zeros(2, 3)), r"floats \(3, 3\), .*torch.float32 \(2, 3\)"),
        (SoftLabels(torch.zeros(3, 3, dtype=torch.int64)), "torch.int64"),
        (SoftLabels(torch.full((3, 3), torch.nan)), "infinity or NaN"),
        (SoftLabels(torch.zeros(3, 3), "square"), "'squared'"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: SoftLabels, message: str) -> None:
    with pytest.raises(CondensationError, match=message):
        ImageSet.of(torch.zeros(3, 1, 2, 2), torch.arange(3), soft_labels=labels)


def test_centred_labels_sum_to_zero() -> None:
    assert torch.equal(centred(torch.tensor([2, 0]), 4), torch.tensor([[-1, -1, 3, -1], [3, -1, -1, -1]]).double() / 4)


@LOSS
def test_a_file_keeps_them_and_their_loss(tmp_path: Path, loss: str) -> None:
    made = soft(loss)
    CondensedSet(made, {"data": {"name": "mine"}}).save(tmp_path / "a")
    back = CondensedSet.load(tmp_path / "a")
    assert torch.equal(values(back.images), values(made))
    assert back.images.soft_labels is not None
    assert back.images.soft_labels.loss == loss
    assert torch.equal(back.dataset().tensors[1], values(made))
    assert back.card["soft_labels"] == {"loss": loss}
    back.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_earlier_versions_would_misread_has_a_later_format(tmp_path: Path) -> None:
    CondensedSet(soft()).save(tmp_path / "soft")
    CondensedSet(replace(soft(), soft_labels=None)).save(tmp_path / "hard")
    assert b'"format":"2"' in (tmp_path / "soft").read_bytes()
    assert b'"format":"1"' in (tmp_path / "hard").read_bytes()


def test_a_file_without_soft_labels_has_no_trace_of_them(tmp_path: Path) -> None:
    with_soft = CondensedSet(soft())
    with_soft.save(tmp_path / "soft")
    # What is left of a card of a set that once had them.
    CondensedSet(replace(soft(), soft_labels=None), CondensedSet.load(tmp_path / "soft").card).save(tmp_path / "hard")
    tensors, card = read_tensors(tmp_path / "hard", "condensed set")
    assert not [name for name in (*tensors, *card) if "soft" in name]


@pytest.mark.parametrize("to", ["npz", "torch", "hub"])
@LOSS
def test_exact_exports_keep_them_and_train_by_their_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, loss: str) -> None:
    made = CondensedSet(soft(loss), {"settings": {"evaluation": {"recipe": {"epochs": 2}}}})
    monkeypatch.chdir(made.export(tmp_path / "out", to))
    page = Path("README.md").read_text(encoding="utf-8")
    reading, _, training = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(reading, names)
    assert torch.equal(names["dataset"].tensors[1], values(made.images))  # type: ignore[attr-defined]
    seen: list[Tensor] = []
    monkeypatch.setattr(Tensor, "backward", lambda self: seen.append(self.detach()))
    torch.manual_seed(0)
    names["network"] = network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 3))
    exec(training, names)
    # All images are in one batch, whatever their order.
    torch.testing.assert_close(seen[0], LOSSES[loss](network(made.images.images), values(made.images)).detach())
    assert f"made for the {loss} loss" in page
    assert json.loads(Path("card.json").read_text(encoding="utf-8"))["soft_labels"] == {"loss": loss}


@pytest.mark.parametrize("to", ["png", "parquet"])
def test_exports_of_pictures_alone_are_refused(tmp_path: Path, to: str) -> None:
    with pytest.raises(CondensationError, match=f"soft labels .* {to}"):
        CondensedSet(soft()).export(tmp_path / "out", to)
    assert not list(tmp_path.iterdir())


def step_written_out(data: ImageSet, loss: str, recipe: Recipe) -> list[Tensor]:
    """One step of SGD on the whole set, with both losses written out."""
    network = NETWORK.build(data.shape, data.num_classes, Rng(0))
    outputs, targets = network(data.inputs()), values(data)
    terms = {"squared": (outputs - targets) ** 2 / (2 * 3), "cross-entropy": -targets * F.log_softmax(outputs, 1)}
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(terms[loss].sum() / len(data), parameters)
    return [(p - recipe.lr * (g + recipe.weight_decay * p)).detach() for p, g in zip(parameters, gradients, strict=True)]


@LOSS
def test_a_network_is_trained_by_the_loss_that_they_are_for(loss: str) -> None:
    data, recipe = soft(loss), Recipe(epochs=1, lr=0.1, lr_drop_epoch=9, augmentation=None)
    network = NETWORK.build(data.shape, data.num_classes, Rng(0))
    train(network, data, recipe, Rng(0))
    for parameter, expected in zip(network.parameters(), step_written_out(data, loss, recipe), strict=True):
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-5, atol=1e-6)


@LOSS
def test_networks_trained_together_learn_what_each_learns_alone(loss: str) -> None:
    sets, recipe, rngs = [soft(loss), soft(loss, seed=1)], Recipe(epochs=3, augmentation=None), [Rng(0), Rng(1)]
    stacked = StackedModels(NETWORK.build(sets[0].shape, 3, Rng(9)), 2, Compute(**CPU))  # type: ignore[arg-type]
    stacked.reinitialize(rngs)
    train_together(stacked, sets, recipe, rngs)
    for place, (data, rng) in enumerate(zip(sets, rngs, strict=True)):
        alone = SingleModel(NETWORK.build(data.shape, 3, rng))
        train_together(alone, [data], recipe, [rng])
        for together, single in zip(stacked.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(together[place], single, rtol=1e-4, atol=1e-6)


@LOSS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sets_with_and_without_them_are_evaluated_together(loss: str, dtype: str) -> None:
    hard = images(per_class=4)
    compute = Compute(**{**CPU, "precision": dtype})  # type: ignore[arg-type]
    recipe = Recipe(epochs=5, lr=0.1, augmentation=None)

    def accuracies(*sets: ImageSet) -> np.ndarray:
        return evaluate(list(sets), images(seed=5), network=NETWORK, recipe=recipe, networks=2, compute=compute).values

    both = accuracies(hard, soft(loss))
    assert np.array_equal(both[0], accuracies(hard)[0])
    assert not np.array_equal(both[1], accuracies(hard, replace(soft(), soft_labels=None))[1])


def test_methods_refuse_them() -> None:
    with pytest.raises(CondensationError, match="soft labels"):
        condense(Random(), soft(), 1)
