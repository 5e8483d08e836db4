"""Trained generators: saved beside the set that a run drew from them, and loaded to draw more sets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import ImagesCard, check_preprocessing, images_card, part_of, preprocessing_tensors, read_preprocessing
from condensation.config.build import from_dict
from condensation.core import memory
from condensation.core.compute import Compute
from condensation.core.environment import versions
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.records import as_record
from condensation.core.rng import Rng
from condensation.core.storage import RESTORE
from condensation.core.tensor_files import read_tensors, write_tensors
from condensation.core.trust import Trust, from_file
from condensation.generators.base import Generator
from condensation.methods.base import Method
from condensation.methods.generative import GeneratedImages, GenerativeMethod, blank, drawn_images, latents_for
from condensation.methods.step_info import StepInfo

KIND = "trained generator"
GENERATOR = "generator.safetensors"  # file name in a run folder
WEIGHTS = "generator."


@dataclass(frozen=True, kw_only=True)
class GeneratorCard(ImagesCard):
    """Fields of the file from which a generator is rebuilt."""

    method: dict[str, Any]
    shape: tuple[int, int, int]
    labels: tuple[int, ...]
    card: dict[str, Any]


@dataclass(frozen=True, eq=False)
class TrainedGenerator:
    """Generator of a run, from which any number of new images can be drawn.

    >>> from tempfile import TemporaryDirectory
    >>> from condensation import GMMN, KeepGenerator, TrainedGenerator, condense, load
    >>> method = GMMN(iterations=1)
    >>> with TemporaryDirectory() as folder:
    ...     small = condense(method, load("digits").train, ipc=1, observers=[KeepGenerator(method, f"{folder}/generator.safetensors")])
    ...     generator = TrainedGenerator.load(f"{folder}/generator.safetensors")
    >>> generator.sample(ipc=3, seed=1).images.images.shape
    torch.Size([30, 1, 8, 8])
    """

    method: GenerativeMethod
    """Settings of the run."""
    generator: Generator
    """Network that generates an image from a latent and a class."""
    like: ImageSet
    """One blank image per class, with the shape, names and preprocessing of the images that are drawn."""
    card: Mapping[str, Any] = field(default_factory=dict)
    """Card of the run's set: settings and data."""

    @classmethod
    def of(cls, method: GenerativeMethod, source: GeneratedImages, card: Mapping[str, Any] | None = None) -> TrainedGenerator:
        """Return the generator of a run of ``method`` whose state has the images ``source``."""
        like = blank(source.template, dict.fromkeys(source.template.classes, 1), source.images.dtype)
        return cls(method, source.generator, like, card or {})

    def images(self, ipc: int | Mapping[int, int], seed: int = 0, compute: Compute = Compute()) -> ImageSet:
        """Return ``ipc`` new images per class, or ``ipc[label]``, preprocessed as the real ones were.

        With the same seed, the images of a class in a smaller set come first in a larger one. No seed repeats the images of the run's own
        set. Raise CondensationError if ``ipc`` is below 1, or names a class that the generator does not have.
        """
        counts = self._counts(ipc)
        compute = compute.resolve()
        like, generator = self.like.to(compute.device), self.generator.to(compute.device)
        start = blank(like, counts, like.images.dtype)
        latents = latents_for(generator, counts, Rng(seed).child("sample")).to(start.images)
        rows = torch.tensor([like.classes.index(label) for label in start.labels.tolist()], device=start.device)
        drawn = drawn_images(generator, latents, rows, like.preprocessing, compute.suitable_chunk(like.shape))
        return replace(start, images=drawn).to("cpu")

    def sample(self, ipc: int | Mapping[int, int], seed: int = 0, compute: Compute = Compute()) -> CondensedSet:
        """Return `images` as a set whose card is that of the run with this ipc and seed."""
        images = self.images(ipc, seed, compute)
        by_class = ipc if isinstance(ipc, int) else {images.class_names[label]: count for label, count in ipc.items()}
        settings = {**self.card.get("settings", {"method": to_dict(self.method)}), "ipc": by_class}
        return CondensedSet(images, {**self.card, "settings": settings, "sample": {"seed": seed}, "versions": versions()})

    def matches_run(self, method: Method, real: ImageSet, seed: int, fingerprint: str) -> bool:
        """Return True if a run of ``method`` and ``seed`` on ``real``, with that fingerprint, would train this generator at any ipc."""
        origin = part_of(self.card, "settings").get("seed"), part_of(self.card, "data").get("fingerprint")
        inputs = (self.like.preprocessing, self.like.flip_invariant) == (real.preprocessing, real.flip_invariant)
        return self.method.any_ipc and inputs and (self.method, *origin) == (method, seed, fingerprint)

    def images_for_run(self, real: ImageSet, ipc: Mapping[int, int], seed: int, compute: Compute) -> ImageSet:
        """Return the images that a run with this seed draws; training does not depend on ``ipc``."""
        home, real, generator = real.device, real.to(compute.device), self.generator.to(compute.device)
        return self.method.drawn(real, ipc, generator, Rng(seed).child("init"), compute).snapshot().to(home)

    def save(self, path: str | Path) -> None:
        """Write weights and settings of the method to one file, atomically. Raise CondensationError if it cannot be written."""
        tensors = {f"{WEIGHTS}{name}": tensor for name, tensor in self.generator.state_dict().items()}
        tensors |= preprocessing_tensors(self.like.preprocessing)
        about = {
            "method": to_dict(self.method),
            "shape": list(self.like.shape),
            "labels": list(self.like.classes),
            **images_card(self.like),
            "card": dict(self.card),
        }
        write_tensors(Path(path), KIND, tensors, about)

    @classmethod
    def load(cls, path: str | Path, *, trust: Trust = False) -> TrainedGenerator:
        """Read a generator from its file or its run folder; code that it names is imported only with ``trust``.

        Raise CondensationError if it is missing or damaged.
        """
        path = Path(path)
        if path.is_dir():
            path = path / GENERATOR
            if not path.exists():
                hint = f"Runs of methods that train a generator, such as gmmn, save it as {GENERATOR}."
                raise CondensationError(f"{path.parent} holds no trained generator.", hint=hint)
        tensors, content = read_tensors(path, KIND)
        card = as_record(content, GeneratorCard, str(path))
        preprocessing = read_preprocessing(path, tensors, card.preprocessing)
        method = from_dict(Method, from_file(card.method, path, trust), where="method")  # type: ignore[type-abstract]
        weights = {name.removeprefix(WEIGHTS): tensor for name, tensor in tensors.items() if name.startswith(WEIGHTS)}
        dtype = next((tensor.dtype for tensor in weights.values() if tensor.is_floating_point()), None)
        if not isinstance(method, GenerativeMethod) or dtype is None:
            problem = "it has no weights" if dtype is None else f"{card.method['name']} trains no generator"
            raise CondensationError(f"{path} is damaged: {problem}.", hint=RESTORE)
        check_sizes(path, method, card, weights)
        images, labels = torch.zeros(len(card.labels), *card.shape, dtype=dtype), torch.tensor(card.labels)
        like = ImageSet.of(images, labels, card.class_names, preprocessing=preprocessing, flip_invariant=card.mirrored)
        check_preprocessing(path, like)
        with torch.random.fork_rng(devices=[]):
            generator = method.build(like.shape, len(like.classes)).to(dtype)
        try:
            generator.load_state_dict(weights)
        except RuntimeError as error:  # names or shapes differ
            raise CondensationError(f"{path} is damaged: {str(error).splitlines()[-1].strip()}", hint=RESTORE) from None
        return cls(method, generator, like, from_file(card.card, path, trust))

    def _counts(self, ipc: int | Mapping[int, int]) -> dict[int, int]:
        counts = dict(ipc) if isinstance(ipc, Mapping) else dict.fromkeys(self.like.classes, ipc)
        if unknown_labels := sorted(set(counts) - set(self.like.classes)):
            known = ", ".join(map(str, self.like.classes))
            raise CondensationError(f"The generator has no class {unknown_labels[0]}; it has {known}.", setting="ipc")
        if not counts or min(counts.values()) < 1:
            raise CondensationError(f"Expected at least 1 image per class, got {min(counts.values(), default=0)}.", setting="ipc")
        return dict(sorted(counts.items()))


