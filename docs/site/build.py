"""Build the documentation site: `python docs/site/build.py` writes it to build/docs.

The guides are plain Markdown in docs/. This script copies them to build/docs-source and adds pages that it writes from the code and
the results: one per method, per public name and per example. Sphinx then makes the site; every warning is an error.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # for experiments/

import api_pages  # noqa: E402
import example_pages  # noqa: E402
import guide_pages  # noqa: E402
import method_pages  # noqa: E402
from sphinx.cmd.build import main as sphinx  # noqa: E402

SOURCE, SITE = ROOT / "build" / "docs-source", ROOT / "build" / "docs"


def pages() -> dict[str, str | Path]:
    """Return the content of each file of the source, by its path there: text, or the file to copy."""
    return {**method_pages.pages(), **api_pages.pages(), **example_pages.pages(), **guide_pages.pages(ROOT)}


def write(files: dict[str, str | Path], folder: Path) -> None:
    """Write ``files`` to ``folder``. Files with the same content stay untouched, so that Sphinx builds only what changed."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path, new = folder / name, content.read_bytes() if isinstance(content, Path) else content.encode()
        if not path.exists() or path.read_bytes() != new:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(new)


def main() -> int:
    """Write the pages and run Sphinx."""
    if "--fresh" in sys.argv:
        shutil.rmtree(SITE, ignore_errors=True)
    write(pages(), SOURCE)
    return sphinx(["--fail-on-warning", "--keep-going", "--quiet", "-b", "html", "-c", str(Path(__file__).parent), str(SOURCE), str(SITE)])


if __name__ == "__main__":
    sys.exit(main())
