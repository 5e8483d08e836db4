"""Compare a step of DM with tiles, whose networks see four images of each stored one, with a step on whole images.

    python -m benchmarks.form_step             # CIFAR10, ipc 10, 16 real images per class, ConvNet of width 64

The arithmetic of embeddings asks for a ratio of about 3: the real images cost the same, the synthetic ones four times as much.
"""

from dataclasses import replace

from benchmarks.harness import median_seconds, noise_images, numbered_steps, parse_options, save, settings_of, timed
from condensation import DM, Compute, ConvNet, Fresh, Rng, Tiles
from condensation.core.ipc import images_per_class


def main() -> None:
    options = parse_options(__doc__, ipc=10, batch_per_class=16, width=64, classes=10, size=32, rounds=9)
    real = noise_images((3, options.size, options.size), options.classes, 1000)
    method = DM(batch_per_class=options.batch_per_class, networks=Fresh(ConvNet(width=options.width)))
    compute = Compute(device=options.device).with_compile_decision(real.shape, 10**9)
    real = real.to(compute.device)
    forms = {"whole": method, "tiles": replace(method, form=Tiles(2))}
    states = {name: each.init(real, images_per_class(real, options.ipc), Rng(0).child("init"), compute) for name, each in forms.items()}
    steps = numbered_steps(**{name: lambda rng, name=name: forms[name].step(states[name], real, rng) for name in forms})
    first = {name: timed(step, compute.device) for name, step in steps.items()}
    seconds = median_seconds(steps, compute.device, options.rounds)
    ratio = seconds["tiles"] / seconds["whole"]
    print(f"whole {seconds['whole']:.3f} s/step, tiles {seconds['tiles']:.3f}: {ratio:.2f} times as long ({compute.describe()})")
    case = f"{options.size}px-ipc{options.ipc}-real{options.batch_per_class}-width{options.width}"
    result = {"compute": compute.describe(), "seconds": seconds, "first_step": first, "ratio": ratio}
    save("form_step", {"settings": settings_of(options), **result}, options.out, compute.device, case)


if __name__ == "__main__":
    main()
