"""What methods share that train a generator: a source that draws from it, a state that keeps all modules, averages of weights.

A method of this kind is a frozen dataclass that subclasses `GenerativeMethod`:

- `GenerativeMethod.build` makes its generator, untrained. The trained one is saved with a run as the method's settings and the
  generator's weights, so `build` must depend on nothing but the settings, the shape and the number of classes.
- `init` makes a `GeneratorState` state, or a subclass of it with more modules, and `GenerativeMethod.drawn` its source. Every field of
  the state that is a module or a tensor is checkpointed, by the field's name, beside the optimisers and the schedulers.
- Where images are to come from a running average of the weights, the source has a copy of the generator (`copy.deepcopy`, before
  training), the state has the generator under training as a field of its own, and each step lets the one `follow`
  the other (`generators.averages`).
- `fast` and `paper` are its presets. They may not depend on ipc, unless the generator does.
- `step` trains once. A step is an iteration: it draws all it needs from its ``rng``, so a run goes on exactly where it stopped.

Nothing else is to be done: at any time, and in the end, the images are those that the generator makes, in evaluation mode, of latents
that were drawn in the beginning. They come from a stream of their own, so a generator does not depend on how many are asked for.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from condensation.core.compute import Compute
from condensation.core.images import ImageSet, Shape
from condensation.core.microbatch import split
from condensation.core.preprocessing import Preprocessing
from condensation.core.rng import Rng
from condensation.generators.base import Generator
from condensation.methods.base import Method, State
from condensation.methods.synthetic import SyntheticImages

if TYPE_CHECKING:
    from typing_extensions import Self


class GeneratedImages(SyntheticImages):
    """Images that a generator makes of latents that were drawn once.

    ``generator`` is what they are made by: the one under training, or a running average of it. Its weights are part of
    the state of this source. ``images`` are as they were when `snapshot` was last asked for.
    """

    latents: Tensor

    def __init__(self, start: ImageSet, generator: Generator, latents: Tensor, chunk: int) -> None:
        super().__init__(start)
        self.images.requires_grad_(False)
        self.generator, self.chunk = generator, chunk
        self.register_buffer("latents", latents, persistent=False)  # drawn again when a run goes on

    def snapshot(self) -> ImageSet:
        self.assign(drawn_images(self.generator, self.latents, self.template.class_index, self.template.preprocessing, self.chunk))
        return super().snapshot()

    def is_finite(self) -> bool:
        return all(bool(tensor.isfinite().all()) for tensor in self.generator.state_dict().values())


@dataclass(kw_only=True)
class GeneratorState(State):
    """The state of a method that trains a generator; subclasses add the modules and tensors that are trained beside it."""

    source: GeneratedImages

    @property
    def parts(self) -> dict[str, nn.Module | Tensor]:
        """What is checkpointed beside the source: each field that is a module or a tensor."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "source"}
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
class GenerativeMethod(Method):
    """A method that trains a generator and draws the images from it."""

    note: ClassVar[str] = ""  # what the papers leave open and how it is done here; it goes on the card
    any_ipc: ClassVar[bool] = True  # whether the generator is the same whatever ipc, so that sets of other sizes are drawn from it

    lengthened: ClassVar[str] = "steps"  # the setting that `long` makes larger

    @classmethod
    def fast(cls, ipc: int = 10, classes: int = 10) -> Self:
        """Settings for a CPU, which the preset `fast` begins with."""
        return cls()

    @classmethod
    def long(cls, ipc: int = 10, classes: int = 10) -> Self:
        """As `fast`, ten times as long; the preset `long` begins with it."""
        fast = cls.fast(ipc, classes)
        longer: dict[str, Any] = {cls.lengthened: 10 * getattr(fast, cls.lengthened)}
        return replace(fast, **longer)

    @classmethod
    def paper(cls, ipc: int = 10, classes: int = 10) -> Self:
        """The published settings, or the nearest to them where they are not known; the preset `paper` begins with them."""
        return cls()

    @abstractmethod
    def build(self, shape: Shape, classes: int) -> Generator:
        """The generator of images of ``shape`` and of ``classes`` classes, with any weights; `init` gives it those it starts with.

        PyTorch's layers take weights from the global generator when they are made: call it inside of
        ``torch.random.fork_rng(devices=[])``.

        Raises:
            CondensationError: if it cannot make images of this size; the message says which it can.
        """

    def drawn(self, real: ImageSet, ipc: Mapping[int, int], generator: Generator, rng: Rng, compute: Compute) -> GeneratedImages:
        """The source of images like ``real`` by ``generator``: latents are drawn from the stream ``images`` of init's ``rng``."""
        start = blank(real, ipc, next(generator.parameters()).dtype)
        latents = latents_for(generator, ipc, rng.child("images")).to(start.images)
        return GeneratedImages(start, generator, latents, compute.suitable_chunk(real.shape))


def blank(like: ImageSet, ipc: Mapping[int, int], dtype: torch.dtype) -> ImageSet:
    """``ipc[label]`` images of zeros of each class, of the kind of ``like``."""
    labels = torch.repeat_interleave(torch.tensor(list(ipc)), torch.tensor(list(ipc.values()))).to(like.device)
    return replace(like, images=torch.zeros(len(labels), *like.shape, dtype=dtype, device=like.device), labels=labels)


def latents_for(generator: Generator, ipc: Mapping[int, int], rng: Rng) -> Tensor:
    """Latents of ``ipc[label]`` images of each class, class by class, each class by a stream of its own."""
    return torch.cat([generator.draw(count, rng.child(label)) for label, count in ipc.items()])


def drawn_images(generator: Generator, latents: Tensor, rows: Tensor, preprocessing: Preprocessing, chunk: int) -> Tensor:
    """What a network sees of the pictures that ``generator`` makes, in evaluation mode and without a graph: (n, c, h, w)."""
    with torch.no_grad(), evaluating(generator):
        return torch.cat([generator.inputs(latents[piece], rows[piece], preprocessing) for piece in split(len(latents), chunk)])


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while."""
    training = module.training
    module.train(False)
    try:
        yield
    finally:
        module.train(training)
