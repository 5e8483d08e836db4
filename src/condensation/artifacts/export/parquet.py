"""Export as ``train.parquet``: PNG images and labels in columns that Hugging Face ``datasets`` reads as Image and ClassLabel."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensation.artifacts.export.base import PIXEL_IMPORTS, Export, eight_bit, pixels_code, png_bytes
from condensation.core.images import ImageSet

TABLE = "train.parquet"


def write_table(images: ImageSet, path: Path) -> None:
    """Write the columns ``image`` (bytes of a PNG file, path) and ``label``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = [{"bytes": png_bytes(pixels), "path": None} for pixels in eight_bit(images)]
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(images.class_names)}}
    # Metadata with which `datasets` decodes the bytes as images and the numbers as class names.
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", picture), ("label", pa.int64())], metadata=metadata)
    pq.write_table(pa.table({"image": pa.array(pictures, picture), "label": images.labels.numpy()}, schema), path)


def write_parquet(images: ImageSet, card: Mapping[str, Any], folder: Path) -> None:
    """Write ``train.parquet``."""
    write_table(images, folder / TABLE)


def _code(images: ImageSet) -> str:
    return f'rows = pq.read_table("{TABLE}").to_pylist()\n' + pixels_code(images, 'io.BytesIO(row["image"]["bytes"])')


PARQUET = Export(
    name="parquet",
    write=write_parquet,
    contents=f"`{TABLE}` holds the images and their labels; `datasets.load_dataset` reads this folder",
    imports=f"import io\n\nimport numpy as np\nimport pyarrow.parquet as pq\n{PIXEL_IMPORTS}",
    code=_code,
    suffix=".parquet",
    pictures=True,
    packages=("pyarrow",),
)
