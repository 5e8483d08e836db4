"""Creation of network pools: train networks on part of the training images and keep snapshots of their weights.

The paper takes embeddings from networks sorted by validation accuracy (Zhao & Bilen, 2023, supplement). It does not state how many
networks there were or how they were trained, so the defaults are this library's. Test images are not used.
"""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch

from condensation.core.checkpoint import EVERY_SECONDS, Checkpoint
from condensation.core.compute import Compute
from condensation.core.environment import machine, versions
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.lock import lock_beside, locked_beside, locked_folder, remove_free
from condensation.core.plain import first_difference, to_dict
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.core.storage import remove_unfinished
from condensation.networks.base import NetworkSpec
from condensation.networks.pool_store import NETWORKS_FOLDER, POOL_FILE, PoolRecord, PoolStore, data_identity, describe_spec
from condensation.training.pool_trainer import PoolRecipe, PoolTrainer
from condensation.training.stacked import SingleModel, model_cache

OnNetwork = Callable[
    [int, int, bool], None
]  # called before each network: its number from 0, the number of networks, whether it is finished


def make_pool(
    network: NetworkSpec,
    real: ImageSet,
    folder: str | Path,
    settings: PoolRecipe = PoolRecipe(),
    *,
    compute: Compute = Compute(),
    checkpoint_every: float = EVERY_SECONDS,
    on_network: OnNetwork | None = None,
    on_progress: OnProgress | None = None,
) -> PoolStore:
    """Train the networks that are missing from the pool in ``folder``, and return the pool.

    Each network depends on the images, the settings and its number only. A checkpoint is saved after an epoch, at most every
    ``checkpoint_every`` seconds. A callback may raise `Stopped`; repeating the call then continues. If another process makes this pool,
    wait for it. Raise CondensationError if the folder holds another pool, or a class has too few images to split.

    >>> from tempfile import TemporaryDirectory
    >>> from condensation import ConvNet, PoolRecipe, Recipe, load, make_pool
    >>> settings = PoolRecipe(networks=1, recipe=Recipe(epochs=1))
    >>> with TemporaryDirectory() as folder:
    ...     make_pool(ConvNet(width=8), load("digits").train, f"{folder}/pool", settings).missing()
    []
    """
    with locked_folder(Path(folder), wait=True):
        maker = PoolMaker(network, real, Path(folder), settings, compute.resolve(), locked=True)
        missing = maker.store.missing()
        for number in range(settings.networks):
            if on_network:
                on_network(number, settings.networks, number not in missing)
            maker.train(number, checkpoint_every, on_progress)
    return maker.store


class PoolMaker:
    """A pool of which single networks are trained, in any order and by several processes.

    The arguments are those of `make_pool`; if the caller has ``locked`` the folder, it is not locked again.
    """

    def __init__(
        self, network: NetworkSpec, real: ImageSet, folder: Path, settings: PoolRecipe, compute: Compute, *, locked: bool = False
    ) -> None:
        training, validation = held_out(real, settings.validation, Rng(settings.seed).child("validation"))
        network.build(real.shape, real.num_classes, Rng(0))  # raises before the folder is created if the network does not fit
        with nullcontext() if locked else locked_folder(folder, wait=True):
            self.store = _open_or_create(network, real, folder, settings)
            remove_unfinished(folder)
            remove_unfinished(folder / NETWORKS_FOLDER)
        evaluations = len(settings.evaluation_steps(settings.total_batches(training)))
        # Finished networks count too: compiling may change the rounding, so it must not depend on an interruption.
        images = settings.networks * (settings.recipe.epochs * len(training) + evaluations * len(validation))
        self._compute = compute.with_compile_decision(real.shape, images)
        self._images = training.to(compute.device), validation.to(compute.device)
        self._network, self._real, self._settings = network, real, settings

    def train(self, number: int, checkpoint_every: float = EVERY_SECONDS, on_progress: OnProgress | None = None) -> None:
        """Train the network ``number`` if it is missing; wait for another process that does."""
        path = self.store.path(number)
        if not path.exists():
            with locked_beside(path, wait=True):
                if not path.exists():
                    self._train(number, checkpoint_every, on_progress)
        remove_free(lock_beside(path))  # of a process that was killed after it had stored the network, as is its checkpoint
        _checkpoint(self.store, number).unlink(missing_ok=True)

    def _train(self, number: int, checkpoint_every: float, on_progress: OnProgress | None) -> None:
        real, compute = self._real, self._compute
        with model_cache(self._network, real.shape, real.num_classes, compute) as models:
            model = models.batch(1)
            assert isinstance(model, SingleModel)
            trainer = PoolTrainer(model, *self._images, self._settings, number, compute.chunk or compute.suitable_chunk(real.shape))
            _train(trainer, self.store, number, self._settings.recipe.epochs, checkpoint_every, on_progress)


def held_out(real: ImageSet, share: float, rng: Rng) -> tuple[ImageSet, ImageSet]:
    """Split ``real`` at random into the rest and a held-out ``share`` of each class. Raise CondensationError for a class of one image."""
    for label, count in real.counts.items():
        if count < 2:
            raise CondensationError(f"Class {real.class_names[label]!r} has one image; splitting needs two.", hint="Add images to it.")
    counts = {label: min(count - 1, max(1, round(share * count))) for label, count in real.counts.items()}
    chosen = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    chosen[real.draw(counts, rng).indices] = True
    return real.take((~chosen).nonzero().squeeze(1)), real.take(chosen.nonzero().squeeze(1))


def _train(trainer: PoolTrainer, store: PoolStore, number: int, epochs: int, every: float, on_progress: OnProgress | None) -> None:
    """Train one network, from its checkpoint if there is one, and store its snapshots."""
    checkpoint = Checkpoint(_checkpoint(store, number), every)
    run = {"network": number}
    checkpoint.restore(trainer, run)
    while trainer.epochs < epochs:
        trainer.epoch(on_progress)
        if checkpoint.due():
            checkpoint.save(trainer, trainer.epochs, run)
    store.add(number, trainer.finish(on_progress))


def _checkpoint(store: PoolStore, number: int) -> Path:
    return store.path(number).with_suffix(".checkpoint")


def _open_or_create(network: NetworkSpec, real: ImageSet, folder: Path, settings: PoolRecipe) -> PoolStore:
    """Open the pool in ``folder`` if it has the same settings and images, or create it."""
    record = PoolRecord(
        recipe=to_dict(settings),
        network=to_dict(network),
        spec=describe_spec(network),
        networks=settings.networks,
        bounds=settings.bounds,
        data=data_identity(real),
        versions=versions(),
        machine=machine(),
    )
    if not (folder / POOL_FILE).exists():
        if folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise CondensationError(f"{folder} is not empty and holds no pool.", hint="Choose another folder.")
        return PoolStore.create(folder, record)
    store = PoolStore.open(folder)
    for name in ("network", "recipe", "data"):
        difference = first_difference(getattr(store.record, name), getattr(record, name), name)
        if difference:
            reason = "it was made with other images or other preprocessing" if name == "data" else difference
            raise CondensationError(f"{folder} holds another pool: {reason}.", hint="Choose another folder, or use the same settings.")
    return store


__all__ = ["PoolMaker", "PoolRecipe", "held_out", "make_pool"]
