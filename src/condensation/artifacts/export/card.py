"""Card of an export: ``README.md`` with the code that trains on the set, and ``card.json`` with everything known about it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensation.artifacts.export.base import Export, normalization_code, rounding_of
from condensation.artifacts.export.card_fields import Card, DataSettingsEntry, EvaluationEntry, RecipeEntry
from condensation.artifacts.set_file import complete_card
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.preprocessing import Zca
from condensation.core.records import as_record
from condensation.core.soft_labels import LOSS_LINES
from condensation.core.storage import write_json
from condensation.core.text import accuracy, as_code, counted, extremes, in_markdown, markdown_line, markdown_table
from condensation.data.catalogue import DATASETS
from condensation.data.dataset import format_shape
from condensation.data.decode.decode import DRAFT
from condensation.evaluation.scores import Scores
from condensation.training.train import Recipe

# Resizing to another shape by the setting ``fit``: description, and function of Pillow's ImageOps.
FITTING = {
    "crop": ("scaled to fill the size, then cropped at both ends to the centre", "fit"),
    "pad": ("scaled to fit into the size, then padded with black at both ends", "pad"),
}
VIEWS = "views"  # key of the scores of the set and of its 8-bit images


def write_card(images: ImageSet, card: Mapping[str, Any], form: Export, folder: Path) -> None:
    """Write ``README.md`` and ``card.json``."""
    (folder / "README.md").write_text(form.front_matter(images, card) + readme(images, card, form), encoding="utf-8")
    write_json(folder / "card.json", complete_card(images, card))


def readme(images: ImageSet, content: Mapping[str, Any], form: Export) -> str:
    """Return the page in Markdown. Raise CondensationError if a field of the card has a wrong type."""
    card = as_record(dict(content), Card, "The card of the set")
    source, code = card.data.name, form.code(images)
    stored = "The images are stored exactly, as normalized float32 values. Train on `dataset` and do not normalize again."
    if "- mean" in code:
        code = f"{normalization_code(images)}\n{code}"
        stored = "The images have 8 bits. The code above normalizes them; train on `dataset`."
    if images.form:
        code = f"{code}\n{images.form.torch_code}"
        stored += (
            f" The files hold {len(images)} images. The last lines before `dataset` decode each to {images.form.count} images: "
            f"a network sees {images.seen} images."
        )
    training = _python(f"{form.imports}\n\n{code}\ndataset = torch.utils.data.TensorDataset(images, labels)")
    sections = [
        f"# {in_markdown(source or 'Images')}, condensed: {len(images)} images\n\n{_origin(images, card)}",
        f"In this folder, {form.contents}. `card.json` records everything known about how the images were made.",
        f"## Train on the set\n\nPlain PyTorch, run in this folder:\n\n{training}\n\n{stored}",
        f"## Test images\n\n{_resizing(images, card.settings.data)}{_preprocessing(images, form)}",
        f"## Recipe\n\n{_recipe(images, card)}",
        f"## Accuracy\n\n{_accuracy(card.scores)}",
    ]
    if card.privacy:
        gaps = "\n".join(f"- {markdown_line(line)}" for line in card.privacy.not_covered)
        text = f"{markdown_line(card.privacy.guarantee)}.\n\n{markdown_line(card.privacy.mechanism)}.\n\nNot covered:\n\n{gaps}"
        sections.append(f"## Privacy\n\n{text}")
    if form.pictures:
        sections.append(f"## 8-bit images\n\n{_eight_bit(images, card, form)}")
    sections.append(f"## Classes\n\n{markdown_table(('label', 'class'), enumerate(images.class_names))}")
    if source in DATASETS:
        info = DATASETS[source]
        sections.append(f"## Terms\n\nMade from {source}: {info.title}. Origin: {info.origin}. Terms: {info.licence}.")
    return "\n\n".join(sections) + "\n"


def _origin(images: ImageSet, card: Card) -> str:
    per_class = " to ".join(map(str, extremes(images.counts.values())))
    name, steps = card.settings.method.get("name"), card.settings.method.get("steps")
    made = f" with the method {as_code(str(name))}{f' in {steps:,} steps' if isinstance(steps, int) and steps else ''}" if name else ""
    if card.official:
        made = f" by another project ({as_code(card.official.file)}, set {card.official.which})"
    source = f" from {in_markdown(card.data.name)}" if card.data.name else ""
    source += f" ({card.data.images:,} training images)" if card.data.images is not None else ""
    note = f"\n\n{markdown_line(card.note)}" if card.note else ""
    return (
        f"{len(images)} images of {'x'.join(map(str, images.shape))} (channels, height, width), {per_class} per class, "
        f"{len(images.classes)} classes. Made{source}{made}; written by the Python package `condensation`.{note}"
    )


def _resizing(images: ImageSet, settings: DataSettingsEntry) -> str:
    """Return how the training images were resized, in words and as code that repeats `condensation.data.decode.decode`."""
    if settings.size is None:
        return ""
    channels, height, width = images.shape
    words, function = FITTING[settings.fit]
    code = f"""import numpy as np
