"""Base of methods that train a generator: the images drawn from it, and a state that checkpoints its modules.

A subclass of `GenerativeMethod` has these parts:

- `build` returns an untrained generator that depends only on the settings, the shape and the number of classes: a run saves the
  trained generator as settings and weights.
- `init` returns a `GeneratorState` with the source from `GenerativeMethod.drawn`. Every field that is a module or a tensor is
  checkpointed under its name. To average the weights, give the source a copy of the generator and update it in each step.
- `step` trains once and draws all random numbers from its ``rng``, so a resumed run continues exactly.

The latents of the images have their own random stream, so the generator does not depend on the number of images.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import Self

from condensation.core.class_plan import class_offsets
from condensation.core.compute import Compute
from condensation.core.images import ImageSet, Shape
from condensation.core.microbatch import split
from condensation.core.preprocessing import Preprocessing
from condensation.core.rng import Rng
from condensation.generators.base import Generator
from condensation.methods.base import Method, S, State
from condensation.methods.synthetic import SyntheticImages


class GeneratedImages(SyntheticImages):
    """Images that ``generator``, a part of the state, makes from fixed latents; ``images`` holds those of the last `snapshot`."""

    latents: Tensor

    def __init__(
        self, template: ImageSet, generator: Generator, rng: Rng, chunk: int, parts: Sequence[tuple[range, Generator]] = ()
    ) -> None:
        """With ``parts``, the generators of groups of classes, which share the weights of ``generator``, draw one group after the other."""
        super().__init__(template)
        self.images.requires_grad_(False)
        self.generator, self.chunk = generator, chunk
        self.groups = [*parts] or [(range(len(template.classes)), generator)]
        latents = latents_for(generator, template.counts, rng).to(template.images)
        self.register_buffer("latents", latents, persistent=False)  # a resumed run draws them again

    def snapshot(self) -> ImageSet:
        template, images = self.template, []
        offsets = class_offsets(template.class_index, len(template.classes))
        for classes, generator in self.groups:
            rows = slice(offsets[classes.start], offsets[classes.stop])
            class_index = template.class_index[rows] - classes.start
            images.append(drawn_images(generator, self.latents[rows], class_index, template.preprocessing, self.chunk))
        self.assign(torch.cat(images))
        return super().snapshot()

    def is_finite(self) -> bool:
        return all(bool(tensor.isfinite().all()) for tensor in self.generator.state_dict().values())


@dataclass(kw_only=True)
class GeneratorState(State):
    """State of a method that trains a generator; subclasses add the modules and tensors trained with it."""

    source: GeneratedImages
    done: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.int64))  # finished steps, a scalar

    @property
    def parts(self) -> dict[str, nn.Module | Tensor]:
        """Fields that are modules or tensors, by name; they are checkpointed with the source."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("source", "group_losses")}
        return {name: value for name, value in values.items() if isinstance(value, nn.Module | Tensor)}

    def state_dict(self) -> dict[str, Any]:
        parts = {name: dict(part.state_dict()) if isinstance(part, nn.Module) else part for name, part in self.parts.items()}
        return {**super().state_dict(), "parts": parts}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        super().load_state_dict(saved)
        for name, part in self.parts.items():
            if isinstance(part, nn.Module):
                part.load_state_dict(saved["parts"][name])
            else:
                part.copy_(saved["parts"][name])


@dataclass(frozen=True)
class GenerativeMethod(Method[S]):
    """A method that trains a generator and draws the images from it."""

    note: ClassVar[str] = ""  # for the card: what the papers leave open, and the choice made here
    any_ipc: ClassVar[bool] = True  # the generator does not depend on ipc, so it can draw sets of any size
    lengthened: ClassVar[str] = "steps"  # the setting that `long` multiplies

    @classmethod
    def fast(cls, ipc: int = 10, classes: int = 10) -> Self:
        """Return settings that take minutes on a CPU, for the preset ``fast``."""
        return cls()

    @classmethod
    def long(cls, ipc: int = 10, classes: int = 10) -> Self:
        """Return the settings of `fast` with ten times the steps, for the preset ``long``."""
        fast = cls.fast(ipc, classes)
        longer: dict[str, Any] = {cls.lengthened: 10 * getattr(fast, cls.lengthened)}
        return replace(fast, **longer)

    @classmethod
    def paper(cls, ipc: int = 10, classes: int = 10) -> Self:
        """Return the published settings, or the nearest known ones, for the preset ``paper``."""
        return cls()

    @abstractmethod
    def build(self, shape: Shape, classes: int) -> Generator:
        """Return a generator of images of ``shape`` with arbitrary weights, which `init` replaces.

        PyTorch's layers draw their weights from the global random stream: call this within ``torch.random.fork_rng(devices=[])``. Raise
        CondensationError if the generator cannot make images of this size; the message names the possible sizes.
        """

    def drawn(self, real: ImageSet, ipc: Mapping[int, int], generator: Generator, rng: Rng, compute: Compute) -> GeneratedImages:
        """Return images like ``real`` made by ``generator``; latents come from the stream ``images`` of the ``rng`` of `init`."""
        template = blank(real, ipc, next(generator.parameters()).dtype)
        return GeneratedImages(template, generator, rng.child("images"), compute.suitable_chunk(real.shape))


def blank(like: ImageSet, ipc: Mapping[int, int], dtype: torch.dtype) -> ImageSet:
    """Return ``ipc[label]`` zero images of each class, with the shape, classes and preprocessing of ``like``."""
    labels = torch.repeat_interleave(torch.tensor(list(ipc)), torch.tensor(list(ipc.values()))).to(like.device)
    return replace(like, images=torch.zeros(len(labels), *like.shape, dtype=dtype, device=like.device), labels=labels)


def latents_for(generator: Generator, ipc: Mapping[int, int], rng: Rng) -> Tensor:
    """Return latents of ``ipc[label]`` images of each class, each class from its own random stream."""
    return torch.cat([generator.draw(count, rng.child(label)) for label, count in ipc.items()])


def drawn_images(generator: Generator, latents: Tensor, class_index: Tensor, preprocessing: Preprocessing, chunk: int) -> Tensor:
    """Return the preprocessed images (n, c, h, w) that ``generator`` makes in evaluation mode, without a graph."""
    training = generator.training
    generator.train(False)
    with torch.no_grad():
        images = [generator.inputs(latents[part], class_index[part], preprocessing) for part in split(len(latents), chunk)]
    generator.train(training)
    return torch.cat(images)
