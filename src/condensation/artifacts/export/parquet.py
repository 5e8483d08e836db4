"""Export as ``train.parquet``: PNG images and labels in columns that Hugging Face ``datasets`` reads as Image and ClassLabel."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensation.artifacts.export.base import Export, eight_bit, png_bytes
from condensation.core.images import ImageSet

TABLE = "train.parquet"


def write_table(images: ImageSet, path: Path) -> None:
    """Write the columns ``image`` (bytes of a PNG file, path) and ``label``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = [{"bytes": png_bytes(pixels), "path": None} for pixels in eight_bit(images)]
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(images.class_names)}}
    # The metadata of `datasets` itself, by which it decodes the bytes as images and the numbers as class names.
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", picture), ("label", pa.int64())], metadata=metadata)
    pq.write_table(pa.table({"image": pa.array(pictures, picture), "label": images.labels.numpy()}, schema), path)


def write_parquet(images: ImageSet, card: Mapping[str, Any], folder: Path) -> None:
    """Write ``train.parquet``."""
    write_table(images, folder / TABLE)


def _code(images: ImageSet) -> str:
    channels, height, width = images.shape
    return f"""rows = pq.read_table("{TABLE}").to_pylist()
arrays = [np.array(Image.open(io.BytesIO(row["image"]["bytes"]))) for row in rows]
pixels = torch.tensor(np.stack(arrays)).view(-1, {height}, {width}, {channels})
images, labels = (pixels.permute(0, 3, 1, 2) / 255 - mean) / std, torch.tensor([row["label"] for row in rows])
dataset = torch.utils.data.TensorDataset(images, labels)"""


IMPORTS = """import io

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image"""

PARQUET = Export(
    name="parquet",
    contents=f"`{TABLE}` holds the images and their labels; `datasets.load_dataset` reads this folder",
    exact=False,
    pictures=True,
    suffix=".parquet",
    imports=IMPORTS,
    code=_code,
    tensor="",
    write=write_parquet,
    packages=("pyarrow",),
)
