"""Pools of networks are made by training some with a part of the images, and keeping what they are like on the way.

What is published is that embeddings were taken from networks sorted by validation accuracy (Zhao & Bilen, 2023, supplement); how many
there were and how they were trained is not, so the numbers here are ours. No test image is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from condensation.core.checkpoint import EVERY_SECONDS, Checkpoint, difference
from condensation.core.compute import Compute
from condensation.core.environment import machine, versions
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.core.storage import remove_unfinished
from condensation.networks.base import NetworkSpec
from condensation.networks.pool_store import NETWORKS_FOLDER, POOL_FILE, PoolStore, data_identity, describe_spec
from condensation.training.pool_trainer import OnProgress, PoolRecipe, PoolTrainer
from condensation.training.stacked import SingleModel, model_cache

# Told before each network: its number from 0, how many there are, and whether it is there already.
OnNetwork = Callable[[int, int, bool], None]


def make_pool(
    network: NetworkSpec,
    real: ImageSet,
    folder: str | Path,
    how: PoolRecipe = PoolRecipe(),
    *,
    compute: Compute = Compute(),
    checkpoint_every: float = EVERY_SECONDS,
    on_network: OnNetwork | None = None,
    on_progress: OnProgress | None = None,
) -> PoolStore:
    """Train what is missing of a pool in ``folder``: networks are kept one by one, and the same again trains none.

    Each network depends on the images, the settings and its number alone. The one under training is kept after an epoch, if
    ``checkpoint_every`` seconds have passed since it was the last time; whoever is told may raise `Stopped`, and the same again goes on.

    Raises:
        CondensationError: if the folder holds another pool, or a class has too few images to be split.
    """
    folder, compute = Path(folder), compute.resolve()
    training, validation = held_out(real, how.validation, Rng(how.seed).child("validation"))
    network.build(real.shape, real.num_classes, Rng(0))  # that it does not fit is found out before a folder is made
    store = _claimed(network, real, folder, how)
    remove_unfinished(folder)
    remove_unfinished(folder / NETWORKS_FOLDER)
    missing = store.missing()
    training, validation = training.to(compute.device), validation.to(compute.device)
    looks = len(how.looks(how.batches(training)))
    # By all networks, the finished ones too: what is compiled may round otherwise, and must not depend on a stop.
    compute = compute.with_compile_decision(real.shape, how.networks * (how.recipe.epochs * len(training) + looks * len(validation)))
    with model_cache(network, real.shape, real.num_classes, compute) as crew:  # one module, so that it is compiled once
        learner = crew.learners(1)
        assert isinstance(learner, SingleModel)
        for number in range(how.networks):
            if on_network:
                on_network(number, how.networks, number not in missing)
            if number in missing:
                trainee = PoolTrainer(learner, training, validation, how, number, compute.chunk or compute.suitable_chunk(real.shape))
                _train(trainee, store, number, how, checkpoint_every, on_progress)
    return store


def held_out(real: ImageSet, share: float, rng: Rng) -> tuple[ImageSet, ImageSet]:
    """``real`` without ``share`` of each class, and that part: at least one image of each class in both.

    Raises:
        CondensationError: if a class has but one image.
    """
    for label, count in real.counts.items():
        if count < 2:
            raise CondensationError(f"Class {real.class_names[label]!r} has one image, so none can be kept from training.\nAdd images.")
    counts = {label: min(count - 1, max(1, round(share * count))) for label, count in real.counts.items()}
    chosen = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    chosen[real.draw(counts, rng).indices] = True
    return real.take((~chosen).nonzero().squeeze(1)), real.take(chosen.nonzero().squeeze(1))


def _train(trainee: PoolTrainer, store: PoolStore, number: int, how: PoolRecipe, every: float, on_progress: OnProgress | None) -> None:
    """Train one network to the end, from where it was broken off, and keep what is to be kept of it."""
    checkpoint = Checkpoint(store.path(number).with_suffix(".checkpoint"), every)
    run = {"network": number}
    checkpoint.restore(trainee, run)
    while trainee.epochs < how.recipe.epochs:
        trainee.epoch(on_progress)
        if checkpoint.due():
            checkpoint.save(trainee, trainee.epochs, run)
    store.add(number, trainee.finish(on_progress))
    checkpoint.path.unlink(missing_ok=True)


def _claimed(network: NetworkSpec, real: ImageSet, folder: Path, how: PoolRecipe) -> PoolStore:
    """The pool in ``folder``: a new one, or what is there of this very pool."""
    if folder.exists() and not folder.is_dir():
        raise CondensationError(f"{folder} is a file; a pool needs a folder.")
    about = {
        "recipe": to_dict(how),
        "network": to_dict(network),
        "spec": describe_spec(network),
        "networks": how.networks,
        "bounds": list(how.bounds),
        "data": data_identity(real),
        "versions": versions(),
        "machine": machine(),
    }
    if not (folder / POOL_FILE).exists():
        if folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise CondensationError(f"{folder} is not empty and holds no pool.\nChoose another folder.")
        return PoolStore.create(folder, about)
    store = PoolStore.open(folder)
    for name in ("network", "recipe", "data"):
        differing = difference(store.about.get(name), about[name], name)
        if differing:
            what = "it was made with other images, or they are preprocessed otherwise" if name == "data" else differing
            raise CondensationError(f"{folder} holds another pool: {what}.\nChoose another folder, or take the same settings.")
    return store


__all__ = ["PoolRecipe", "held_out", "make_pool"]
