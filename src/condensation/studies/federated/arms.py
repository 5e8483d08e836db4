"""Arms of federated learning: each gets the clients of one division and returns an accuracy and the bytes sent."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.environment import machine
from condensation.core.images import ImageSet
from condensation.core.storage import write_json
from condensation.methods.loop import condense
from condensation.methods.random import Random
from condensation.networks.near import Near, save_weights
from condensation.studies.federated.averaging import Weights, average, load, nbytes, save, shares
from condensation.studies.federated.clients import member
from condensation.studies.federated.server import Outcome, Server, pixel_bytes, union
from condensation.studies.federated.settings import LOCAL, SETS
from condensation.studies.jobs import run_job

AVERAGES, NEAR = "averages", "near"  # folders of unfinished arms


def condensed(server: Server) -> Outcome:
    """Train on the union of the condensed sets."""
    sets = [CondensedSet.load(server.folder / SETS / member(server.split, client)).images for client in server.everyone]
    return server.trained_on(union(sets), sum(map(pixel_bytes, sets)))


def random(server: Server) -> Outcome:
    """Train on as many random real images as the condensed sets have, sent in 8 bits."""
    form = server.clients.job(server.split, 0).settings.method.set_form
    sets, sent = [], 0
    for client in server.everyone:
        images = condense(Random(form), server.images(client), server.clients.sizes_of(server.split, client), seed=server.split)
        sets.append(images)
        sent += images.images.numel()
    return server.trained_on(union(sets), sent)


def near(server: Server) -> Outcome:
    """Condense near the server's network, which then goes on training on the union, for some rounds (FedDM)."""
    settings, curve, sent = server.settings, [], 0
    evaluation, test = settings.evaluation, server.clients.data.test
    seen = settings.near_rounds * evaluation.recipe.epochs * settings.ipc * test.num_classes
    with server.network(seen) as network:
        weights = network.initial(server.rng("initial"))
        for number in range(settings.near_rounds):
            place = server.folder / NEAR / f"split{server.split}-round{number}"
            file = place / "server.safetensors"
            if not file.exists():
                place.mkdir(parents=True, exist_ok=True)
                save_weights(weights, file)
            networks = Near(str(file), settings.near_radius, evaluation.network)
            sets = [_near_set(server, place, client, networks) for client in server.everyone]
            sent += settings.clients * nbytes(weights) + sum(map(pixel_bytes, sets))
            weights = network.train(weights, union(sets), evaluation.recipe, server.rng("near", number))
            curve.append((sent, round(network.accuracy(weights), 3)))
    accuracy = curve[-1][1]
    return Outcome(accuracy, (accuracy,), sent, settings.near_rounds, tuple(curve))


def _near_set(server: Server, place: Path, client: int, networks: Near) -> ImageSet:
    """Return the set of a client, condensed with networks near that of the server."""
    job = server.clients.job(server.split, client)
    near_job = replace(job, name=f"client{client}", settings=replace(job.settings, method=job.settings.method.with_sampler(networks)))
    data = partial(server.clients.data_of, server.split, client)
    return run_job(near_job, [], place, data, server.watch).condensed.images


def train_local(server: Server, client: int, path: Path) -> None:
    """Train the network of a client on its images and write its weights. All clients begin with the same ones."""
    settings, images = server.settings, server.images(client)
    with server.network(settings.local.epochs * len(images)) as network:
        initial = network.initial(server.rng("initial"))
        weights = network.train(initial, images, settings.local, server.rng("local", client))
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, weights, {"client": client, "images": len(images)})


def _local_weights(server: Server) -> list[Weights]:
    return [load(server.folder / LOCAL / f"{member(server.split, client)}.safetensors")[0] for client in server.everyone]


def alone(server: Server) -> Outcome:
    """Test the clients' networks one by one; the accuracy is their mean."""
    with server.network(len(server.clients.data.test)) as network:
        values = tuple(round(network.accuracy(weights), 3) for weights in _local_weights(server))
    return Outcome(sum(values) / len(values), values, 0)


