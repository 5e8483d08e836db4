"""Whether drawn images are of the classes that they were asked for: what a network trained on real ones takes them for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from condensation.augment.dsa import DSA
from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.data.dataset import Data
from condensation.evaluation.evaluate import check_fit
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.training.stacked import SingleModel
from condensation.training.train import Recipe, class_accuracies, train_together

RECOGNISER = ConvNet(width=64)


def recogniser(
    data: Data,
    images: ImageSet,
    *,
    epochs: int,
    network: NetworkSpec = RECOGNISER,
    seed: int = 0,
    compute: Compute = Compute(),
    on_progress: Callable[[int, int], None] | None = None,
) -> Classifier:
    """A network that saw the training images of ``data``, preprocessed as ``images`` are, for some ``epochs``.

    Half of them are turned left to right, where a mirror image means the same: generators that learn from such images make shoes
    that point the other way, and a network that never saw one does not know it for a shoe. Nothing else is augmented.

    Raises:
        CondensationError: if the images are not of the kind of the data.
    """
    check_fit(images, replace(data.test, preprocessing=images.preprocessing))
    compute = compute.resolve()
    real = replace(data.train, preprocessing=images.preprocessing).to(compute.device)
    rng = Rng(seed).child("recognise")
    made = network.build(real.shape, real.num_classes, rng.child("network")).to(real.device, compute.dtype)
    recipe = Recipe(epochs=epochs, augmentation=DSA(operations=("flip",)) if real.flip_invariant else None)
    learner = SingleModel(made, compute.with_compile_decision(real.shape, epochs * len(real)))
    train_together(learner, [real], recipe, [rng.child("train")], (lambda epoch: on_progress(epoch, epochs)) if on_progress else None)
    return made


def recognised(images: ImageSet, data: Data, by: Classifier, compute: Compute = Compute()) -> dict[str, Any]:
    """How many of ``images`` a network from `recogniser` takes for their class, for JSON.

    In percent: ``images`` of all, ``of_class`` by name, and beside them ``test``, what it gets right of the real test images,
    above which no generator need come.

    Raises:
        CondensationError: if the images are not of the kind of the data.
    """
    check_fit(images, replace(data.test, preprocessing=images.preprocessing))
    compute = compute.resolve()
    test, drawn = (replace(one, preprocessing=images.preprocessing).to(compute.device) for one in (data.test, images))
    chunk = compute.suitable_chunk(data.train.shape)
    of_class, of_test = (class_accuracies(SingleModel(by), one, chunk)[0] for one in (drawn, test))
    names = [drawn.class_names[label] for label in drawn.classes]
    return {
        "images": round(100 * _over_images(of_class.tolist(), drawn), 2),
        "of_class": {name: round(100 * part, 2) for name, part in zip(names, of_class.tolist(), strict=True)},
        "test": round(100 * _over_images(of_test.tolist(), test), 2),
    }


def _over_images(parts: list[float], images: ImageSet) -> float:
    return sum(part * count for part, count in zip(parts, images.counts.values(), strict=True)) / len(images)
