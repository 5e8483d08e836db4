"""Numbers at the edges: every setting, learning rates, labels, pixels. A set with numbers that are not finite is never a result."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies

from tests.campaigns import recipes
from tests.campaigns.command import apart
from tests.campaigns.corpus import picture, pixels, write
from tests.campaigns.damage import drawn, spots, value_at
from tests.campaigns.trial import Fault, Trial

SECONDS = 15.0  # a setting such as steps=1000000000 is correct, and takes its time
EDGES = (
    "-1",
    "0",
    "1",
    "1e308",
    "-1e308",
    "1e38",
    "1e-45",
    "1e-308",
    "nan",
    "inf",
    "-inf",
    "9223372036854775808",
    "1" + "0" * 30,
    "9" * 5000,
)
EDGES += ("0.5", "2147483648", "true", "none", '""', "x", "[]", "[0]", "[1e400]", "{}", "1_000", "0x10", "1e5", "-0.0", "\uff11", "99999")
NUMBERS = strategies.integers(-(2**70), 2**70) | strategies.floats() | strategies.floats(width=16) | strategies.integers(-3, 300)
RATES = ("1e30", "1e38", "1e-45", "0", "-1", "1e308", "nan", "inf", "1e3")
WITH_RATE = ("dm", "dc", "dsa", "kip", "kip-labels", "gtn", "gmmn", "dc-vae", "biggan", "pixel-mmd")
LABELS: dict[str, list[Any]] = {
    "5,000 digits": ["9" * 5000, "1"],
    "negative": [-1, -2],
    "floats": [0.0, 1.0],
    "fractions": [0.5, 1.5],
    "large": [2**63, 1],
    "far apart": [0, 10**12],
    "Arabic digits": ["\u0661", "\u0662"],
    "superscripts": ["²", "³"],
    "exponents": ["1e3", "1e4"],
    "leading zeros": ["01", "1"],
    "booleans": [True, False],
    "nan": ["nan", "1"],
    "empty": ["", "1"],
    "one class": [3, 3],
}
PIXELS: dict[str, Any] = {
    "black": lambda: np.zeros((40, 8, 8), np.uint8),
    "white": lambda: np.full((40, 8, 8, 3), 255, np.uint8),
    "equal": lambda: np.repeat(pixels(1, 8, 8), 40, 0),
    "one channel black": lambda: pixels(40, 8, 8, 3) * np.array([1, 0, 1], np.uint8),
    "nan": lambda: np.full((40, 8, 8), np.nan),
    "infinite": lambda: np.full((40, 8, 8), np.inf),
    "1e300": lambda: np.linspace(0, 1e300, 2560).reshape(40, 8, 8),
    "rounded above 1": lambda: np.linspace(0, 1.0000001, 2560).reshape(40, 8, 8),
    "negative": lambda: np.linspace(-1, 1, 2560).reshape(40, 8, 8),
    "int32": lambda: pixels(40, 8, 8).astype(np.int32) * 1000,
    "uint16": lambda: pixels(40, 8, 8).astype(np.uint16) * 257,
    "1 x 1": lambda: pixels(40, 1, 1),
    "1 x 2": lambda: pixels(40, 1, 2),
    "3 x 300": lambda: pixels(40, 3, 300),
    "no images": lambda: pixels(0, 8, 8),
}
CYCLE = ("settings", "settings", "rates", "labels", "settings", "pixels")


def trial(trial: Trial) -> None:
    """Run with one extreme number."""
    trial.part = CYCLE[trial.number % len(CYCLE)]
    {"settings": settings, "rates": rates, "labels": labels, "pixels": odd_pixels}[trial.part](trial)


def finite_run(trial: Trial, arguments: list[str], seconds: float = 60.0, patient: bool = False) -> int:
    """Run a command; its set and its scores must be finite if it succeeds. Return the exit code."""
    if patient:
        command = trial.command(arguments).start()
        result = command.result(seconds)
        if result.timed_out:
            trial.doing += " (stopped: it takes long)"
            return 0
        from tests.campaigns.trial import check

        check(result, trial.doing)
    else:
        result = trial.run(arguments, seconds)
    path = trial.folder / "out" / "set.safetensors"
    if result.code == 0 and path.exists():
        apart(finite, path)
        scores = path.with_name("scores.json")
        if scores.exists():
            wrong = [value for value in numbers_in(json.loads(scores.read_text())) if not math.isfinite(value)]
            if wrong:
                raise Fault(f"a score is {wrong[0]}")
    return result.code


def finite(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        if not file.get_tensor("images").isfinite().all():
            sys.exit("the set has numbers that are not finite")


def numbers_in(value: Any) -> list[float]:
    return [float(item) for path in spots(value) if isinstance(item := value_at(value, path), float)]


def settings(trial: Trial) -> None:
    """Set one setting of a small run to an extreme value."""
    import tomllib

    method = trial.rng.choice(list(recipes.METHODS))
    shown = trial.run([*recipes.run(method, "out"), "--print-config"]).out
    content = tomllib.loads(shown)
    names = [path for path in spots(content) if path and not isinstance(value_at(content, path), dict | list) and path[-1] != "name"]
    name = ".".join(map(str, trial.rng.choice([path for path in names if all(isinstance(key, str) for key in path)])))
    value = trial.rng.choice(EDGES) if trial.rng.random() < 0.6 else str(drawn(NUMBERS, trial.rng))
    trial.doing = f"{method}, {name}={value[:40]}"
    finite_run(trial, [*recipes.run(method, "out"), f"{name}={value}"], SECONDS, patient=True)


def rates(trial: Trial) -> None:
    method, rate = trial.rng.choice(WITH_RATE), trial.rng.choice(RATES)
    name = trial.rng.choice(("method.lr", "method.lr", "evaluation.recipe.lr"))
    trial.doing = f"{method}, {name}={rate}"
    finite_run(trial, [*recipes.run(method, "out"), f"{name}={rate}"])


def labels(trial: Trial) -> None:
    """Read labels that are hardly numbers, from a table or from arrays."""
    name = trial.rng.choice(sorted(LABELS))
    values = LABELS[name]
    trial.doing = name
    if trial.rng.random() < 0.5:
        write(trial.folder, {f"{index}.png": picture("PNG", index) for index in range(8)})
        rows = [f"{index}.png,{values[index % 2]}" for index in range(8)]
        (trial.folder / "table.csv").write_text("\n".join(["path,label", *rows]))
        data = "table.csv"
    else:
        np.savez(trial.folder / "mine.npz", images=pixels(8, 8, 8), labels=np.array([values[index % 2] for index in range(8)]))
        data = "mine.npz"
    finite_run(trial, recipes.read(data))


def odd_pixels(trial: Trial) -> None:
    """Condense images without contrast, of odd sizes or of odd ranges."""
    name, method = trial.rng.choice(sorted(PIXELS)), trial.rng.choice(list(recipes.METHODS))
    trial.doing = f"{name}, {method}"
    images = PIXELS[name]()
    np.savez(trial.folder / "mine.npz", images=images, labels=np.arange(len(images)) % 2)
    arguments = recipes.run(method, "out")
    arguments[arguments.index("-d") + 1] = "mine.npz"
    finite_run(trial, arguments)
