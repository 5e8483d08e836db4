"""Compare a step of DM with the loop over classes of the paper's description, which computes the same loss.

    python -m benchmarks.dm_step               # shape of CIFAR10, ipc 10, 256 real images per class, ConvNet of width 128

For each class, the loop draws real images, augments and embeds real and synthetic images in float32, and adds to the loss. Each
step builds a new network and descends. Both sides get the same draws, so their pixels can be compared after the steps.
"""

from collections.abc import Callable

import torch
from tests.plain_dm import loss_class_by_class
from torch import Tensor

from benchmarks.harness import median_seconds, noise_images, numbered_steps, parse_options, relative_distance, save, settings_of, timed
from condensation import DM, DSA, Compute, ConvNet, Fresh, ImageSet, Rng
from condensation.core.ipc import images_per_class
from condensation.methods.base import State


def plain_loop(method: DM, real: ImageSet, ipc: int, network: ConvNet) -> tuple[Callable[[Rng], None], State]:
    """Return a function that does a step of the loop, and the state that it changes."""
    state = method.init(real, images_per_class(real, ipc), Rng(0).child("init"), Compute(device=str(real.device), precision="float32"))
    (optimizer,) = state.optimizers

    def step(rng: Rng) -> None:
        module = network.build(real.shape, real.num_classes, rng.child("network")).to(real.device).requires_grad_(False)
        transform = DSA().per_class(real.classes, rng.child("augment"))
        indices = real.draw(method.batch_per_class, rng.child("real")).indices
        real_by_class = [real.inputs(part) for part in indices.split(method.batch_per_class)]
        synthetic = list(state.source.images.split(ipc))

        def augment(images: Tensor, label: int) -> Tensor:
            return transform(images, torch.full((len(images),), label, device=images.device))

        optimizer.zero_grad()
        loss_class_by_class(module.embed, real_by_class, synthetic, augment).backward()
        optimizer.step()

    return step, state


def main() -> None:
    options = parse_options(__doc__, ipc=10, batch_per_class=256, width=128, classes=10, size=32, rounds=5)
    compute = Compute(device=options.device).resolve()
    real = noise_images((3, options.size, options.size), options.classes, 1000).to(compute.device)
    network = ConvNet(width=options.width)
    method = DM(batch_per_class=options.batch_per_class, networks=Fresh(network))
    plain, plain_state = plain_loop(method, real, options.ipc, network)
    state = method.init(real, images_per_class(real, options.ipc), Rng(0).child("init"), compute)
    steps = numbered_steps(plain=plain, ours=lambda rng: method.step(state, real, rng))
    first = {name: timed(step, compute.device) for name, step in steps.items()}
    seconds = median_seconds(steps, compute.device, options.rounds)
    apart = relative_distance(state.source, plain_state.source)
    ratio = seconds["plain"] / seconds["ours"]
    print(f"loop over classes {seconds['plain']:.3f} s/step, ours {seconds['ours']:.3f}: {ratio:.1f} times faster ({compute.describe()})")
    print(f"first step, with compilation: {first['ours']:.1f} s; after {options.rounds + 1} steps the images differ by {100 * apart:.1f} %")
    result = {"compute": compute.describe(), "seconds": seconds, "first_step": first, "apart": apart, "ratio": ratio}
    case = f"{options.size}px-ipc{options.ipc}-real{options.batch_per_class}-width{options.width}"
    save("dm_step", {"settings": settings_of(options), **result}, options.out, compute.device, case)


if __name__ == "__main__":
    main()
