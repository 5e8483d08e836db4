"""Images that this program packed into a few large files."""

from condensation.data.formats.format import Format
from condensation.data.pack.read import read_pack
from condensation.data.pack.recognize import is_pack

PACK = Format("packed images", is_pack, read_pack, has_parts=True)
