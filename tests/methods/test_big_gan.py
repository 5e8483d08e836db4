"""BigGAN: the parts of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from condensation import BigGAN, Compute, ImageSet, Rng
from condensation.augment.base import Transform
from condensation.generators.gan_losses import hinge_loss_fake, hinge_loss_real
from condensation.methods.big_gan import BigGANState, signed
from tests.small import CPU, biggan, images
from tests.states import same_state

EXACT = Compute(**{**CPU, "precision": "float64"})  # type: ignore[arg-type]
IPC = {0: 2, 1: 2, 2: 2}


def begun(method: BigGAN, real: ImageSet, steps: int = 0) -> BigGANState:
    state = method.init(real, IPC, Rng(0), EXACT.resolve())
    for step in range(steps):
        method.step(state, real, Rng(0).child("step", step))
    return state


@dataclass(frozen=True)
class Recording:
    """An augmentation that records its inputs and changes nothing."""

    seen: list[Tensor] = field(default_factory=list, compare=False)

    def fit(self, images: ImageSet) -> Recording:
        return self

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        raise AssertionError("nothing here is by class")

    def per_image(self, count: int, rng: Rng) -> Transform:
        def transform(images: Tensor, rows: Tensor) -> Tensor:
            assert rows.tolist() == list(range(count))
            self.seen.append(images.detach().clone())
            return images

        return transform


def test_the_critic_is_updated_several_times_per_generator_update() -> None:
    state = begun(biggan(critic_steps=3), images(), steps=2)
    generator, critic = ({float(one["step"]) for one in optimizer.state.values()} for optimizer in state.optimizers)
    assert (generator, critic) == ({2.0}, {6.0})


def test_all_images_of_the_critic_are_augmented() -> None:
    recording = Recording()
    begun(biggan(augmentation=recording, critic_steps=2, batch=6), images(), steps=1)
    assert [len(one) for one in recording.seen] == [1, 12, 12, 6]  # a trial before; real and made for the critic; made for the generator


def test_the_critic_sees_real_images_in_minus_one_to_one() -> None:
    recording, real = Recording(), images()
    begun(biggan(augmentation=recording, mirror=False), real, steps=1)
    pictures = signed(real.pictures()).double()
    for one in recording.seen[1][:6]:
        assert (pictures - one).abs().flatten(1).amax(1).min() < 1e-6


@pytest.mark.parametrize(("flip_invariant", "mirror", "turned"), [(True, True, True), (False, True, False), (True, False, False)])
def test_real_images_are_flipped_only_if_allowed(flip_invariant: bool, mirror: bool, turned: bool) -> None:
    recording, real = Recording(), replace(images(), flip_invariant=flip_invariant)
    begun(biggan(augmentation=recording, mirror=mirror, critic_steps=8), real, steps=1)
    pictures = signed(real.pictures()).double()
    seen = torch.cat([one[:6] for one in recording.seen[1:-1]])
    differs = [(pictures - one).abs().flatten(1).amax(1).min() > 1e-6 for one in seen]
    assert any(differs) == turned
    assert not all(differs)


def test_one_forward_pass_equals_separate_passes() -> None:
    state = begun(biggan(), images())
    state.critic.eval()  # in training, each pass goes on with the power iteration
    some, others, rows = torch.rand(4, 3, 16, 16).double(), torch.rand(4, 3, 16, 16).double(), torch.tensor([0, 1, 2, 0])
    together = state.score(torch.cat([some, others]), torch.cat([rows, rows]))
    expected = hinge_loss_real(state.critic(some, rows)) + hinge_loss_fake(state.critic(others, rows))
    torch.testing.assert_close(hinge_loss_real(together[:4]) + hinge_loss_fake(together[4:]), expected)


def test_before_averaging_the_source_is_the_generator() -> None:
    state = begun(biggan(averaging_from=3), images(), steps=3)
    assert same_state(state.source.generator.state_dict(), state.generator.state_dict())


def test_after_averaging_begins_the_source_is_the_average() -> None:
    method, real = biggan(averaging_from=1, averaging=0.75), images()
    first, second = begun(method, real, steps=1), begun(method, real, steps=2)
    old, new = dict(first.generator.named_parameters()), dict(second.generator.named_parameters())
    for name, average in second.source.generator.named_parameters():
        torch.testing.assert_close(average, 0.75 * old[name] + 0.25 * new[name])


def test_networks_and_optimizers_resume_exactly() -> None:
    method, real = biggan(), images()
    unbroken, half = begun(method, real, steps=4), begun(method, real, steps=2)
    resumed = begun(method, real)
    resumed.load_state_dict(half.state_dict())
    for step in (2, 3):
        method.step(resumed, real, Rng(0).child("step", step))
    assert same_state(unbroken.state_dict(), resumed.state_dict())
    assert {"generator", "critic", "done"} <= set(unbroken.state_dict()["parts"])


def test_images_have_the_requested_class() -> None:
    state = begun(biggan(), images())
    generator = state.source.generator.eval()
    small = state.source.snapshot()
    expected = small.preprocessing(generator(state.source.latents, torch.tensor([0, 0, 1, 1, 2, 2])))
    torch.testing.assert_close(small.images, expected.detach())


def test_the_critic_learns_to_detect_generated_images() -> None:
    method, real = biggan(augmentation=None, lr=0.01, critic_steps=40, width=8, steps=1), images()
    state = begun(method, real)
    loss = method.step(state, real, Rng(0))
    assert loss < 1.5  # the mean of all; at the start it is 2


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_fast_settings_run(shape: tuple[int, int, int]) -> None:
    method, real = BigGAN.fast(), images(shape=shape)
    state = begun(method, real)
    assert method.step(state, real, Rng(0)).isfinite()
