"""State, averages and images of methods that train a generator."""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from condensation import Checkpoint, Compute, Rng, condense
from condensation.core.preprocessing import Identity
from condensation.generators.base import Generator
from condensation.generators.dense import DenseGenerator
from condensation.generators.ema import update_ema
from condensation.methods.generative import GenerativeMethod, GeneratorState, drawn_images
from tests.small import CPU, gmmn, images

COMPUTE = Compute(**CPU)


@dataclass(kw_only=True)
class DCState(GeneratorState):
    generator: DenseGenerator
    critic: nn.Module
    queue: torch.Tensor


@dataclass(frozen=True)
class Averaged(GenerativeMethod):
    """A method with a running average, a critic with batch norm and a queue."""

    steps: int = 5

    def build(self, shape, classes):
        return DenseGenerator(shape, 3, (4,), classes, 1)

    def init(self, real, ipc, rng, compute):
        generator = self.build(real.shape, len(real.classes))
        generator.redraw([rng.child("generator")])
        average = copy.deepcopy(generator)
        with torch.random.fork_rng(devices=[]):
            critic = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(real.images[0].numel()))
        optimizer = torch.optim.Adam(generator.parameters(), lr=0.1)
        queue = torch.zeros(2)
        return DCState(
            source=self.drawn(real, ipc, average, rng, compute),
            optimizers=(optimizer,),
            generator=generator,
            critic=critic,
            queue=queue,
        )

    def step(self, state, real, rng):
        (optimizer,) = state.optimizers
        optimizer.zero_grad()
        pictures = state.generator(state.generator.draw(6, rng), torch.arange(6) % len(real.classes))
        loss = state.critic(pictures).square().mean() + state.queue.mean() + pictures.mean()
        loss.backward()
        optimizer.step()
        state.queue.copy_(torch.stack([loss.detach(), state.queue[0]]))
        update_ema(state.source.generator, state.generator, 0.5)
        return loss.detach()


def state_after(steps, checkpoint=None):
    states = []
    small = condense(Averaged(steps), images(), 2, compute=COMPUTE, checkpoint=checkpoint, observers=[lambda one: states.append(one.state)])
    return states[-1], small


def test_modules_tensors_and_averages_resume_exactly(tmp_path):
    unbroken, small = state_after(5)

    class Enough(Exception):
        pass

    def stop(info):
        if info.step == 3:
            raise Enough

    try:
        condense(Averaged(5), images(), 2, compute=COMPUTE, checkpoint=Checkpoint(tmp_path / "c", 0), observers=[stop])
    except Enough:
        pass
    resumed, again = state_after(5, Checkpoint(tmp_path / "c", 0))
    assert torch.equal(small.images, again.images)
    assert torch.equal(unbroken.queue, resumed.queue)
    for ours, theirs in zip(unbroken.critic.state_dict().values(), resumed.critic.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_images_come_from_the_average():
    state, small = state_after(4)
    of_average = drawn_images(state.source.generator, state.source.latents, small.class_index, small.preprocessing, 100)
    of_generator = drawn_images(state.generator, state.source.latents, small.class_index, small.preprocessing, 100)
    assert torch.equal(small.images, of_average)
    assert not torch.equal(small.images, of_generator)


def test_ema_averages_weights_and_statistics_and_copies_counters():
    average, module = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    module(torch.arange(6.0).view(3, 2))
    with torch.no_grad():
        module.weight.fill_(5.0)
    expected = 0.75 * average.running_mean + 0.25 * module.running_mean
    update_ema(average, module, 0.75)
    torch.testing.assert_close(average.weight, torch.full((2,), 2.0))
    torch.testing.assert_close(average.running_mean, expected)
    assert average.num_batches_tracked == 1


def test_drawing_restores_training_mode_and_statistics():
    class Normed(Generator):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(1)

        def draw(self, count, rng):
            return rng.normal((count, 1))

        def forward(self, latents, rows):
            return self.norm(latents.view(-1, 1, 1, 1).expand(-1, 1, 4, 4))

    generator = Normed().train()
    before = copy.deepcopy(generator.state_dict())
    drawn_images(generator, Rng(0).normal((5, 1)), torch.zeros(5, dtype=torch.int64), Identity(), 2)
    assert generator.training
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())


def test_a_diverged_generator_does_not_overwrite_a_good_one():
    method, real = gmmn(), images()
    state = method.init(real, dict.fromkeys(real.classes, 1), Rng(0), COMPUTE)
    assert state.source.is_finite()
    with torch.no_grad():
        state.generator.layers[0].weight[0, 0, 0] = torch.nan
    assert not state.source.is_finite()


def test_the_generator_does_not_depend_on_ipc():
    states = {}
    for ipc in (1, 5):
        condense(gmmn(), images(), ipc, compute=COMPUTE, observers=[lambda info, ipc=ipc: states.update({ipc: info.state})])
    few, many = (states[ipc].source for ipc in (1, 5))
    assert all(torch.equal(one, other) for one, other in zip(few.generator.parameters(), many.generator.parameters(), strict=True))
    torch.testing.assert_close(few.snapshot().images, many.snapshot().images[::5])
