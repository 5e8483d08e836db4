"""The card of an export: a page for people, with the lines that train on it, and all that is known of the set as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensation.artifacts.export.base import Export, loss_of, normalising
from condensation.artifacts.set_file import whole_card
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.preprocessing import Zca
from condensation.core.soft_labels import LOSS_LINES
from condensation.core.storage import write_json
from condensation.core.text import accuracy_of, counted
from condensation.data.catalogue import DATASETS
from condensation.data.dataset import as_text
from condensation.data.decode.decode import DRAFT
from condensation.training.train import Recipe

# How a picture becomes another size, by the setting ``fit``: in words, and the function of Pillow's ImageOps.
FITTING = {
    "crop": ("each was scaled until it filled the size, and what was too long was cut off at both ends, so that the centre stays", "fit"),
    "pad": ("each was scaled until all of it fitted, and what was too short was filled with black bars at both ends", "pad"),
}
VIEWS = "views"  # where a set's card keeps what its 8-bit view was judged to be worth


def write_card(images: ImageSet, card: Mapping[str, Any], how: Export, folder: Path) -> None:
    """``README.md`` and ``card.json``."""
    (folder / "README.md").write_text(how.front(images, card) + readme(images, card, how), encoding="utf-8")
    write_json(folder / "card.json", whole_card(images, card))


def readme(images: ImageSet, card: Mapping[str, Any], how: Export) -> str:
    """The page, as Markdown."""
    source = str(card.get("data", {}).get("name", ""))
    sections = [
        f"# {source or 'Images'}, condensed: {len(images)} images\n\n{_made(images, card, source)}{_noted(card)}",
        f"Here {how.what}. `card.json` holds all that is known of how they were made.",
        f"## Train on them\n\nIn plain PyTorch, in this folder:\n\n{_python(_reading(images, how))}\n\n{_as_they_are(images, how)}",
        f"## Test images\n\n{_resizing(images, card)}{_testing(images, how)}",
        f"## The recipe\n\n{_soft(images)}{_recipe(images, card)}",
        f"## Accuracy\n\n{_scores(card)}",
    ]
    if how.pictures:
        sections.append(f"## What the pictures keep\n\n{_kept(images, card, how)}")
    names = "\n".join(f"| {label} | {name.replace('|', chr(92) + '|')} |" for label, name in enumerate(images.class_names))
    sections.append(f"## Classes\n\n| label | class |\n| --- | --- |\n{names}")
    if source in DATASETS:
        info = DATASETS[source]
        sections.append(f"## Terms\n\nMade from {source}: {info.title}. Origin: {info.origin}. Terms: {info.licence}.")
    return "\n\n".join(sections) + "\n"


def _made(images: ImageSet, card: Mapping[str, Any], source: str) -> str:
    counts = sorted(set(images.counts.values()))
    each = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    method, data = card.get("settings", {}).get("method", {}), card.get("data", {})
    steps = f" in {method['steps']:,} steps" if method.get("steps") else ""
    by = f" by the method `{method['name']}`{steps}" if "name" in method else ""
    of = f" from {source}" if source else ""
    of += f" ({data['images']:,} training images)" if "images" in data else ""
    official = card.get("official")
    by = f" by the official project of dataset condensation (`{official['file']}`, set {official['which']})" if official else by
    return (
        f"{len(images)} images of {'x'.join(map(str, images.shape))} (channels, height, width), {each} of each of {len(images.classes)} "
        f"classes, made{of}{by}, and written by the Python package `condensation`."
    )


def _noted(card: Mapping[str, Any]) -> str:
    """What the method says of itself: what of it is not published."""
    return f"\n\n{card['note']}" if card.get("note") else ""


def _reading(images: ImageSet, how: Export) -> str:
    constants = f"{normalising(images)}\n" if _normalises(images, how) else ""
    return f"{how.imports}\n\n{constants}{how.lines(images)}"


def _soft(images: ImageSet) -> str:
    if images.soft_labels is None:
        return ""
    return (
        f"Labels are soft: each is a vector of {images.num_classes} numbers, made for the {images.soft_labels.loss} loss; "
        "with another they are worth less. The class of an image is in the file as well, as `labels`.\n\n"
    )


def _normalises(images: ImageSet, how: Export) -> bool:
    """Whether the lines start from pictures."""
    return "- mean" in how.lines(images)


def _as_they_are(images: ImageSet, how: Export) -> str:
    if not _normalises(images, how):
        return "What is stored is float32, to the last bit, and already normalised: train on `dataset` as it is, and don't normalise again."
    return "The pictures have 8 bits; the lines above normalise them, and `dataset` is what a network expects."


def _resizing(images: ImageSet, card: Mapping[str, Any]) -> str:
    """How a picture becomes the size, where those of the data were not of one from the start; as `condensation.data.decode.decode` does it."""
    data = card.get("settings", {}).get("data", {})
    if data.get("size") is None:
        return ""
    channels, height, width = images.shape
    made, call = FITTING[data.get("fit", "crop")]
    lines = f"""import numpy as np
import torch
from PIL import Image, ImageOps

def picture(path):
    with Image.open(path) as image:
        image.draft(None, {(DRAFT * max(height, width),) * 2})  # a much larger JPEG is decoded at a part of its sides
        upright = ImageOps.exif_transpose(image).convert("{"L" if channels == 1 else "RGB"}")
    return np.array(ImageOps.{call}(upright, ({width}, {height}), Image.Resampling.BICUBIC)).reshape({height}, {width}, {channels})