def check_sizes(path: Path, method: GenerativeMethod, card: GeneratorCard, weights: Mapping[str, Tensor]) -> None:
    """Check, before memory is used, that the generator has the ``weights`` of its file and that one image per class fits.

    Raise CondensationError if not.
    """
    try:
        if min(card.shape) < 1 or not card.labels:
            raise ValueError(f"it makes images of {'x'.join(map(str, card.shape))} in {len(card.labels)} classes")
        with torch.device("meta"), torch.random.fork_rng(devices=[]):  # shapes alone
            expected = method.build(card.shape, len(set(card.labels))).state_dict()
        if name := next((name for name in expected if name in weights and weights[name].shape != expected[name].shape), None):
            raise ValueError(f"{name} has the shape {tuple(weights[name].shape)}, expected {tuple(expected[name].shape)}")
    except CondensationError:
        raise
    except (RuntimeError, TypeError, ValueError) as error:  # torch raises RuntimeError or TypeError for sizes that overflow
        raise CondensationError(f"{path} is damaged: {str(error).splitlines()[0]}.", hint=RESTORE) from None
    needed = len(card.labels) * math.prod(card.shape) * 4
    memory.require(needed, f"One image per class of {path}", "Use a machine with more memory.")


class KeepGenerator:
    """Observer that saves the trained generator after the last step of a generative method.

    >>> from tempfile import TemporaryDirectory
    >>> from condensation import GMMN, KeepGenerator, TrainedGenerator, condense, load
    >>> method = GMMN(iterations=1)
    >>> with TemporaryDirectory() as folder:
    ...     keep = KeepGenerator(method, f"{folder}/generator.safetensors")
    ...     small = condense(method, load("digits").train, ipc=1, observers=[keep])
    ...     more = TrainedGenerator.load(f"{folder}/generator.safetensors").images(ipc=3, seed=1)
    >>> more.images.shape
    torch.Size([30, 1, 8, 8])
    """

    def __init__(self, method: GenerativeMethod, path: str | Path, card: Mapping[str, Any] | None = None) -> None:
        self.method, self.path, self.card = method, Path(path), card or {}

    def __call__(self, info: StepInfo) -> None:
        if info.step == info.steps and isinstance(source := info.source(), GeneratedImages) and info.leads:
            TrainedGenerator.of(self.method, source, self.card).save(self.path)
