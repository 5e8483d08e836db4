"""How much faster is a step of gradient matching than the class loop of the paper's description, with the same mathematics?

    python -m benchmarks.dc_step                           # CIFAR10's shape, 10 images a class, ConvNet of width 128, DC
    python -m benchmarks.dc_step --augmented 1             # the same with augmentation: DSA

A published step at 10 images a class is 10 matches and 450 epochs of training between them, which takes minutes. What is
timed is a part of it of the same proportions: 2 matches and 90 epochs. The loop does what the description says and no
more, class after class, eagerly, in float32. Both sides get the same draws, so their pixels can be compared after the steps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from tests import plain_dc
from torch import Tensor

from benchmarks.harness import arguments, in_turns, made_up, moves_apart, save, steps, timed
from condensation import DC, DSA, Compute, ConvNet, Fresh, ImageSet, Rng
from condensation.core.ipc import images_per_class
from condensation.methods.base import State


def plain_loop(method: DC, real: ImageSet, ipc: int, network: ConvNet) -> tuple[Callable[[Rng], None], State]:
    """A function that does a step, and the state that it works on."""
    state = method.init(real, images_per_class(real, ipc), Rng(0).child("init"), Compute(device=str(real.device), precision="float32"))
    (optimizer,) = state.optimizers
    assert method.outer_loops is not None
    assert method.inner_loops is not None
    outer, inner = method.outer_loops, method.inner_loops

    def step(rng: Rng) -> None:
        module = network.build(real.shape, real.num_classes, rng.child("network")).to(real.device).train()
        for loop in range(outer):
            of_loop = rng.child("match", loop)
            transform = method.augmentation.per_class(real.classes, of_loop.child("augment")) if method.augmentation else None

            def augment(images: Tensor, place: int, transform=transform) -> Tensor:  # type: ignore[no-untyped-def]
                return transform(images, torch.full((len(images),), place, device=images.device)) if transform else images

            indices = real.draw(method.batch_per_class, of_loop.child("real")).indices
            of_class = [real.inputs(piece) for piece in indices.split(method.batch_per_class)]
            optimizer.zero_grad()
            plain_dc.match(module, of_class, list(state.source.images.split(ipc)), list(real.classes), augment).backward()
            optimizer.step()
            if loop < outer - 1:
                small = state.source.snapshot()
                settings = (method.network_lr, method.network_batch)
                plain_dc.train(module, small, inner, method.augmentation, rng.child("train", loop), *settings)

    return step, state


def main() -> None:
    sizes = {
        "ipc": 10,
        "batch_per_class": 256,
        "width": 128,
        "classes": 10,
        "size": 32,
        "outer": 2,
        "inner": 90,
        "augmented": 0,
        "compiled": 1,
        "rounds": 3,
    }
    asked = arguments(__doc__, **sizes)
    # A whole run is long enough to be compiled, so this part of one is.
    compute = Compute(device=asked.device, compile="always" if asked.compiled else "never").resolve()
    real = made_up((3, asked.size, asked.size), asked.classes, 1000).to(compute.device)
    network = ConvNet(width=asked.width)
    method = DC(
        batch_per_class=asked.batch_per_class,
        networks=Fresh(network),
        outer_loops=asked.outer,
        inner_loops=asked.inner,
        augmentation=DSA() if asked.augmented else None,
    )
    plain, plain_state = plain_loop(method, real, asked.ipc, network)
    state = method.init(real, images_per_class(real, asked.ipc), Rng(0).child("init"), compute)
    works = steps(plain=plain, ours=lambda rng: method.step(state, real, rng))
    first = {name: timed(work, compute.device) for name, work in works.items()}
    apart = moves_apart(state.source, plain_state.source)
    seconds = in_turns(works, compute.device, asked.rounds)
    ratio = seconds["plain"] / seconds["ours"]
    print(f"the class loop {seconds['plain']:.2f} s, ours {seconds['ours']:.2f} s: {ratio:.1f} times faster ({compute.describe()})")
    print(f"first step, with compilation: {first['ours']:.1f} s; after one step the moves differ by {100 * apart:.1f} %")
    settings = {name: getattr(asked, name) for name in sizes}
    result = {"settings": settings, "compute": compute.describe(), "seconds": seconds, "first_step": first, "apart": apart, "ratio": ratio}
    of = f"{asked.size}px-ipc{asked.ipc}-real{asked.batch_per_class}-width{asked.width}{'-dsa' if asked.augmented else ''}"
    save("dc_step", result, asked.out, compute.device, of)


if __name__ == "__main__":
    main()