def ensemble(server: Server) -> Outcome:
    """Average the class probabilities of the clients' networks, weighted by their numbers of images."""
    weights = _local_weights(server)
    with server.network(len(server.clients.data.test)) as network:
        parts = zip(shares(server.counts), map(network.probabilities, weights), strict=True)
        predicted = torch.stack([share * probabilities for share, probabilities in parts]).sum(0).argmax(1)
    accuracy = round(100 * float((predicted == server.clients.data.test.labels.cpu()).double().mean()), 3)
    return Outcome(accuracy, (accuracy,), sum(map(nbytes, weights)))


def averaged_once(server: Server) -> Outcome:
    """Average the weights of the clients' networks once."""
    weights = _local_weights(server)
    with server.network(len(server.clients.data.test)) as network:
        accuracy = round(network.accuracy(average(weights, shares(server.counts))), 3)
    return Outcome(accuracy, (accuracy,), 2 * sum(map(nbytes, weights)))


def averaged(server: Server) -> Outcome:
    """Average the weights of clients that train the server's network, round by round (McMahan et al., 2017)."""
    settings = server.settings
    path = server.folder / AVERAGES / f"split{server.split}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    recipe = replace(settings.local, epochs=settings.round_epochs, lr_drop_epoch=settings.round_epochs)
    with server.network(settings.rounds * settings.round_epochs * sum(server.counts)) as network:
        weights, curve = network.initial(server.rng("initial")), list[tuple[int, float]]()
        if path.exists():  # continue
            weights, card = load(path)
            curve = [(int(sent), float(accuracy)) for sent, accuracy in card["curve"]]  # type: ignore[attr-defined]
        while len(curve) < settings.rounds:
            number, local = len(curve), []
            for client in server.everyone:
                local.append(network.train(weights, server.images(client), recipe, server.rng("round", number, client)))
                if server.watch.on_progress:
                    server.watch.on_progress(number * settings.clients + client + 1, settings.rounds * settings.clients)
            weights = average(local, shares(server.counts))
            curve.append(((number + 1) * 2 * settings.clients * nbytes(weights), round(network.accuracy(weights), 3)))
            save(path, weights, {"curve": curve})
    accuracy = curve[-1][1]
    return Outcome(accuracy, (accuracy,), curve[-1][0], settings.rounds, tuple(curve))


def pooled(server: Server) -> Outcome:
    """Train on all images in one place like the networks of the clients; the images are sent in 8 bits."""
    settings, images = server.settings, server.clients.data.train
    with server.network(settings.local.epochs * len(images)) as network:
        weights = network.train(network.initial(server.rng("initial")), images, settings.local, server.rng("pooled"))
        accuracy = round(network.accuracy(weights), 3)
    return Outcome(accuracy, (accuracy,), images.images.numel())


@dataclass(frozen=True)
class Arm:
    """A way to learn from the clients."""

    title: str
    work: Callable[[Server], Outcome]
    needs: tuple[str, ...] = ()  # results of the clients: sets, local


ARMS: dict[str, Arm] = {
    "condensed": Arm("condensed sets, one round", condensed, (SETS,)),
    "random": Arm("as many random real images", random),
    "near": Arm("condensed near the server's network", near),
    "averaging-once": Arm("federated averaging, one round", averaged_once, (LOCAL,)),
    "averaging": Arm("federated averaging", averaged),
    "ensemble": Arm("ensemble of the clients' networks", ensemble, (LOCAL,)),
    "alone": Arm("each client alone", alone, (LOCAL,)),
    "pooled": Arm("all images in one place", pooled),
}


def needs(arms: Iterable[str], group: str) -> bool:
    """Return whether one of ``arms`` needs results of clients in ``group``."""
    return any(group in ARMS[arm].needs for arm in arms)


def write_result(server: Server, arm: str, path: Path) -> None:
    """Do an arm and write its result."""
    outcome = ARMS[arm].work(server)
    path.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"arm": arm, "split": server.split, **vars(outcome), "machine": machine()}
    write_json(path, content)