pictures = torch.tensor(np.stack([picture(path) for path in paths])).permute(0, 3, 1, 2) / 255"""
    return (
        f"The pictures it was made from were resized to {as_text((height, width))} (height x width): {made}. "
        f"So must test images be; for `paths`, those of their files:\n\n{_python(lines)}\n\n"
    )


def _testing(images: ImageSet, how: Export) -> str:
    shape = ", ".join(map(str, images.shape))
    said = f"must go through the same, or accuracy is near chance. For `pictures`, floats in [0, 1] of shape (n, {shape}):"
    if not isinstance(images.preprocessing, Zca):
        return f"They {said}\n\n{_python(normalising(images) + chr(10) + 'test_images = (pictures - mean) / std')}"
    lines = f"""{normalising(images)}
flat = ((pictures - mean) / std).flatten(1)
flat = flat - flat.mean(1, keepdim=True)
flat = flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-8)
test_images = (flat @ {how.tensor.format("whiten")}).view_as(pictures)"""
    return f"The set is whitened (ZCA): test images {said}\n\n{_python(lines)}"


def _recipe(images: ImageSet, card: Mapping[str, Any]) -> str:
    how = card.get("scores", {}).get("evaluation") or card.get("settings", {}).get("evaluation", {})
    recipe = {**to_dict(Recipe()), **how.get("recipe", {})}
    drop = recipe["epochs"] // 2 if recipe["lr_drop_epoch"] is None else recipe["lr_drop_epoch"]
    loop = f"""# network: any module that takes (n, {", ".join(map(str, images.shape))}) and gives (n, {images.num_classes})
optimizer = torch.optim.SGD(network.parameters(), lr={recipe["lr"]}, momentum={recipe["momentum"]}, weight_decay={recipe["weight_decay"]})
schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [{drop}], gamma=0.1)
for epoch in range({recipe["epochs"]}):
    for images, labels in torch.utils.data.DataLoader(dataset, batch_size={recipe["batch"]}, shuffle=True):
        optimizer.zero_grad()
{_loss(images)}
        optimizer.step()
    schedule.step()"""
    network = how.get("network", {}).get("name", "convnet")
    augmentation = recipe["augmentation"]
    if augmentation is None:
        return f"{_python(loop)}\n\nNothing is augmented. The network of the condensation papers is {network}."
    kinds = f" ({', '.join(augmentation['operations'])})" if isinstance(augmentation, dict) and "operations" in augmentation else ""
    name = str(augmentation["name"] if isinstance(augmentation, dict) else augmentation).upper()
    flips = "" if images.flip_invariant else " Mirror images mean something else here: don't flip."
    return (
        f"{_python(loop)}\n\nThe set is judged with {network} and each batch augmented by {name}{kinds}. The lines above leave that out: "
        f"expect less without it. `condensation.DSA` is that augmentation; random crops, flips and colours do much of it.{flips}"
    )


def _loss(images: ImageSet) -> str:
    """The lines of the loop that go back from the loss."""
    if images.soft_labels is None:
        return "        torch.nn.functional.cross_entropy(network(images), labels).backward()"
    return f"        outputs = network(images)\n        ({LOSS_LINES[images.soft_labels.loss]}).backward()"


def _scores(card: Mapping[str, Any]) -> str:
    scores = card.get("scores")
    if not scores:
        return "It was not measured."
    if not {"sets", "test", "evaluation"} <= set(scores):
        return "\n".join(f"- {name}: {value}" for name, value in scores.items())
    how = scores["evaluation"]
    return (
        f"On the {counted(scores['test']['images'], 'test image')} of {scores['test']['name']}: {_over(how)} "
        f"newly drawn, after {counted(how['recipe']['epochs'], 'epoch')}.\n\n{_table(scores['sets'])}"
    )


def _over(how: Mapping[str, Any]) -> str:
    count, network = how["networks"], how["network"]["name"]
    return f"one {network}" if count == 1 else f"mean and deviation over {counted(count, network)}"


def _table(sets: Mapping[str, Any]) -> str:
    rows = "\n".join(f"| {name} | {score['images']} | {accuracy_of(score)} |" for name, score in sets.items())
    return f"| trained on | images | test accuracy, % |\n| --- | --- | --- |\n{rows}"


def _kept(images: ImageSet, card: Mapping[str, Any], how: Export) -> str:
    if isinstance(images.preprocessing, Zca):
        return "They are for looking at alone: whitening takes each image's own mean and length away, so no picture can be whitened back."
    exact = "They are an 8-bit view of the set. "
    if how.exact:
        exact = (
            "`set.safetensors` is exact; the pictures, which `datasets.load_dataset` gives, are an 8-bit view of it, "
            "to be normalised as test images are. "
        )
    if not images.images.is_floating_point():
        return f"{exact}Nothing is lost: the images of this set had 8 bits from the start."
    loss = loss_of(images)
    changes = (
        f"{exact}Values were cut to [0, 1] and rounded: {100 * loss.clipped:.1f} % of them lay outside; a value changed "
        f"by {loss.mean:.2f} of 255 in the mean, by {loss.largest:.1f} at most."
    )
    views = card.get(VIEWS)
    if not views:
        return f"{changes} What accuracy that costs was not measured; `condense export --judge` measures it."
    how_judged = views["evaluation"]
    return (
        f"{changes} Measured on {counted(views['test']['images'], 'test image')}: {_over(how_judged)}, "
        f"drawn and trained alike, after {counted(how_judged['recipe']['epochs'], 'epoch')}.\n\n{_table(views['sets'])}"
    )


def _python(lines: str) -> str:
    return f"```python\n{lines}\n```"
