"""Studies: one protocol, one form of report, one writer."""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from warnings import catch_warnings, filterwarnings

from PIL import Image

from condensation.config.build import from_dict
from condensation.core.errors import naming
from condensation.core.lock import locked_folder
from condensation.core.plain import to_dict
from condensation.core.records import read_record
from condensation.core.storage import write, write_json
from condensation.core.text import in_markdown, markdown_line, markdown_table
from condensation.core.trust import Trust, UntrustedCode, from_file, given_names
from condensation.data.own_output import picture_mark
from condensation.methods.step_info import Stopped
from condensation.studies.clusters import require_reachable
from condensation.studies.engine import Engine
from condensation.studies.executors import Executor
from condensation.studies.jobs import Job
from condensation.studies.remote import RemoteTask
from condensation.studies.schedule import do_tasks
from condensation.studies.stored_report import stored_report, text_of
from condensation.studies.study_folder import FORMAT, SETTINGS, record_in, record_path, settings_in, write_settings
from condensation.studies.study_report import Block as Block, Figure as Figure, StudyReport as StudyReport
from condensation.studies.tasks import Failures, TaskList, Watch
from condensation.studies.where import Where, parse_executor

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

S = TypeVar("S")
R = TypeVar("R", bound="ReportRecord")
DOTS_PER_INCH = 130
BESIDE_PRIVATE = "Sets of a method with privacy have its guarantee. All other results come from the images, and have none."
MEASURED, PUBLISHED = "#1b7f79", "#b5542b"  # colors of measured and published numbers


def write_report(report: StudyReport, folder: Path) -> None:
    """Write ``report`` into ``folder`` as JSON, Markdown and PNG. A picture that can no longer be drawn, since its runs are gone, stays."""
    pictures = [name for name in report.places.values() if name.endswith(".png") and (name in report.figures or (folder / name).exists())]
    write_json(folder / f"{report.name}.json", report.json | text_of(report, folder))
    write(folder / f"{report.name}.md", markdown(report, pictures).encode())
    for name, draw in report.figures.items():
        write(folder / name, png(draw()))


def markdown(report: StudyReport, pictures: Sequence[str] = ()) -> str:
    """Return ``report`` as Markdown, with links to ``pictures``."""
    notes = [markdown_line(line) for line in (*report.notes, *report.markdown_notes)]
    listed = "\n".join(f"  - {line.strip()}" if line.startswith(" ") else f"- {line}" for line in notes)
    shown = "\n".join(f"![{name}]({name})" for name in pictures)
    table = markdown_table(report.columns, report.rows)
    blocks = [f"{in_markdown(block.title)}\n\n{markdown_table(block.columns, block.rows)}" for block in report.blocks]
    return "\n\n".join(filter(None, [f"# {in_markdown(report.title)}", table, *blocks, shown, listed])) + "\n"


def new_figure(width: float, height: float) -> "Plot":
    """Return an empty figure of a size in inches; matplotlib is imported only where something is drawn."""
    from matplotlib.figure import Figure as Plot

    return Plot(figsize=(width, height), layout="constrained")


def style(panel: Any, grid: str = "both", hidden: Sequence[str] = ("top", "right")) -> None:
    """Give a panel a light grid and hide some of its spines."""
    panel.grid(axis=grid, alpha=0.25)
    panel.spines[[*hidden]].set_visible(False)


def shared_legend(figure: "Plot", panels: Iterable[Any]) -> None:
    """Add one legend of measured and published numbers for all panels."""
    shown = {text: handle for panel in panels for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)}
    names = [name for name in ("measured", "published") if name in shown]
    figure.legend([shown[name] for name in names], names, loc="outside lower right", ncols=2, frameon=False, fontsize=9)


