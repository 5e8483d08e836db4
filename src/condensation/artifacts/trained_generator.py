"""Trained generators: kept in a file beside the set that was drawn from them, and read again to draw more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import preprocessing_from, preprocessing_name, preprocessing_tensors
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.environment import versions
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.core.tensor_files import read_tensors, write_tensors
from condensation.generators.base import Generator
from condensation.methods.base import Method
from condensation.methods.generative import GeneratedImages, GenerativeMethod, blank, drawn_images, latents_for
from condensation.methods.loop import StepInfo

KIND = "trained generator"
GENERATOR = "generator.safetensors"  # its name in a run folder
WEIGHTS = "generator."


@dataclass(frozen=True, eq=False)
class TrainedGenerator:
    """A generator as a run left it, and what its pictures are of: any number of new images can be drawn from it."""

    method: GenerativeMethod
    generator: Generator
    like: ImageSet  # one image of each class that it knows: of their shape, with their names and preprocessing
    card: Mapping[str, Any] = field(default_factory=dict)  # how it came to be: settings and data of the run

    @classmethod
    def of(cls, method: GenerativeMethod, source: GeneratedImages, card: Mapping[str, Any] | None = None) -> TrainedGenerator:
        """That of a run of ``method``, whose state has ``source``."""
        like = blank(source.template, dict.fromkeys(source.template.classes, 1), source.images.dtype)
        return cls(method, source.generator, like, card or {})

    def images(self, ipc: int | Mapping[int, int], seed: int = 0, compute: Compute = Compute()) -> ImageSet:
        """New images, ``ipc`` of each class or ``ipc[label]``, preprocessed as the real ones were; the seed decides them.

        More images of one seed begin with the fewer. No seed gives again the images that the run itself drew.

        Raises:
            CondensationError: if ``ipc`` is below 1, or names a class that the generator does not know.
        """
        counts = self._counts(ipc)
        compute = compute.resolve()
        like = self.like.to(compute.device)
        generator = self.generator.to(compute.device)
        start = blank(like, counts, like.images.dtype)
        latents = latents_for(generator, counts, Rng(seed).child("sample")).to(start.images)
        rows = torch.tensor([like.classes.index(label) for label in start.labels.tolist()], device=start.device)
        drawn = drawn_images(generator, latents, rows, like.preprocessing, compute.suitable_chunk(like.shape))
        return replace(start, images=drawn).to("cpu")

    def sample(self, ipc: int | Mapping[int, int], seed: int = 0, compute: Compute = Compute()) -> CondensedSet:
        """As `images`, with a card: that of the run, and how many images of which seed these are.

        Raises:
            CondensationError: as `images`.
        """
        images = self.images(ipc, seed, compute)
        settings = {
            **self.card.get("settings", {"method": to_dict(self.method)}),
            "ipc": ipc if isinstance(ipc, int) else _named(ipc, images),
        }
        return CondensedSet(images, {**self.card, "settings": settings, "sample": {"seed": seed}, "versions": versions()})

    def is_of(self, method: Method, real: ImageSet, seed: int, fingerprint: str) -> bool:
        """Whether a run of ``method`` and ``seed`` on ``real``, of that fingerprint, trains this very generator, whatever its ipc."""
        theirs = self.card.get("settings", {}).get("seed"), self.card.get("data", {}).get("fingerprint")
        inputs = (self.like.preprocessing, self.like.flip_invariant) == (real.preprocessing, real.flip_invariant)
        return self.method.any_ipc and inputs and (self.method, *theirs) == (method, seed, fingerprint)

    def for_run(self, real: ImageSet, ipc: Mapping[int, int], seed: int, compute: Compute) -> ImageSet:
        """The images that a run of this seed draws, whatever its ipc was: training does not depend on that."""
        home, real = real.device, real.to(compute.device)
        generator = self.generator.to(compute.device)
        return self.method.drawn(real, ipc, generator, Rng(seed).child("init"), compute).snapshot().to(home)

    def save(self, path: str | Path) -> None:
        """Write it to one file, at once: the weights, and the method's settings, from which the generator is built again.

        Raises:
            CondensationError: if it cannot be written.
        """
        tensors = {f"{WEIGHTS}{name}": tensor for name, tensor in self.generator.state_dict().items()}
        tensors |= preprocessing_tensors(self.like.preprocessing)
        about = {
            "method": to_dict(self.method),
            "shape": list(self.like.shape),
            "labels": list(self.like.classes),
            "class_names": list(self.like.class_names),
            "mirrored": self.like.flip_invariant,
            "preprocessing": preprocessing_name(self.like.preprocessing),
            "card": dict(self.card),
        }
        write_tensors(Path(path), KIND, tensors, about)

    @classmethod
    def load(cls, path: str | Path) -> TrainedGenerator:
        """Read one from its file, or from the folder of the run that trained it.

        Raises:
            CondensationError: if it is missing, damaged, or of a method that is not here.
        """
        path = Path(path)
        if path.is_dir():
            path = path / GENERATOR
            if not path.exists():
                raise CondensationError(
                    f"{path.parent} holds no trained generator.\nRuns of methods that train one keep it as {GENERATOR}."
                )
        tensors, about = read_tensors(path, KIND)
        try:
            method = from_dict(Method, about["method"])  # type: ignore[type-abstract]
            assert isinstance(method, GenerativeMethod)
            labels = torch.tensor(about["labels"])
            weights = {name.removeprefix(WEIGHTS): tensor for name, tensor in tensors.items() if name.startswith(WEIGHTS)}
            dtype = next(tensor.dtype for tensor in weights.values() if tensor.is_floating_point())
            like = ImageSet.of(
                torch.zeros(len(labels), *about["shape"], dtype=dtype),
                labels,
                about["class_names"],
                preprocessing=preprocessing_from(tensors, about["preprocessing"]),
                flip_invariant=about["mirrored"],
            )
            with torch.random.fork_rng(devices=[]):
                generator = method.build(like.shape, len(like.classes)).to(dtype)
            generator.load_state_dict(weights)
            return cls(method, generator, like, about["card"])
        except CondensationError:
            raise
        except (AssertionError, KeyError, TypeError, AttributeError, RuntimeError, StopIteration) as error:
            raise CondensationError(
                f"{path} is damaged: {error} is missing or wrong.\nRestore it from a copy, or train it again."
            ) from None

    def _counts(self, ipc: int | Mapping[int, int]) -> dict[int, int]:
        counts = dict(ipc) if isinstance(ipc, Mapping) else dict.fromkeys(self.like.classes, ipc)
        strange = sorted(set(counts) - set(self.like.classes))
        if strange:
            raise CondensationError(f"ipc names a class {strange[0]}; the generator knows {', '.join(map(str, self.like.classes))}.")
        if not counts or min(counts.values()) < 1:
            raise CondensationError(f"Asked for {min(counts.values(), default=0)} images of a class; ipc must be at least 1.")
        return dict(sorted(counts.items()))


class KeepGenerator:
    """An observer that writes the trained generator after the last step of a method that trains one."""

    def __init__(self, method: GenerativeMethod, path: str | Path, card: Mapping[str, Any] | None = None) -> None:
        self.method, self.path, self.card = method, Path(path), card or {}

    def __call__(self, moment: StepInfo) -> None:
        if moment.step == moment.steps and isinstance(moment.state.source, GeneratedImages):
            TrainedGenerator.of(self.method, moment.state.source, self.card).save(self.path)


def _named(ipc: Mapping[int, int], images: ImageSet) -> dict[str, int]:
    return {images.class_names[label]: count for label, count in ipc.items()}
