"""How much faster is a step of DM than the class loop of the paper's description, with the same mathematics?

    python -m benchmarks.dm_step               # CIFAR10's shape, 10 images a class, 256 real ones, ConvNet of width 128

The loop does what the description says and no more: class after class it draws real images, augments and embeds them
and the synthetic ones in float32, adds up the losses, and descends, with a network built anew for each step. Both sides
get the same draws, so their pixels can be compared after the steps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from tests.plain_dm import loss_class_by_class
from torch import Tensor

from benchmarks.harness import arguments, in_turns, made_up, moves_apart, save, steps, timed
from condensation import DM, DSA, Compute, ConvNet, Fresh, ImageSet, Rng
from condensation.core.ipc import images_per_class
from condensation.methods.base import State


def plain_loop(method: DM, real: ImageSet, ipc: int, network: ConvNet) -> tuple[Callable[[Rng], None], State]:
    """A function that does a step, and the state that it works on."""
    state = method.init(real, images_per_class(real, ipc), Rng(0).child("init"), Compute(device=str(real.device), precision="float32"))
    (optimizer,) = state.optimizers

    def step(rng: Rng) -> None:
        module = network.build(real.shape, real.num_classes, rng.child("network")).to(real.device).requires_grad_(False)
        transform = DSA().per_class(real.classes, rng.child("augment"))
        indices = real.draw(method.batch_per_class, rng.child("real")).indices
        of_class = [real.inputs(piece) for piece in indices.split(method.batch_per_class)]
        synthetic = list(state.source.images.split(ipc))

        def augment(images: Tensor, label: int) -> Tensor:
            return transform(images, torch.full((len(images),), label, device=images.device))

        optimizer.zero_grad()
        loss_class_by_class(module.embed, of_class, synthetic, augment).backward()
        optimizer.step()

    return step, state


def main() -> None:
    asked = arguments(__doc__, ipc=10, batch_per_class=256, width=128, classes=10, size=32, rounds=5)
    compute = Compute(device=asked.device).resolve()
    real = made_up((3, asked.size, asked.size), asked.classes, 1000).to(compute.device)
    network = ConvNet(width=asked.width)
    method = DM(batch_per_class=asked.batch_per_class, networks=Fresh(network))
    plain, plain_state = plain_loop(method, real, asked.ipc, network)
    state = method.init(real, images_per_class(real, asked.ipc), Rng(0).child("init"), compute)
    works = steps(plain=plain, ours=lambda rng: method.step(state, real, rng))
    first = {name: timed(work, compute.device) for name, work in works.items()}
    seconds = in_turns(works, compute.device, asked.rounds)
    apart = moves_apart(state.source, plain_state.source)
    ratio = seconds["plain"] / seconds["ours"]
    print(f"the class loop {seconds['plain']:.3f} s a step, ours {seconds['ours']:.3f} s: {ratio:.1f} times faster ({compute.describe()})")
    print(f"first step, with compilation: {first['ours']:.1f} s; after {asked.rounds + 1} steps the moves differ by {100 * apart:.1f} %")
    sizes = {name: getattr(asked, name) for name in ("ipc", "batch_per_class", "width", "classes", "size", "rounds")}
    result = {"settings": sizes, "compute": compute.describe(), "seconds": seconds, "first_step": first, "apart": apart, "ratio": ratio}
    save("dm_step", result, asked.out, compute.device, f"{asked.size}px-ipc{asked.ipc}-real{asked.batch_per_class}-width{asked.width}")


if __name__ == "__main__":
    main()
