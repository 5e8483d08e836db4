"""Pages from the Markdown files of the repository, with their links changed to those of the site."""

import os
import re
from pathlib import Path

# Pages of the root folder and their places in the site. All other pages are those of docs/.
TOP = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}
LINK = re.compile(r"\]\(([^)#\s]+)((?:#[^)\s]*)?)\)")
ORPHAN = "---\norphan: true\n---\n"  # a page that no table of contents lists
LANGUAGES = {".py": "python", ".json": "json", ".cff": "yaml"}


def pages(root: Path) -> dict[str, str | Path]:
    """Return the guides, the files that they link to, and the pictures."""
    guides = [root / name for name in TOP] + sorted((root / "docs").glob("*.md")) + sorted((root / "docs" / "notes").glob("*.md"))
    site: dict[str, str | Path] = {place(page, root): "" for page in guides}
    waiting, done = list(guides), set(guides)
    while waiting:
        page = waiting.pop()
        text, targets = relinked(page, root)
        site[place(page, root)] = text if page in guides else ORPHAN + text
        for target in targets - done:
            done.add(target)
            if target.suffix == ".md":
                waiting.append(target)
            else:
                site[place(target, root)] = target if is_picture(target) else as_page(target, root)
    site["index.md"] = f"{site['index.md']}\n{contents(root, set(site))}"
    site["notes/index.md"] = "# Notes\n\nMeasurements and details behind the guides.\n\n" + toctree("", ["*"], glob=True)
    return site


def place(path: Path, root: Path) -> str:
    """Return where a file of the repository is in the site."""
    name = path.relative_to(root).as_posix()
    if name in TOP:
        return TOP[name]
    if name == "examples" or name.startswith("examples/"):
        return f"{name.removesuffix('.py')}.md" if name != "examples" else "examples/index.md"
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    return f"files/{name}" if is_picture(path) or path.suffix == ".md" else f"files/{name}.md"


def is_picture(path: Path) -> bool:
    """Return whether a file is copied as it is."""
    return path.suffix in (".png", ".svg")


def relinked(page: Path, root: Path) -> tuple[str, set[Path]]:
    """Return the text of ``page`` with the links of the site, and the linked files that the site needs besides pages it has anyway."""
    targets: set[Path] = set()
    here = Path(place(page, root)).parent

    def new(match: re.Match[str]) -> str:
        if re.match(r"\w+:", match[1]):
            return match[0]
        target = (page.parent / match[1]).resolve()
        if not target.is_relative_to(root / "examples"):
            targets.add(target)
        return f"]({os.path.relpath(place(target, root), here)}{match[2]})"

    parts = re.split(r"(^```.*?^```)", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return "".join(part if part.startswith("```") else LINK.sub(new, part) for part in parts), targets


def as_page(path: Path, root: Path) -> str:
    """Return a page with the text of a file, or with the names of the files of a folder."""
    name = path.relative_to(root).as_posix()
    if path.is_dir():
        return f"{ORPHAN}# `{name}/`\n\n" + "".join(f"- `{each.name}`\n" for each in sorted(path.iterdir()))
    return f"{ORPHAN}# `{name}`\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text(encoding='utf-8')}\n````\n"


def contents(root: Path, names: set[str]) -> str:
    """Return the table of contents: that of the README, the generated pages, and all remaining pages."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    groups: dict[str, list[str]] = {}
    for topic, links in re.findall(r"^\| ([A-Z][^|]*) \| (.*\]\(.*) \|$", readme, re.M):
        groups[topic] = [place(root / target, root) for target in re.findall(r"\]\(([^)#]+)", links)]
    groups["Methods"] = ["methods/index.md", *groups.get("Methods", [])]
    groups["Reference"] = ["api/index.md"]
    listed = {name for group in groups.values() for name in group}
    groups["More"] = sorted(name for name in names - listed if "/" not in name and name.endswith(".md") and name != "index.md")
    groups["More"].append("notes/index.md")
    return "\n".join(toctree(topic, [name.removesuffix(".md") for name in group]) for topic, group in groups.items())


def toctree(caption: str, names: list[str], *, glob: bool = False) -> str:
    """Return a table of contents, which is hidden if it has a caption: the sidebar shows it."""
    options = [f":caption: {caption}", ":hidden:"] if caption else [":maxdepth: 1"]
    return "\n".join(["```{toctree}", *options, *([":glob:"] if glob else []), "", *names, "```", ""])
