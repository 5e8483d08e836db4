"""GTN against the plain algorithm in float64, and training on its curriculum."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from condensation import GTN, Compute, CondensationError, CondensedSet, ConvNet, ImageSet, NetworkSpec, Rng, StepInfo, condense
from condensation.generators.lesson_generator import LessonGenerator
from condensation.methods.gtn import GTNState
from condensation.networks.base import Classifier
from condensation.networks.mlp import MLP
from condensation.networks.weight_norm import WeightNormConvNet
from condensation.training.curriculum import Schedule, curriculum_batches, curriculum_order, teach
from condensation.training.meta_gradient import traced
from tests.small import CPU, gtn, images

COMPUTE = Compute(**CPU)  # type: ignore[arg-type]
DOUBLE = Compute(device="cpu", precision="float64", compile="never")
IPC = {0: 2, 1: 3, 2: 4}


def begun(method: GTN, real: ImageSet) -> GTNState:
    return method.init(real, IPC, Rng(1), DOUBLE)


def plain_loss(method: GTN, state: GTNState, real: ImageSet, rng: Rng) -> Tensor:
    """The loss of one step of the plain algorithm, with its whole graph and the same random draws."""
    source, network = state.source, state.learner
    network.redraw(rng.child("network"))
    weights = {name: parameter.detach().clone().requires_grad_() for name, parameter in network.named_parameters()}
    statistics = {name: buffer.clone() for name, buffer in network.named_buffers()}
    velocity = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    order = curriculum_order(list(source.template.counts.values()))
    batches = math.ceil(len(order) / method.batch)
    losses = []
    for step in range(method.passes * batches):
        piece = order[step % batches * len(order) // batches : (step % batches + 1) * len(order) // batches]
        codes = functional.one_hot(source.template.class_index, len(real.classes)).double()
        shown = _generated(source.generator, torch.cat([source.latents, codes], dim=1)[piece])
        network.train()
        with traced(network):
            loss = functional.cross_entropy(functional_call(network, {**weights, **statistics}, (shown,)), source.template.labels[piece])
        statistics = {name: buffer.clone() for name, buffer in statistics.items()}
        gradient = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        for (name, weight), of_weight in zip(weights.items(), gradient, strict=True):
            velocity[name] = velocity[name] * source.log_momentum[step].exp() + of_weight
            weights[name] = weight - source.log_lr[step].exp() * velocity[name]
        network.eval()
        places = torch.from_numpy(rng.child("real", step).choice(len(real), method.real_batch))
        logits = functional_call(network, {**weights, **statistics}, (real.inputs(places).double(),))
        losses.append(functional.cross_entropy(logits, real.labels[places]))
    return losses[-1] + method.intermediate * torch.stack(losses[:-1]).sum()


def _generated(generator: LessonGenerator, features: Tensor) -> Tensor:
    """Generated images, layer by layer, from latents and one-hot labels."""
    layers = list(generator.dense)
    for linear, norm in ((layers[0], layers[1]), (layers[3], layers[4])):
        features = features @ linear.weight.T
        features = _normed(features, norm, [0])
    features = features.view(len(features), -1, *generator.sizes[0])
    for size, convolution, norm in (
        (generator.sizes[1], generator.middle[0], generator.middle[1]),
        (generator.sizes[2], generator.last, None),
    ):
        features = functional.interpolate(features, size=size, mode="nearest")
        features = functional.conv2d(functional.pad(features, (1, 1, 1, 1), mode="reflect"), convolution.weight, convolution.bias)
        features = _normed(features, norm, [0, 2, 3]) if norm else features
    return 2 * features.tanh()


def _normed(features: Tensor, norm: torch.nn.Module, over: list[int]) -> Tensor:
    mean, variance = features.mean(over, keepdim=True), features.var(over, correction=0, keepdim=True)
    shape = [1, -1] + [1] * (features.ndim - 2)
    normed = (features - mean) / (variance + 1e-5).sqrt() * norm.weight.view(shape) + norm.bias.view(shape)
    return functional.leaky_relu(normed, 0.1)


@pytest.mark.parametrize("learner", [ConvNet(width=4, depth=1), WeightNormConvNet(widths=(3, 4), hidden=5), MLP(width=5)])
@pytest.mark.parametrize("passes", [1, 2])
def test_a_step_equals_the_plain_algorithm(learner: NetworkSpec, passes: int) -> None:
    method, real, rng = gtn(learner=learner, passes=passes, intermediate=0.7), images(), Rng(4)
    state = begun(method, real)
    loss = plain_loss(method, state, real, rng)
    learned = state.source.trainable()
    expected = torch.autograd.grad(loss, learned)
    ours = method.step(state, real, rng)
    torch.testing.assert_close(ours, loss.detach(), rtol=1e-10, atol=0)
    for parameter, gradient in zip(learned, expected, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-7, atol=1e-12)


def test_the_gradient_equals_finite_differences() -> None:
    method, real, rng = gtn(learner=ConvNet(width=3, depth=1, activation="swish")), images(shape=(1, 8, 8)), Rng(4)
    state = begun(method, real)
    before = [parameter.detach().clone() for parameter in state.source.trainable()]
    method.step(state, real, rng)
    gradients = [parameter.grad for parameter in state.source.trainable()]
    for number, (parameter, gradient) in enumerate(zip(state.source.trainable(), gradients, strict=True)):
        direction = Rng(8).child(number).normal(tuple(parameter.shape)).double()

        def loss_at(distance: float, parameter: Tensor = parameter, direction: Tensor = direction, number: int = number) -> Tensor:
            with torch.no_grad():
                for one, was in zip(state.source.trainable(), before, strict=True):
                    one.copy_(was)
                parameter.copy_(before[number] + distance * direction)
            return plain_loss(method, state, real, rng).detach()

        slope = (loss_at(1e-6) - loss_at(-1e-6)) / 2e-6
        assert gradient is not None
        torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-4, atol=1e-7)


def test_the_number_of_stored_states_does_not_change_the_result() -> None:
    one, other = (condense(gtn(passes=3, keep_every=keep), images(), 3, compute=DOUBLE) for keep in (1, 4))
    torch.testing.assert_close(one.images, other.images, rtol=1e-6, atol=1e-9)


def test_a_snapshot_holds_the_next_training_images() -> None:
    method, real = gtn(), images()
    state = method.init(real, IPC, Rng(1), COMPUTE)
    method.step(state, real, Rng(2))
    made = state.source.snapshot()
    for number, piece in enumerate(state.source.batches):
        torch.testing.assert_close(made.images[piece], state.source.inner_batch(number).images.detach(), rtol=0, atol=0)
        assert torch.equal(made.labels[piece], state.source.inner_batch(number).labels)


def test_learner_rates_start_as_set_and_are_learned() -> None:
    method, real = gtn(learner_lr=0.3, learner_momentum=0.6, passes=2), images()
    state = method.init(real, IPC, Rng(1), COMPUTE)
    first = state.source.schedule(method.batch)
    assert first.lr == pytest.approx([0.3] * 6)
    assert first.momentum == pytest.approx([0.6] * 6)
    method.step(state, real, Rng(2))
    then = state.source.schedule(method.batch)
    assert all(now != before for now, before in zip(then.lr, first.lr, strict=True))
    assert all(now != before for now, before in zip(then.momentum[1:], first.momentum[1:], strict=True))
    assert then.momentum[0] == first.momentum[0]  # nothing moves yet that could go on


def test_the_learning_rate_of_adam_follows_a_cosine() -> None:
    seen: list[float] = []
    condense(
        gtn(steps=4), images(), 2, compute=COMPUTE, observers=[lambda info: seen.append(info.state.optimizers[0].param_groups[0]["lr"])]
    )
    assert seen == pytest.approx([0.02 * (0.1 + 0.9 * (1 + math.cos(math.pi * step / 4)) / 2) for step in range(5)])


# -- batches of the curriculum


@given(st.lists(st.integers(1, 30), min_size=2, max_size=6), st.integers(2, 20))
def test_batches_hold_every_image_once_and_at_least_two(counts: list[int], batch: int) -> None:
    pieces = curriculum_batches(counts, batch)
    assert sorted(torch.cat(pieces).tolist()) == list(range(sum(counts)))
    sizes = [len(piece) for piece in pieces]
    assert max(sizes) <= max(batch, 3)
    assert min(sizes) >= 2
    assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.integers(1, 30), min_size=2, max_size=6))
def test_classes_are_spread_evenly_and_keep_their_order(counts: list[int]) -> None:
    order = curriculum_order(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))[order]
    for label, count in enumerate(counts):
        assert torch.equal(order[labels == label], torch.sort(order[labels == label]).values)
        seen = (labels == label).cumsum(0)
        fair = torch.arange(1, len(order) + 1) * count / len(order)
        assert (seen - fair).abs().max() <= len(counts)


def test_equal_classes_take_turns() -> None:
    assert curriculum_order([2, 2, 2]).tolist() == [0, 2, 4, 1, 3, 5]


# -- the generator


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 17, 10), (1, 4, 5)])
def test_the_generator_supports_many_image_sizes(shape: tuple[int, int, int]) -> None:
    generator = LessonGenerator(5, 3, shape, 8, (4, 3))
    made = generator(generator.draw(6, Rng(0)), torch.tensor([0, 1, 2, 0, 1, 2]))
    assert made.shape == (6, *shape)
    assert made.abs().max() <= 2


def test_an_unsupported_image_size_raises() -> None:
    with pytest.raises(CondensationError, match="4x4"):
        condense(gtn(learner=MLP()), images(shape=(1, 3, 8)), 2, compute=COMPUTE)


# -- teaching


def made_and_kept(method: GTN, real: ImageSet) -> tuple[ImageSet, Schedule]:
    cards: list[dict[str, object]] = []

    def keep(info: StepInfo) -> None:
        cards.append(info.state.card())

    made = condense(method, real, 4, compute=COMPUTE, observers=[keep])
    return made, Schedule.from_card(json.loads(json.dumps(cards[-1])))


def test_teach_is_plain_training_by_the_schedule() -> None:
    learner = ConvNet(width=4, depth=1)
    method, real, test = gtn(learner=learner, passes=2), images(), images(seed=5)
    made, schedule = made_and_kept(method, real)
    network: Classifier = learner.build(real.shape, 3, Rng(0))
    network.redraw(Rng(3).child("teach", 0, "network"))
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    pieces = curriculum_batches([4, 4, 4], method.batch) * 2
    for piece, lr, momentum in zip(pieces, schedule.lr, schedule.momentum, strict=True):
        optimizer.param_groups[0].update(lr=lr, momentum=momentum)
        optimizer.zero_grad()
        functional.cross_entropy(network(made.images[piece]), made.labels[piece]).backward()
        optimizer.step()
    network.eval()
    expected = 100 * (network(test.inputs()).argmax(1) == test.labels).double().mean()
    taught = teach(made, schedule, learner, test, networks=2, seed=3, at=[0, 3], compute=COMPUTE)
    assert taught.values[0, -1] == pytest.approx(float(expected))
    assert (taught.steps, taught.images) == ((0, 3, 6), (0, 12, 24))
    assert np.array_equal(taught.values, teach(made, schedule, learner, test, networks=2, seed=3, at=[0, 3], compute=COMPUTE).values)


def test_a_network_is_tested_with_the_statistics_of_its_training() -> None:
    learner = WeightNormConvNet(widths=(3, 4), hidden=5)
    made, schedule = made_and_kept(gtn(learner=learner), images())
    whole, half = images(seed=5), images(seed=5).select([1])
    of_whole = teach(made, schedule, learner, whole, networks=1, compute=COMPUTE).values[0, -1]
    parts = [teach(made, schedule, learner, whole.select([label]), networks=1, compute=COMPUTE).values[0, -1] for label in range(3)]
    assert len(half) == 12
    assert of_whole == pytest.approx(np.mean(parts))  # no test image depends on the others


@pytest.mark.slow
def test_networks_learn_from_the_curriculum() -> None:
    method = gtn(steps=60, batch=6, learner_lr=0.1, learner=MLP(width=16), real_batch=36, hidden=32, channels=(8, 8))
    real, test = images(per_class=60), images(per_class=60, seed=5)
    made, schedule = made_and_kept(method, real)
    assert teach(made, schedule, method.learner, test, networks=3, compute=COMPUTE).mean > 90


def test_a_set_without_schedule_raises(tmp_path: object) -> None:
    with pytest.raises(CondensationError) as caught:
        Schedule.from_card(CondensedSet(images()).card)
    assert "evaluate()" in caught.value.hint


def test_invalid_arguments_of_teach_are_named() -> None:
    schedule = Schedule(6, (0.1, 0.1), (0.5, 0.5))
    for setting, value in (("at", [9]), ("at", [-1]), ("networks", 0)):
        with pytest.raises(CondensationError) as raised:
            teach(images(), schedule, MLP(width=4), images(), compute=COMPUTE, **{setting: value})  # type: ignore[arg-type]
        assert raised.value.setting == setting
