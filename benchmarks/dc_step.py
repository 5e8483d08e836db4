"""Compare a step of gradient matching with the loop over classes of the paper's description, which computes the same loss.

    python -m benchmarks.dc_step                           # shape of CIFAR10, ipc 10, ConvNet of width 128, DC
    python -m benchmarks.dc_step --augmented 1             # with augmentation: DSA

A published step at ipc 10 has 10 matches and 450 epochs of training between them, which takes minutes. The benchmark times a part
of the same proportions: 2 matches and 90 epochs. The loop runs eagerly in float32. Both sides get the same draws, so their pixels
can be compared after the steps.
"""

from collections.abc import Callable

import torch
from tests import plain_dc
from torch import Tensor

from benchmarks.harness import median_seconds, noise_images, numbered_steps, parse_options, relative_distance, save, settings_of, timed
from condensation import DC, DSA, Compute, ConvNet, Fresh, ImageSet, Rng
from condensation.core.ipc import images_per_class
from condensation.methods.base import State


def plain_loop(method: DC, real: ImageSet, ipc: int, network: ConvNet) -> tuple[Callable[[Rng], None], State]:
    """Return a function that does a step of the loop, and the state that it changes."""
    state = method.init(real, images_per_class(real, ipc), Rng(0).child("init"), Compute(device=str(real.device), precision="float32"))
    (optimizer,) = state.optimizers
    assert method.outer_loops is not None
    assert method.inner_loops is not None
    outer, inner = method.outer_loops, method.inner_loops

    def step(rng: Rng) -> None:
        module = network.build(real.shape, real.num_classes, rng.child("network")).to(real.device).train()
        for loop in range(outer):
            match_rng = rng.child("match", loop)
            transform = method.augmentation.per_class(real.classes, match_rng.child("augment")) if method.augmentation else None

            def augment(images: Tensor, index: int, transform=transform) -> Tensor:  # type: ignore[no-untyped-def]
                return transform(images, torch.full((len(images),), index, device=images.device)) if transform else images

            indices = real.draw(method.batch_per_class, match_rng.child("real")).indices
            real_by_class = [real.inputs(part) for part in indices.split(method.batch_per_class)]
            optimizer.zero_grad()
            plain_dc.match(module, real_by_class, list(state.source.images.split(ipc)), list(real.classes), augment).backward()
            optimizer.step()
            if loop < outer - 1:
                train_rng, settings = rng.child("train", loop), (method.network_lr, method.network_batch)
                plain_dc.train(module, state.source.snapshot(), inner, method.augmentation, train_rng, *settings)

    return step, state


def main() -> None:
    sizes = {"ipc": 10, "batch_per_class": 256, "width": 128, "classes": 10, "size": 32}
    options = parse_options(__doc__, **sizes, outer=2, inner=90, augmented=0, compiled=1, rounds=3)
    # A whole run is long enough for "auto" to compile, but this part of one is not.
    compute = Compute(device=options.device, compile="always" if options.compiled else "never").resolve()
    real = noise_images((3, options.size, options.size), options.classes, 1000).to(compute.device)
    network = ConvNet(width=options.width)
    method = DC(
        batch_per_class=options.batch_per_class,
        networks=Fresh(network),
        outer_loops=options.outer,
        inner_loops=options.inner,
        augmentation=DSA() if options.augmented else None,
    )
    plain, plain_state = plain_loop(method, real, options.ipc, network)
    state = method.init(real, images_per_class(real, options.ipc), Rng(0).child("init"), compute)
    steps = numbered_steps(plain=plain, ours=lambda rng: method.step(state, real, rng))
    first = {name: timed(step, compute.device) for name, step in steps.items()}
    apart = relative_distance(state.source, plain_state.source)
    seconds = median_seconds(steps, compute.device, options.rounds)
    ratio = seconds["plain"] / seconds["ours"]
    print(f"loop over classes {seconds['plain']:.2f} s/step, ours {seconds['ours']:.2f}: {ratio:.1f} times faster ({compute.describe()})")
    print(f"first step, with compilation: {first['ours']:.1f} s; after it the images differ by {100 * apart:.1f} %")
    result = {"compute": compute.describe(), "seconds": seconds, "first_step": first, "apart": apart, "ratio": ratio}
    case = f"{options.size}px-ipc{options.ipc}-real{options.batch_per_class}-width{options.width}{'-dsa' if options.augmented else ''}"
    save("dc_step", {"settings": settings_of(options), **result}, options.out, compute.device, case)


if __name__ == "__main__":
    main()
