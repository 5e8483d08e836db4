"""Advice for sets that are less accurate than random images, and short names of networks."""

from dataclasses import fields

from condensation.core.plain import to_dict
from condensation.evaluation.scores import Scores
from condensation.methods.base import Method
from condensation.methods.best_of import BestOf
from condensation.methods.generative import GenerativeMethod
from condensation.methods.gtn import GTN
from condensation.methods.kip import KIP
from condensation.networks.base import PIXEL_LR, NetworkSpec
from condensation.networks.registry import NETWORKS

# Methods whose sets are made for another evaluation than training networks as usual.
PURPOSE: dict[type[Method], str] = {
    KIP: "condense ridge FOLDER: the set is made for kernel ridge regression, in which its labels are targets",
    GTN: "condense teach FOLDER: the set is a curriculum, to be learned once, in order and with its own learning rates",
}


def below_random(scores: Scores | None, name: str) -> tuple[float, float] | None:
    """Return the accuracies of the set called ``name`` and of random images if the set's is lower, else None."""
    if scores is None or name == "random" or name not in scores.sets or scores.random is None:
        return None
    ours, random = scores.sets[name].mean, scores.random.mean
    return (ours, random) if ours < random else None


def what_to_try(method: Method, path: str = "method") -> list[str]:
    """Return settings that may improve a set below random images, most promising first; ``path`` is the setting that holds ``method``."""
    if isinstance(method, BestOf):
        return what_to_try(method.of, f"{path}.of")
    if type(method) in PURPOSE:
        return [PURPOSE[type(method)]]
    if isinstance(method, GenerativeMethod):
        return [f"{path}=dm: sets drawn from generators are seldom more accurate than random images; sets learned with DM are"]
    network, lr, lines = method.network, method.lr, []
    if lr is not None:
        usual = network.pixel_lr if network is not None else PIXEL_LR
        smaller = lr / 10 if lr <= usual else usual
        other = network is not None and network != NETWORKS["convnet"]
        reason = "some networks, especially ResNets, need a smaller learning rate of images" if other else "the images may move too far"
        lines.append(f"{path}.lr={smaller:g} (now {lr:g}): {reason}")
    if network is not None and network != NETWORKS["convnet"]:
        reason = "sets learned on a ConvNet often train other networks better than sets learned on those networks"
        lines.append(f"{path}.networks.spec=convnet: {reason}")
    if method.steps and any(field.name == "steps" for field in fields(method)):
        lines.append(f"{path}.steps={10 * method.steps} (now {method.steps})")
    return lines


def network_label(network: NetworkSpec) -> str:
    """Return a short name of a network: its name in `NETWORKS`, or the name of its class and the settings that differ."""
    for name, known in NETWORKS.items():
        if known == network:
            return name
    content = to_dict(network)
    name = str(content.pop("name"))
    usual = to_dict(NETWORKS[name]) if name in NETWORKS else {}
    changed = [f"{key} {value}" for key, value in content.items() if key not in usual or usual[key] != value]
    return ", ".join([name.rpartition(":")[2], *(text for text in changed if not text.endswith((" None", "{}")))])
