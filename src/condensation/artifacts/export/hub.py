"""Export as a data set repository of the Hugging Face hub: the exact set, its images for the viewer, and a card with front matter."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from condensation.artifacts.export.base import Export, labels_key
from condensation.artifacts.export.parquet import write_table
from condensation.artifacts.set_file import SET, part_of, write_set
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Zca
from condensation.core.text import shown
from condensation.data.catalogue import DATASETS

TABLE = "data/train-00000-of-00001.parquet"
LICENCES = {"MIT": "mit", "CC BY 4.0": "cc-by-4.0"}  # names on the hub; the terms of the other data sets have none
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_hub(images: ImageSet, card: Mapping[str, Any], folder: Path) -> None:
    """Write ``set.safetensors``, and the 8-bit images as parquet for the viewer and `datasets`."""
    (folder / TABLE).parent.mkdir()
    write_table(images.viewable(), folder / TABLE)
    if isinstance(images.preprocessing, Zca):
        images = replace(images, images=images.inputs())  # stored whitened, so that plain PyTorch code does not whiten
    write_set(folder / SET, images, card)


def front_matter(images: ImageSet, card: Mapping[str, Any]) -> str:
    """Return the metadata that the hub and `datasets` read: YAML between two lines of dashes."""
    from huggingface_hub import DatasetCardData

    source = str(part_of(card, "data").get("name", ""))
    licence = LICENCES.get(DATASETS[source].licence, "other") if source in DATASETS else "unknown"
    names = {str(label): name for label, name in enumerate(images.class_names)}
    metadata = DatasetCardData(
        license=licence,
        pretty_name=f"{source or 'Images'}, condensed to {len(images)}",
        task_categories=["image-classification"],
        size_categories=[next((size for most, size in SIZES if len(images.viewable()) < most), "1M<n<10M")],
        tags=["dataset-condensation", "dataset-distillation", "synthetic", "image"],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": TABLE}]}],
        dataset_info={"features": [{"name": "image", "dtype": "image"}, {"name": "label", "dtype": {"class_label": {"names": names}}}]},
    )
    return f"---\n{shown(metadata.to_yaml())}\n---\n\n"


def _code(images: ImageSet) -> str:
    stored = images.images.is_floating_point() or isinstance(images.preprocessing, Zca)
    inputs = 'file["images"]' if stored else '(file["images"] / 255 - mean) / std'
    return f"""file = load_file("{SET}")
images, labels = {inputs}, file["{labels_key(images)}"]"""


HUB = Export(
    name="hub",
    write=write_hub,
    contents=f"`{SET}` holds the network inputs as tensors; `{TABLE}` holds 8-bit images for `datasets.load_dataset` and the viewer",
    imports="import torch\nfrom safetensors.torch import load_file",
    code=_code,
    exact=True,
    pictures=True,
    tensor='file["preprocessing.{}"]',
    packages=("pyarrow", "huggingface_hub"),
    front_matter=front_matter,
)
