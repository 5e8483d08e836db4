"""The GAN test: a classifier trained on real images tests whether generated images show the class they were drawn for."""

from dataclasses import replace
from typing import Any

import numpy as np

from condensation.augment.dsa import DSA
from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.data.dataset import Data
from condensation.evaluation.evaluate import check_fit
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.training.stacked import SingleModel
from condensation.training.train import Recipe, class_accuracies, train_together

CLASSIFIER = ConvNet(width=64)


def gan_test(
    images: ImageSet,
    data: Data,
    *,
    epochs: int,
    network: NetworkSpec = CLASSIFIER,
    seed: int = 0,
    compute: Compute = Compute(),
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Train a classifier on the training images of ``data`` and return its accuracy on ``images`` (Shmelkov et al., 2018).

    If the data is flip-invariant, training images are flipped with probability 1/2: a generator trained on such images draws shoes in
    both directions, and a classifier that never saw both would reject half of them. There is no other augmentation. Raise
    CondensationError if the images don't have the shape and the classes of the data.

    The accuracies are in percent: ``images``, of all; ``of_class``, by class name; ``test``, of the real test images, a practical limit.
    """
    check_fit(images, replace(data.test, preprocessing=images.preprocessing))
    compute = compute.with_compile_decision(data.train.shape, epochs * len(data.train))
    drawn = images.to(compute.device)
    real, test = (replace(part, preprocessing=images.preprocessing).to(compute.device) for part in (data.train, data.test))
    rng = Rng(seed).child("recognise")
    classifier = network.build(real.shape, real.num_classes, rng.child("network")).to(real.device, compute.dtype)
    recipe = Recipe(epochs=epochs, augmentation=DSA(operations=("flip",)) if real.flip_invariant else None)
    model = SingleModel(classifier, compute)
    train_together(model, [real], recipe, [rng.child("train")], (lambda epoch: on_progress(epoch, epochs)) if on_progress else None)
    chunk, model = compute.suitable_chunk(real.shape), SingleModel(classifier)
    per_class, on_test = (class_accuracies(model, part, chunk)[0].numpy() for part in (drawn, test))
    over_images, on_test_images = (
        float(np.average(fractions, weights=list(part.counts.values()))) for fractions, part in ((per_class, drawn), (on_test, test))
    )
    names = [drawn.class_names[label] for label in drawn.classes]
    return {
        "images": round(100 * over_images, 2),
        "of_class": {name: round(100 * part, 2) for name, part in zip(names, per_class.tolist(), strict=True)},
        "test": round(100 * on_test_images, 2),
    }
