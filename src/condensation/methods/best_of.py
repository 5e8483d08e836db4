"""The best of several sets by one method, class by class: those from which networks learn most, as training images say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.base import Method, State, need_at_least
from condensation.methods.dm import DM
from condensation.methods.generative import GenerativeMethod
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.networks.samplers import NetworkSampler
from condensation.training.stacked import model_cache
from condensation.training.train import Recipe
from condensation.training.train_and_test import TrainingJob, train_and_test


@dataclass(kw_only=True)
class BestOfState(State):
    """The sets made, what has been found out about them, and the state of the one that is being made."""

    begin: Callable[[int], State]
    compute: Compute
    making: State | None = None  # None: all are made
    made: list[Tensor] = field(default_factory=list)  # images of finished sets, (n, c, h, w) each
    left: Tensor  # (classes, sets): whether the images of a class in a set may still be chosen
    right: Tensor  # (classes, sets): the sum of accuracies of networks that learned from them, as many for all that are left
    done: int = 0  # steps

    def state_dict(self) -> dict[str, Any]:
        return {
            "making": self.making.state_dict() if self.making else {},
            "made": self.made,
            "left": self.left,
            "right": self.right,
            "done": self.done,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self.made, self.done = [images.to(self.source.images) for images in saved["made"]], saved["done"]
        self.left, self.right = saved["left"], saved["right"]
        if saved["making"]:
            self.making = self.begin(len(self.made))
            self.making.load_state_dict(saved["making"])
            self.source = self.making.source
        else:
            self.making = None
            self.show()

    def card(self) -> dict[str, Any]:
        """Which set the images of each class are of, from 0."""
        start = self.source.template
        names = [start.class_names[label] for label in start.classes]
        return {"chosen": dict(zip(names, self.best().tolist(), strict=True))}

    def best(self) -> Tensor:
        """The set (classes,) that is best for each class as far as is known; the first of equals."""
        return self.right.masked_fill(~self.left, -torch.inf).argmax(1)

    def mixed(self, sets: Tensor) -> ImageSet:
        """A set with the images of each class from its set in ``sets`` (classes,)."""
        start = self.source.template
        of_image = sets.to(start.class_index.device)[start.class_index]
        images = torch.empty_like(self.made[0])
        for number, made in enumerate(self.made):
            images[of_image == number] = made[of_image == number]
        return replace(start, images=images)

    def show(self) -> None:
        """Let the best mixture as far as is known be the result."""
        self.source = SyntheticImages(self.mixed(self.best()))


@dataclass(frozen=True)
class BestOf(Method):
    """``sets`` sets by the method ``of``, and for each class the images of that one from which networks learn most.

    What a set is worth is nearly a sum of what the images of its classes are worth, and each class can come from another set.
    So networks are trained on mixtures, in groups of as many as there are candidates: in a group, each candidate of each class is
    in one mixture. By the mean accuracy of its mixtures the worse half of the candidates of a class is left out after each
    round (sequential halving; Karnin, Koren and Somekh, ICML 2013), until there is one. Networks are tested on training
    images; test images decide nothing.
    """

    name: ClassVar[str] = "best-of"
    of: Method = DM.fast(10)
    sets: int = 8
    mixtures: int = 192  # each judged by a network; in all, as evenly as may be over the rounds
    eval_per_class: int = 1_000  # training images of a class, drawn anew for each round; all of a class that has fewer
    eval_network: NetworkSpec = ConvNet()
    recipe: Recipe = Recipe.paper(150)

    @classmethod
    def hour(cls, ipc: int, classes: int = 10, channels: int = 3) -> BestOf:
        """The best of some sets by `DM.fast`, about an hour on two CPU cores; where they have more than 100 images, of fewer sets."""
        images = ipc * classes
        fast = DM.fast(ipc, classes, channels)
        return cls(fast, sets=8 if images <= 100 else 4, mixtures=min(192, max(24, 19_200 // images)))

    def __post_init__(self) -> None:
        need_at_least(self, sets=1, mixtures=1, eval_per_class=1)
        if isinstance(self.of, BestOf | GenerativeMethod):
            raise CondensationError(
                f"method.of is {type(self.of).__name__}; it must be a method that makes or chooses the images themselves, such as dm."
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
    def sampler(self) -> NetworkSampler | None:
        return self.of.sampler

    def with_network(self, network: NetworkSpec) -> BestOf:
        return replace(self, of=self.of.with_network(network))

    def with_lr(self, lr: float) -> BestOf:
        return replace(self, of=self.of.with_lr(lr))

    def with_sampler(self, sampler: NetworkSampler) -> BestOf:
        return replace(self, of=self.of.with_sampler(sampler))

    @property
    def rounds(self) -> list[tuple[int, int]]:
        """Of each round, how many candidates a class has, and how many groups of as many networks are trained."""
        counts = [self.sets]
        while counts[-1] > 1:
            counts.append(math.ceil(counts[-1] / 2))
        return [(count, max(1, round(self.mixtures / (len(counts) - 1) / count))) for count in counts[:-1]]

    @property
    def steps(self) -> int:
        return self._making + sum(groups for _, groups in self.rounds)

    @property
    def _making(self) -> int:
        """Steps in which sets are made: at least one of each, which for a method without any is no more than its making."""
        return self.sets * max(1, self.of.steps)

    def phase(self, step: int) -> tuple[str, int, int]:
        if step < self._making or not self.rounds:
            return "condensing", step, self._making
        return "choosing", step - self._making, self.steps - self._making

    def validate(self, real: ImageSet) -> None:
        self.of.validate(real)

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> BestOfState:
        def begin(number: int) -> State:
            return self.of.init(real, ipc, rng.child("set", number), compute)

        making = begin(0)
        if making.source.snapshot().soft_labels:
            raise CondensationError("The best of several sets cannot be of sets with soft labels, whose classes are not of themselves.")
        classes = len(making.source.template.classes)
        return BestOfState(
            source=making.source,
            making=making,
            begin=begin,
            compute=compute,
            left=torch.ones(classes, self.sets, dtype=torch.bool),
            right=torch.zeros(classes, self.sets, dtype=torch.float64),
        )

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        assert isinstance(state, BestOfState)  # what init made
        state.done += 1
        return self._choose(state, real, rng) if state.making is None else self._make(state, state.making, real, rng)

    def _make(self, state: BestOfState, making: State, real: ImageSet, rng: Rng) -> Tensor:
        """A step of making a set; after the last one, begin the next."""
        loss = self.of.step(making, real, rng) if self.of.steps else torch.zeros(())
        if state.done % max(1, self.of.steps) == 0:
            state.made.append(making.source.snapshot().images)
            state.making = state.begin(len(state.made)) if len(state.made) < self.sets else None
            if state.making:
                state.source = state.making.source
            else:
                state.show()
        return loss

    def _choose(self, state: BestOfState, real: ImageSet, rng: Rng) -> Tensor:
        """Train a group of networks, and leave candidates out if the round is over: the part of images that are not recognised."""
        counts, groups = zip(*self.rounds, strict=True)
        round_ = counts.index(int(state.left[0].sum()))
        # All of a round are tested on the same images, so that none has the easier ones.
        test = real.take(real.draw(self.eval_per_class, Rng(rng.seed).child("judged on", round_)).indices.sort().values)
        candidates = [places.nonzero().squeeze(1) for places in state.left]
        orders = [of_class[rng.child("order", row).permutation(len(of_class))] for row, of_class in enumerate(candidates)]
        group = torch.stack(orders)  # (classes, networks): of which set each network sees the class
        trainings = [TrainingJob(state.mixed(sets), rng.child("network", place)) for place, sets in enumerate(group.T)]
        images = len(trainings) * (self.recipe.epochs * len(trainings[0].images) + len(test))
        compute = state.compute.with_compile_decision(real.shape, images * groups[round_])
        with model_cache(self.eval_network, real.shape, real.num_classes, compute) as crew:
            (found,), _ = train_and_test(crew, trainings, [test], self.recipe)
        accuracies = torch.from_numpy(found).mean(1)  # balanced by class
        state.right.scatter_add_(1, group, accuracies.expand(len(group), -1))
        if state.done == self._making + sum(groups[: round_ + 1]):
            keep = math.ceil(counts[round_] / 2)
            order = state.right.masked_fill(~state.left, -torch.inf).argsort(dim=1, descending=True, stable=True)
            state.left = torch.zeros_like(state.left).scatter_(1, order[:, :keep], True)
        state.show()
        return 1 - accuracies.mean()
