"""What to try where a set is worth less than random images, and with which learning rate images are learned on which network."""

from __future__ import annotations

from dataclasses import fields

from condensation.core.plain import to_dict
from condensation.evaluation.scores import Scores
from condensation.methods.base import Method
from condensation.methods.best_of import BestOf
from condensation.methods.generative import GenerativeMethod
from condensation.networks.base import PIXEL_LR, NetworkSpec
from condensation.networks.registry import NETWORKS


def suitable_lr(lr: float, network: NetworkSpec) -> float:
    """The learning rate of images that suits ``network``, where ``lr`` suits a ConvNet.

    On residual networks it is a hundredth: with the rate of a ConvNet, sets learned on them come out below random images. The
    authors of DM advise 0.1 to 0.01 there, where 1 is the rate on a ConvNet; on images held out from training 0.01 was the better.
    """
    return lr * network.pixel_lr


def below_random(scores: Scores | None, name: str) -> tuple[float, float] | None:
    """The accuracies of the set called ``name`` and of random images, if the set's is the lower one."""
    if scores is None or name == "random" or not {name, "random"} <= scores.sets.keys():
        return None
    ours, random = scores.sets[name].mean, scores.sets["random"].mean
    return (ours, random) if ours < random else None


def what_to_try(method: Method, path: str = "method") -> list[str]:
    """What may help where a set made by ``method``, at ``path`` of the settings, is worth less than random images, most likely first."""
    if isinstance(method, BestOf):
        return what_to_try(method.of, f"{path}.of")
    if isinstance(method, GenerativeMethod):
        return [f"{path}=dm: sets drawn from generators are seldom worth more than random images, learned ones are"]
    network, lr = method.network, method.lr
    said = []
    if lr is not None:
        usual = network.pixel_lr if network is not None else PIXEL_LR
        smaller = lr / 10 if lr <= usual else usual
        said.append(f"{path}.lr={smaller:g} (it is {lr:g}): on some networks, ResNets above all, images need a smaller rate")
    if network is not None and network != NETWORKS["convnet"]:
        said.append(f"{path}.networks.spec=convnet: a set learned on a ConvNet often trains other networks better than one learned on them")
    if method.steps and any(field.name == "steps" for field in fields(method)):
        said.append(f"{path}.steps={10 * method.steps} (it is {method.steps})")
    return said


def network_label(network: NetworkSpec) -> str:
    """A short name for a network: that in `NETWORKS`, or the name of its kind and what is set otherwise."""
    for name, known in NETWORKS.items():
        if known == network:
            return name
    content = to_dict(network)
    name = str(content.pop("name"))
    usual = to_dict(NETWORKS[name]) if name in NETWORKS else {}
    changed = [f"{key} {value}" for key, value in content.items() if key not in usual or usual[key] != value]
    return ", ".join([name.rpartition(":")[2], *(one for one in changed if not one.endswith((" None", "{}")))])