import torch
from PIL import Image, ImageOps

def picture(path):
    with Image.open(path) as image:
        image.draft(None, {(DRAFT * max(height, width),) * 2})  # decode a much larger JPEG at reduced size
        upright = ImageOps.exif_transpose(image).convert("{"L" if channels == 1 else "RGB"}")
    return np.array(ImageOps.{function}(upright, ({width}, {height}), Image.Resampling.BICUBIC)).reshape({height}, {width}, {channels})

pictures = torch.tensor(np.stack([picture(path) for path in paths])).permute(0, 3, 1, 2) / 255"""
    return (
        f"The training images were resized to {format_shape((height, width))} (height x width): {words}. "
        f"Resize test images in the same way; `paths` are those of their files:\n\n{_python(code)}\n\n"
    )


def _preprocessing(images: ImageSet, form: Export) -> str:
    shape = ", ".join(map(str, images.shape))
    zca = isinstance(images.preprocessing, Zca)
    code = "test_images = (pictures - mean) / std"
    if zca:
        code = f"""flat = ((pictures - mean) / std).flatten(1)
flat = flat - flat.mean(1, keepdim=True)
flat = flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-8)
test_images = (flat @ {form.tensor.format("whiten")}).view_as(pictures)"""
    code = f"{normalization_code(images)}\n{code}"
    return (
        f"{'The set is whitened (ZCA). ' if zca else ''}Test images need the same preprocessing; without it, accuracy is near chance. "
        f"For `pictures`, floats in [0, 1] of shape (n, {shape}):\n\n{_python(code)}"
    )


def training_code(images: ImageSet, content: Any) -> str:
    """Return the lines of plain PyTorch that train ``network`` on ``dataset`` with the recipe of evaluation settings ``content``."""
    _, recipe = _evaluation(content)
    drop = recipe.epochs // 2 if recipe.lr_drop_epoch is None else recipe.lr_drop_epoch
    loss = "        torch.nn.functional.cross_entropy(network(images), labels).backward()"
    if images.soft_labels:
        loss = f"        outputs = network(images)\n        ({LOSS_LINES[images.soft_labels.loss]}).backward()"
    return f"""# network: any module that maps (n, {", ".join(map(str, images.shape))}) to (n, {images.num_classes})
