"""Small commands: a run of every method, every study, every output."""

from collections.abc import Sequence
from pathlib import Path

CPU = "compute.precision=float32 compute.compile=never compute.device=cpu".split()
EVALUATION = "evaluation.networks=1 evaluation.recipe.epochs=2 evaluation.network.width=8".split()
_NARROW = "method.networks.spec.width=8 method.batch_per_class=6"
_LOOPS = f"-i 2 method.steps=2 method.outer_loops=2 method.inner_loops=2 {_NARROW}"
_TRAINED = "-i 2 method.network.width=8 method.recipe.epochs=2"
_GENERATOR = "-d fashion-mini -i 2 method.batch=6 method.critic_steps=2 method.width=4 method.depth=1 method.latent=5"
_KIP = "-m kip -i 2 method.steps=4 method.batch=40"
_LEARNER = "method.channels=[4,3] method.learner=convnet method.learner.width=4 method.learner.depth=1"
METHODS = {
    name: settings.split()
    for name, settings in {
        "dm": f"-m dm method.steps=8 {_NARROW}",
        "dm-cosine": f"-m dm method.steps=8 {_NARROW} method.schedule=cosine method.start=noise method.momentum=0.9",
        "dc": f"-m dc {_LOOPS}",
        "dsa": f"-m dsa {_LOOPS}",
        "kip": _KIP,
        "kip-labels": f"{_KIP} method.labels=learned",
        "gtn": f"-m gtn -i 2 method.steps=3 method.batch=10 method.real_batch=8 method.latent=5 method.hidden=8 {_LEARNER}",
        "gmmn": "-m gmmn -i 2 method.iterations=6 method.hidden=[8,8] method.samples_per_class=5 method.batch_per_class=6",
        "dc-vae": f"-m dc-vae {_GENERATOR} method.steps=2 method.samples=8 method.critic_width=4 method.queue=16",
        "biggan": f"-m biggan {_GENERATOR} method.steps=3 method.averaging_from=2",
        "best-of": "-m best-of -i 2 method.sets=2 method.mixtures=3 method.eval_per_class=5 method.eval_network.width=8 "
        "method.recipe.epochs=2 method.of.steps=2 method.of.batch_per_class=6 method.of.networks.spec.width=8",
        "herding": f"-m herding {_TRAINED}",
        "k-center": f"-m k-center {_TRAINED}",
        "forgetting": f"-m forgetting {_TRAINED}",
        "pixel-mmd": "-m pixel-mmd method.steps=6",
        "random": "-m random",
    }.items()
}
_DM = "-m random,dm dm.steps=3 dm.batch_per_class=6 dm.networks.spec.width=8"
_SCORED = "-i 1 --networks 1 --epochs 2"
_NAS = "nas -i 1 --subset 2 --trainings 1 --epochs 1 --whole-epochs 1 space.width=[4,8]"
_SLIM = "evaluation.network.width=8"
STUDIES = {
    name: [*arguments.split(), "-q", "-d", "digits", *CPU, *([] if name == "theory" else ["--checkpoint-every", "0"])]
    for name, arguments in {
        "table": f"table --seeds 1 --preset fast {_SCORED} {_DM} {_SLIM}",
        "continual": f"continual --orders 1 --steps 2 {_SCORED} {_DM} {_SLIM}",
        "transfer": f"transfer --learn mlp --test mlp {_SCORED} method.steps=3 method.batch_per_class=6",
        "nas": f"{_NAS} --proxies random,early-stopping --on processes:1",
        "nas-workers": f"{_NAS} --proxies random --on processes:2",
        "pools": f"pools --pool 2 --pool-epochs 1 --bounds 1,50 --buckets random,all {_SCORED} method.steps=2 {_NARROW} {_SLIM}",
        "theory": "theory --networks 1 epochs=[0,1] pairs=3 ipc=2 batch_per_class=4 network.width=4",
    }.items()
}
EXPORTS = ("png", "npz", "torch", "parquet", "hub")
OFFICIAL = "res_DM_CIFAR10_ConvNet_2ipc.pt"
OUTPUTS = {  # what it reads from the corpus, and the command
    **{f"export-{to}": ("run-dm", ["export", "source", "--to", to, "-o", "made", "-q"]) for to in EXPORTS},
    "sample": ("run-gmmn", ["sample", "source", "-i", "2", "-o", "made"]),
    "show": ("run-dm", ["show", "source", "-o", "made.png"]),
    "import": ("official", ["import", OFFICIAL, "-d", "cifar10", "-o", "made.safetensors"]),
    "data-show": ("images", ["data", "show", "pets", "-o", "made.png"]),
}


def run(method: str, out: Path | str, *more: str, evaluation: Sequence[str] = EVALUATION) -> list[str]:
    """Return the arguments of a run of ``method``; it writes a checkpoint after each step."""
    settings = METHODS[method]
    data = [] if "-d" in settings else ["-d", "digits"]
    ipc = [] if "-i" in settings else ["-i", "1"]
    return ["run", *data, *ipc, "-o", str(out), "--checkpoint-every", "0", *settings, *evaluation, *CPU, "-q", *more]


def read(data: Path | str, out: Path | str = "out", *more: str) -> list[str]:
    """Return the arguments of the shortest run that reads ``data``."""
    return ["run", "-d", str(data), "-i", "1", "-m", "random", "-o", str(out), "-q", "evaluation.networks=0", *CPU, *more]