def png(figure: Figure) -> bytes:
    """Return ``figure`` as PNG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    if isinstance(figure, Image.Image):
        figure.save(buffer, "PNG", optimize=True, exif=picture_mark())
    else:
        _save(figure, buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None}, pil_kwargs={"exif": picture_mark()})
    return buffer.getvalue()


def vector(figure: "Plot", kind: str) -> bytes:
    """Return ``figure`` as ``pdf`` or ``svg`` with its fonts; equal figures give equal bytes."""
    from matplotlib import rc_context

    buffer, undated = io.BytesIO(), {"CreationDate": None} if kind == "pdf" else {"Date": None}
    with rc_context({"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "condensation"}):
        _save(figure, buffer, format=kind, metadata=undated)
    return buffer.getvalue()


def _save(figure: "Plot", buffer: io.BytesIO, **options: Any) -> None:
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a dollar sign in a name begins no formula
    with catch_warnings():
        filterwarnings("ignore", "Glyph")  # such as those of other scripts; a box shows that one is missing
        figure.savefig(buffer, **options)


@dataclass(frozen=True)
class ReportRecord:
    """Part of the JSON report of a study that is read again."""

    settings: dict[str, Any]


def _has_private_method(content: object) -> bool:
    """Return whether plain settings of a study hold a method with differential privacy; settings of the study itself do not count."""
    items = content.values() if isinstance(content, Mapping) else content if isinstance(content, list | tuple) else ()
    return any((isinstance(item, Mapping) and bool(item.get("privacy"))) or _has_private_method(item) for item in items)


def earlier_report(path: Path, kind: type[R], settings: S, decisive: Callable[[S], object] = lambda _: None) -> tuple[R, S] | None:
    """Return the JSON report at ``path`` with its settings; None if there is none, or its ``decisive`` settings differ from ours.

    Code that it names is imported only if ``settings`` name it too.
    """
    if not path.exists():
        return None
    record = read_record(path, kind)
    with naming(path):
        before = from_dict(type(settings), from_file(record.settings, path, given_names(to_dict(settings))))
        return (record, before) if decisive(before) == decisive(settings) else None


@dataclass(frozen=True)
class Study(Generic[S]):
    """A study: many runs that together answer a question, in one folder."""

    name: str  # name of its command and its files
    settings_type: type[S]
    runs: str  # folder of its runs, inside that of the study
    jobs: Callable[[S, Path], Sequence[Job]]  # returns the runs that the settings ask for
    claim: Callable[[S, Path], None]  # raises CondensationError if the folder holds something else; reads no data
    tasks: Callable[..., TaskList]  # returns all tasks: called with settings, folder, a callback for reading and options of the study
    report: Callable[[S, Path], StudyReport]  # returns the results in a folder without changing it

    def _report(self, settings: S, folder: Path) -> StudyReport:
        """Return the report with the name of the study, its settings, and what its folder records."""
        report, facts, content = self.report(settings, folder), record_in(folder, f"{self.name}.json").facts, to_dict(settings)
        notes = (*report.notes, BESIDE_PRIVATE) if _has_private_method(content) else report.notes
        return replace(report, name=self.name, notes=notes, json={"format": FORMAT, "settings": content, **report.json, **facts})

    def run(
        self, settings: S, folder: str | Path, watch: Watch = Watch(), executor: Executor | str | None = None, **options: Any
    ) -> Failures:
        """Do what is missing in ``folder``, write the report, and return the tasks that failed.

        A second call does nothing again; an interrupted study is resumed. Raise CondensationError if the settings cannot be used or
        the folder holds something else or is in use, and Stopped if a callback of ``watch`` did; finished work is kept and reported.

        The ``executor`` does the tasks: any object whose ``submit`` returns futures, or the text of one, such as ``"processes:4"``,
        ``"dask:tcp://host:8786"``, ``"ray:auto"``, ``"slurm:partition=gpu"`` or ``"auto"``; without it, this process does them. Its
        workers must see ``folder`` under the same path. Several calls with an executor may share a folder, and then its tasks.
        """
        folder, given = Path(folder), settings
        where = parse_executor(executor) if isinstance(executor, str) else executor
        if isinstance(where, Where):
            require_reachable(where)
        settings = self.on_this_machine(settings)
        shared = where is not None
        with nullcontext() if shared else locked_folder(folder):
            try:
                with locked_folder(folder, wait=True) if shared else nullcontext():
                    engine = self._engine(settings, folder, watch, options)
                request = RemoteTask(study=self.name, folder=str(folder.resolve()), settings=json.dumps(to_dict(given)))
                do_tasks(engine, where, request, settings.compute.device)  # type: ignore[attr-defined]
            except Stopped:
                if (folder / SETTINGS).exists():
                    self._write(self.read(folder, trust=given_names(to_dict(settings))), folder, shared)
                raise
            self._write(self._report(settings, folder), folder, shared)
        return engine.failed

    @staticmethod
    def on_this_machine(settings: S) -> S:
        """Return ``settings`` with the device and the precision of this process."""
        return replace(settings, compute=settings.compute.resolve())  # type: ignore[type-var,attr-defined]

    def _engine(self, settings: S, folder: Path, watch: Watch, options: Mapping[str, Any]) -> Engine:
        """Check everything and write the settings, so that workers can begin."""
        self.claim(settings, folder)
        listed = self.tasks(settings, folder, watch.on_reading, **options)
        listed.check()
        write_settings(folder, settings, *listed.data)
        for name, content in listed.files.items():
            write_json(folder / name, content)
        return Engine(replace(listed, data=()), folder, watch)  # the data can be forgotten

    def _write(self, report: StudyReport, folder: Path, shared: bool) -> None:
        with locked_folder(folder, wait=True) if shared else nullcontext():
            write_report(report, folder)

    def read(self, folder: str | Path, *, trust: Trust = False) -> StudyReport:
        """Return the results in ``folder``, of its JSON report where runs are gone. Raise CondensationError if missing or damaged.

        Code that the settings name is imported only with ``trust``, or if it is among its names. Otherwise the report as it was last
        written is returned.
        """
        with naming(record_path(Path(folder), f"{self.name}.json")):
            try:
                return self._report(self.settings_in(folder, trust=trust), Path(folder))
            except UntrustedCode as error:
                report = stored_report(Path(folder), self.name, error)
                if report is None:
                    raise
                return report

    def settings_in(self, folder: str | Path, *, trust: Trust = False) -> S:
        """Return the settings of the study in ``folder``."""
        return settings_in(folder, self.settings_type, f"{self.name}.json", trust)
