"""Best of several sets: for each class, keep the images on which networks train best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.form import Form
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.base import Method, State, need_at_least
from condensation.methods.dm import DM
from condensation.methods.generative import GenerativeMethod
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.training.train import Recipe
from condensation.training.train_and_test import TrainingJob, train_and_test


@dataclass(kw_only=True)
class BestOfState(State):
    """Finished sets, their scores, and the state of the set that is being made."""

    begin: Callable[[int], State]  # returns the initial state of a set
    compute: Compute
    making: State | None = None  # None once all sets are finished
    made: list[Tensor] = field(default_factory=list)  # images (n, c, h, w) of the finished sets
    left: Tensor  # (classes, sets), bool: candidates not yet eliminated
    right: Tensor  # (classes, sets): summed accuracies of the networks trained on each candidate; equally many for all in `left`
    done: int = 0  # finished steps

    def state_dict(self) -> dict[str, Any]:
        making = self.making.state_dict() if self.making else {}
        return {"making": making, "made": self.made, "left": self.left, "right": self.right, "done": self.done}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self.made, self.done = [images.to(self.source.images) for images in saved["made"]], saved["done"]
        self.left, self.right = saved["left"], saved["right"]
        if saved["making"]:
            self.making = self.begin(len(self.made))
            self.making.load_state_dict(saved["making"])
            self.source = self.making.source
        else:
            self.making = None
            self.show_best()

    def card(self) -> dict[str, Any]:
        """Return the index of the set from which each class is taken."""
        template = self.source.template
        names = [template.class_names[label] for label in template.classes]
        return {"chosen": dict(zip(names, self.best().tolist(), strict=True))}

    def best(self) -> Tensor:
        """Return the index (classes,) of the set with the best score so far for each class; ties go to the first."""
        return self.right.masked_fill(~self.left, -torch.inf).argmax(1)

    def mixed(self, sets: Tensor) -> ImageSet:
        """Return a set with the images of each class from the set whose index is in ``sets`` (classes,)."""
        template = self.source.template
        set_of_image = sets.to(template.class_index.device)[template.class_index]
        images = torch.empty_like(self.made[0])
        for number, made in enumerate(self.made):
            images[set_of_image == number] = made[set_of_image == number]
        return replace(template, images=images)

    def show_best(self) -> None:
        """Set the result to the best mixture so far."""
        self.source = SyntheticImages(self.mixed(self.best()))


@dataclass(frozen=True)
class BestOf(Method[BestOfState]):
    """Make several sets with the method ``of``, and take each class from the set on which networks train best.

    The accuracy of a set is nearly a sum of contributions of its classes, so each class can come from a different set.
    Networks are trained on mixtures, in groups of one network per candidate; within a group, each candidate of each class is in exactly
    one mixture. Each round drops the half of the candidates with the lower mean accuracy (sequential halving; Karnin, Koren & Somekh,
    ICML 2013). Networks are tested on training images; test images are not used.

    >>> from condensation import DM, BestOf
    >>> BestOf(DM.fast(10), sets=8).of.steps
    1000
    """

    name: ClassVar[str] = "best-of"
    of: Method = DM.classic(10)
    """Method that makes the sets."""
    sets: int = 8
    """Sets to make."""
    mixtures: int = 192
    """Total number of networks trained on mixtures, divided evenly among the rounds."""
    eval_per_class: int = 1_000
    """Training images per class that mixtures are tested on, drawn for each round; or all if the class has fewer."""
    eval_network: NetworkSpec = ConvNet()
    """Architecture that is trained on the mixtures."""
    recipe: Recipe = Recipe.paper(150)
    """Training recipe for the mixtures."""

    @classmethod
    def hour(cls, ipc: int, classes: int = 10, channels: int = 3) -> BestOf:
        """Return settings with `DM.classic` that take about an hour on two CPU cores: for large sets, fewer sets and mixtures."""
        images = ipc * classes
        classic = DM.classic(ipc, classes, channels)
        return cls(classic, sets=8 if images <= 100 else 4, mixtures=min(192, max(24, 19_200 // images)))

    def __post_init__(self) -> None:
        need_at_least(self, sets=1, mixtures=1, eval_per_class=1)
        if isinstance(self.of, BestOf | GenerativeMethod):
            message = f"Expected method.of to be a method that learns or selects images, got {type(self.of).__name__}."
            raise CondensationError(message, hint="Use a method such as DM().", setting="method.of")
        if self.of.is_private:
            message = "BestOf tests sets on training images, which differential privacy excludes."
            raise CondensationError(
                message, hint="Use the private method alone: its release serves any number of sets.", setting="method.of"
            )

    @property
    def network_setting(self) -> str:
        return f"of.{self.of.network_setting}" if self.of.network_setting else ""

    @property
    def network_settings(self) -> tuple[str, ...]:
        return (*(f"of.{setting}" for setting in self.of.network_settings), "eval_network")

    @property
    def lr_setting(self) -> str:
        return f"of.{self.of.lr_setting}" if self.of.lr_setting else ""

    @property
    def rounds(self) -> list[tuple[int, int]]:
        """Candidates per class, and groups of one network per candidate, for each round."""
        counts = [self.sets]
        while counts[-1] > 1:
            counts.append(math.ceil(counts[-1] / 2))
        return [(count, max(1, round(self.mixtures / (len(counts) - 1) / count))) for count in counts[:-1]]

    @property
    def steps(self) -> int:
        return self._making_steps + sum(groups for _, groups in self.rounds)

    @property
    def _making_steps(self) -> int:
        return self.sets * max(1, self.of.steps)  # a method without steps counts as one step per set

    @property
    def set_form(self) -> Form | None:
        return self.of.set_form

    def phase(self, step: int) -> tuple[str, int, int]:
        if step < self._making_steps or not self.rounds:
            return "condensing", step, self._making_steps
        return "choosing", step - self._making_steps, self.steps - self._making_steps

    def validate(self, real: ImageSet) -> None:
        self.of.validate(real)

    def input_digests(self) -> dict[str, str]:
        return self.of.input_digests()

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> BestOfState:
        begin: Callable[[int], State] = lambda number: self.of.init(real, ipc, rng.child("set", number), compute)  # noqa: E731
        making = begin(0)
        if making.source.snapshot().soft_labels:
            raise CondensationError("Sets with soft labels cannot be mixed class by class.", setting="method.of")
        left = torch.ones(len(making.source.template.classes), self.sets, dtype=torch.bool)
        right = torch.zeros(left.shape, dtype=torch.float64)
        return BestOfState(source=making.source, making=making, begin=begin, compute=compute, left=left, right=right)

    def step(self, state: BestOfState, real: ImageSet, rng: Rng) -> Tensor:
        state.done += 1
        return self._choose(state, real, rng) if state.making is None else self._make(state, state.making, real, rng)

    def _make(self, state: BestOfState, making: State, real: ImageSet, rng: Rng) -> Tensor:
        """Take one step on the current set; after its last step, begin the next set."""
        loss = self.of.step(making, real, rng) if self.of.steps else torch.zeros(())
        if state.done % max(1, self.of.steps) == 0:
            state.made.append(making.source.snapshot().images)
            state.making = state.begin(len(state.made)) if len(state.made) < self.sets else None
            if state.making:
                state.source = state.making.source
            else:
                state.show_best()
        return loss

    def _choose(self, state: BestOfState, real: ImageSet, rng: Rng) -> Tensor:
        """Train one group of networks, drop candidates if the round is over, and return the mean error rate."""
        counts, groups = zip(*self.rounds, strict=True)
        round_ = counts.index(int(state.left[0].sum()))
        # All networks of a round are tested on the same images, so the scores are comparable.
        test = real.take(real.draw(self.eval_per_class, Rng(rng.seed).child("judged on", round_)).indices.sort().values)
        candidates = [candidate.nonzero().squeeze(1) for candidate in state.left]
        orders = [sets[rng.child("order", row).permutation(len(sets))] for row, sets in enumerate(candidates)]
        group = torch.stack(orders)  # (classes, networks): the set from which each network sees each class
        jobs = [TrainingJob(state.mixed(sets), rng.child("network", place)) for place, sets in enumerate(group.T)]
        images = len(jobs) * (self.recipe.epochs * jobs[0].images.seen + len(test))
        compute = state.compute.with_compile_decision(real.shape, images * groups[round_])
        (per_class,), _, _ = train_and_test(self.eval_network, jobs, [test], self.recipe, compute)
        accuracies = torch.from_numpy(per_class).mean(1)  # balanced by class
        state.right.scatter_add_(1, group, accuracies.expand(len(group), -1))
        if state.done == self._making_steps + sum(groups[: round_ + 1]):
            keep = math.ceil(counts[round_] / 2)
            order = state.right.masked_fill(~state.left, -torch.inf).argsort(dim=1, descending=True, stable=True)
            state.left = torch.zeros_like(state.left).scatter_(1, order[:, :keep], True)
        state.show_best()
        return 1 - accuracies.mean()