optimizer = torch.optim.SGD(network.parameters(), lr={recipe.lr}, momentum={recipe.momentum}, weight_decay={recipe.weight_decay})
schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [{drop}], gamma=0.1)
for epoch in range({recipe.epochs}):
    for images, labels in torch.utils.data.DataLoader(dataset, batch_size={recipe.batch}, shuffle=True):
        optimizer.zero_grad()
{loss}
        optimizer.step()
    schedule.step()"""


def _recipe(images: ImageSet, card: Card) -> str:
    content = card.scores.get("evaluation") or card.settings.evaluation
    (evaluation, recipe), code, labels = _evaluation(content), training_code(images, content), ""
    if images.soft_labels:
        labels = (
            f"The labels are soft: vectors of {images.num_classes} numbers, made for the {images.soft_labels.loss} loss; other losses give "
            "a lower accuracy. The class of each image is in the file as `labels`.\n\n"
        )
    network, augmentation = in_markdown(str(evaluation.network.get("name", "convnet"))), recipe.augmentation
    if augmentation is None:
        return f"{labels}{_python(code)}\n\nWithout augmentation. The network of the condensation papers is {network}."
    settings = augmentation if isinstance(augmentation, dict) else {"name": augmentation}
    operations = f" ({', '.join(map(str, settings['operations']))})" if "operations" in settings else ""
    name = in_markdown(f"{str(settings['name']).upper()} augmentation{operations}")
    flips = "" if images.flip_invariant else " Do not flip images: flipping changes what they show."
    return (
        f"{labels}{_python(code)}\n\nThe evaluation trains {network} with {name}. The code "
        "above does not augment, so expect a lower accuracy. `condensation.DSA` is that augmentation; random crops, flips and colour "
        f"changes have much of its effect.{flips}"
    )


def _accuracy(content: Mapping[str, Any]) -> str:
    scores = Scores.from_card(content)
    if scores is None or scores.test is None:
        return "\n".join(f"- {markdown_line(f'{name}: {value}')}" for name, value in content.items()) or "Not measured."
    return f"On the {counted(scores.test.images, 'test image')} of {in_markdown(scores.test.name)}: {_over(scores)}.\n\n{_table(scores)}"


def _over(scores: Scores) -> str:
    evaluation, recipe = _evaluation(scores.evaluation)
    count, network = evaluation.networks, in_markdown(str(evaluation.network.get("name", "convnet")))
    over = f"one {network}" if count == 1 else f"mean and standard deviation over {counted(count, network)}"
    return f"{over}, trained for {counted(recipe.epochs, 'epoch')}"


def _evaluation(content: Any) -> tuple[EvaluationEntry, RecipeEntry]:
    """Return the evaluation settings on a card and their recipe, whose numbers become code."""
    evaluation = as_record(content, EvaluationEntry, "The card of the set")
    return evaluation, as_record({**to_dict(Recipe()), **evaluation.recipe}, RecipeEntry, "The card of the set")


def _table(scores: Scores) -> str:
    rows = [(name, str(score.images), accuracy(score.mean, score.deviation, score.count)) for name, score in scores.sets.items()]
    return markdown_table(("trained on", "images", "test accuracy, %"), rows)


def _eight_bit(images: ImageSet, card: Card, form: Export) -> str:
    if isinstance(images.preprocessing, Zca):
        return "For viewing only: whitening removes the mean and length of each image, so 8-bit images cannot be whitened again."
    kind = "The images are an 8-bit view of the set."
    if form.exact:
        kind = "`set.safetensors` is exact. `datasets.load_dataset` gives an 8-bit view of it; normalize it like test images."
    if not images.images.is_floating_point():
        return f"{kind} Nothing is lost: the images of this set had 8 bits from the start."
    rounding = rounding_of(images.viewable())
    change = (
        f"{kind} Values were clipped to [0, 1] and rounded: {100 * rounding.clipped:.1f} % were outside; the mean change is "
        f"{rounding.mean:.2f}/255, the largest {rounding.largest:.1f}/255."
    )
    scores = Scores.from_card(card.views)
    if scores is None or scores.test is None:
        return f"{change} The effect on accuracy was not measured."
    return f"{change} Accuracy on {counted(scores.test.images, 'test image')}: {_over(scores)}, same initial weights.\n\n{_table(scores)}"


def _python(code: str) -> str:
    return f"```python\n{code}\n```"
