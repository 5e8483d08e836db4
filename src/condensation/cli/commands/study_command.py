"""Construction of the commands of the studies: options from a table, and what all of them do."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from condensation.artifacts.shelf import is_set
from condensation.cli import options as opt
from condensation.cli.app import app
from condensation.cli.choices import PAPER_FORMATS, PRESETS, one_of
from condensation.cli.groups import grouped
from condensation.cli.refuse import require_usable
from condensation.core.errors import CondensationError, unknown
from condensation.core.trust import Trust

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyOption:
    """An option of a study and the setting that it sets."""

    flags: str
    """Flags, separated by spaces: ``--ipc -i``."""
    setting: str
    """Dotted name of the setting."""
    help: str
    default: str | None = None
    """Default to show; None shows none."""
    parse: Callable[[str], Any] = str
    """Type of the value."""
    least: int | None = 1
    """Lowest `int`."""
    check: Callable[[str | None], str | None] | None = None
    """Callback that refuses wrong values."""

    @property
    def parameter(self) -> str:
        """Name of the parameter of the command."""
        return self.flags.split()[0].removeprefix("--").replace("-", "_")

    @property
    def annotation(self) -> Any:
        """Type of the parameter, as typer reads it."""
        numeric = self.parse in (int, float)
        info = typer.Option(
            *self.flags.split(),
            help=self.help,
            show_default=(self.default or "").replace(",", ", ") or False,  # with spaces, at which help lines break
            metavar="N" if self.parse is int else None,
            min=self.least if self.parse is int else None,
            callback=self.check,
        )
        return Annotated[(self.parse if numeric else str) | None, info]  # type: ignore[operator]


def preset_option(whose: str, default: str = "classic", tables: Sequence[str] = ()) -> StudyOption:
    """Return the option ``--preset``, which may also name whole ``tables``."""
    more = f" Or a whole table: {', '.join(tables)}." if tables else ""
    text = f"{whose} settings: {', '.join(PRESETS)}.{more}"
    return StudyOption("--preset", "preset", text, default, check=one_of("preset", (*PRESETS, *tables)))


@dataclass(frozen=True)
class StudyRequest:
    """Settings as given on the command line."""

    options: dict[str, Any]
    """Values by dotted setting name; None for options that were not given."""
    overrides: list[str]
    """Settings such as ``method.lr=0.5``."""
    config: Path | None
    preset: str | None
    trust: Trust
    """Trust in the file: complete, or in what the user has typed."""

    def take(self, setting: str) -> Any:
        """Remove an option from `options` and return its value."""
        return self.options.pop(setting, None)

    def file(self) -> dict[str, Any]:
        """Return the settings of the file, without those that a preset given on the command line determines."""
        from condensation.config.toml import read_settings

        content = read_settings(self.config, self.trust) if self.config else {}
        return below_preset(content, self.preset) if self.preset else content

    def content(self, file: Mapping[str, Any] | None = None, overrides: Sequence[str] | None = None) -> dict[str, Any]:
        """Return plain settings: those of the ``file``, then the options, then the overrides."""
        from condensation.config.toml import layered

        return layered(self.file() if file is None else file, self.options, self.overrides if overrides is None else overrides)


def below_preset(content: Mapping[str, Any], preset: str) -> dict[str, Any]:
    """Return the settings of a file without the method settings that a preset replaces, unless the method has its own label; log those."""
    from condensation.core.user_code import short_name
    from condensation.studies.study_folder import slug

    replaced: list[str] = []

    def plain(label: str, method: Any) -> Any:
        name = str(method.get("name", label)) if isinstance(method, Mapping) else ""
        if not name or len(method) < 2 or slug(label) != slug(short_name(name)):
            return method
        replaced.append(name)
        return name

    lower = dict(content)
    if isinstance(method := content.get("method"), Mapping):
        lower["method"] = plain(short_name(str(method.get("name", "dm"))), method)
    if isinstance(methods := content.get("methods"), Mapping):
        lower["methods"] = {label: plain(label, method) for label, method in methods.items()}
    for group in ("rows", "proxies"):
        if isinstance(entries := content.get(group), list):
            lower[group] = [
                {**entry, "method": plain(str(entry.get("label")), entry.get("method"))} if isinstance(entry, Mapping) else entry
                for entry in entries
            ]
    if replaced:
        logger.warning("preset=%r replaces settings of the file: %s.", preset, ", ".join(replaced))
    return lower


def paper_formats(text: str | None) -> list[str]:
    """Parse ``latex,pdf``. Raise CondensationError for an unknown format."""
    formats = opt.names(text) if text else []
    for name in formats:
        if name not in PAPER_FORMATS:
            raise unknown("format", name, PAPER_FORMATS, setting="to")
    return formats


def _check_executor(text: str | None) -> str | None:
    """Return ``text`` if it names an executor that can be used here."""
    if text is not None:
        from condensation.studies.where import parse_executor

        parse_executor(text)
    return text


@dataclass(frozen=True)
class StudyCommand:
    """Command of a study."""

    name: str
    summary: str
    arguments: str
    """Help of the arguments."""
    options: tuple[StudyOption, ...]
    folder: Callable[[Any, StudyRequest], str]
    """Returns the default folder from the settings."""
    folder_text: str
    """Default folder to show."""
    home: tuple[str, str]
    """Module and name of the class of settings."""
    settings: Callable[[StudyRequest], Any] | None = None
    """Returns the settings of the study; None for the request on top of the defaults."""
    jobs_text: str | None = None
    """Help of ``--dry-run``; None for a study without runs."""
    run_options: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Annotation and default of further options, which are passed to the work of the study."""
    subject: str | None = None
    """Setting of a set that may be named as an argument; None if an argument is always the folder of a study."""
    executor: str | None = None
    """Executor of the tasks, unless one is given; None for this process."""
    reading: type = opt.DataOptions
    """Options for data, configuration and device."""
    output: type = opt.OutputOptions
    """Options for the output."""

    def add(self) -> None:
        """Add the command to ``condense``."""

        def command(**values: Any) -> None:
            self._run(**values)

        def parameter(name: str, annotation: Any, default: Any = None) -> Parameter:
            return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)

        argument = typer.Argument(metavar="[FOLDER | NAME=VALUE]...", help=self.arguments, show_default=False)
        out = typer.Option("--out", "-o", help="Folder of the study.", show_default=self.folder_text)
        dry_run = typer.Option("--dry-run", help=self.jobs_text or "")
        on_text = "Who does the tasks: processes:4, auto, dask:tcp://host:8786, ray:auto, slurm:partition=gpu,gpus=1."
        on = typer.Option("--on", metavar="EXECUTOR", help=on_text, show_default=self.executor or "this process", callback=_check_executor)
        paper = typer.Option("--to", metavar="FORMAT,...", help="Also write files for a paper: latex, csv, md, pdf, svg.")
        parameters = [
            parameter("arguments", Annotated[list[str] | None, argument]),
            parameter("data", opt.DataOption),
            *(parameter(option.parameter, option.annotation) for option in self.options),
            parameter("reading", self.reading, self.reading()),
            parameter("out", Annotated[Path | None, out]),
            *(parameter(name, annotation, default) for name, (annotation, default) in self.run_options.items()),
            parameter("on", Annotated[str | None, on]),
            parameter("to", Annotated[str | None, paper]),
            *([parameter("dry_run", Annotated[bool, dry_run], False)] if self.jobs_text else []),
            parameter("print_config", opt.PrintConfig, False),
            parameter("output", self.output, self.output()),
        ]
        command.__name__, command.__doc__ = self.name, self.summary
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        app.command(self.name)(grouped(command))

    def _run(
        self, arguments: list[str] | None, data: str | None, reading: Any, out: Path | None, to: str | None, output: Any, **values: Any
    ) -> None:
        formats = paper_formats(to)
        arguments = list(arguments or [])
        subject = next((each for each in arguments if self.subject and "=" not in each and is_set(Path(each))), None)
        if subject is not None:
            arguments.remove(subject)
        paths, overrides = opt.folder_and_settings(arguments)
        given = {option: values.pop(option.parameter) for option in self.options}
        options = {option.setting: None if value is None else option.parse(value) for option, value in given.items()}
        options = {**reading.settings(data), **options, **({self.subject: subject} if self.subject else {})}
        if not paths:
            require_usable(options, overrides, reading.config, trust=reading.trust, home=self.home)
        from condensation.cli.views import study as view
        from condensation.config.build import from_dict
        from condensation.studies.registry import STUDIES

        study = STUDIES[self.name]
        trust = opt.trusted(reading.trust, options, overrides)
        if paths:
            if values["print_config"]:
                hint = f"Read them there, or print them with --config {Path(paths[0]) / 'settings.json'}."
                raise CondensationError(f"The settings of {paths[0]} are in its settings.json.", hint=hint)
            return view.print_study(study, paths[0], output, trust, formats)
        request = StudyRequest(options, overrides, reading.config, options.get("preset"), trust)
        settings = self.settings(request) if self.settings else from_dict(study.settings_type, request.content(), study.settings_type())
        if values.pop("print_config"):
            return opt.print_settings(settings)
        out = out or Path(self.folder(settings, request))
        if values.pop("report", False):
            return view.print_study(study, out, output, trust, formats)
        values["on"] = values["on"] or self.executor
        if values.pop("dry_run", False):
            return view.list_jobs(study, settings, out, output, values["on"])
        return view.make_study(study, settings, out, output, formats, **values)
