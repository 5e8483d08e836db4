"""Small charts, each as wide as a telephone, whose coordinates the template draws as SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

from condensation.core.errors import LARGEST_FLOAT
from condensation.report.page.parts import Part

WIDTH, HEIGHT = 360, 230
TOP, RIGHT, BOTTOM = 24, 14, 40
LETTER = 7.2  # mean width of a character of labels
MOST_LABEL = 18  # characters of the label of a row; longer ones are cut, and complete in its title
ROW = 22  # height of a row
MOST_DOTS = 60  # drawn large
LOG_ABOVE = 20.0  # a ratio of the largest to the smallest value above which an axis is logarithmic, where the chart allows it


class Tick(NamedTuple):
    """Mark of an axis."""

    place: float
    text: str


@dataclass(frozen=True)
class Axis:
    """Linear or logarithmic map from values to pixels."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False

    @classmethod
    def around(
        cls, values: Sequence[float], begin: float, end: float, logarithmic: bool = False, zero: bool = False, least: float = 0.0
    ) -> "Axis":
        """Return an axis that holds all ``values`` with a margin, and 0 with ``zero``, and spans ``least`` or more."""
        shown = [math.log10(value) if logarithmic else value for value in map(_drawable, values)] or [0.0, 1.0]
        low, high = min(shown), max(shown)
        missing = 0.0 if logarithmic else max(0.0, least - (high - low)) / 2
        low, high = low - missing, high + missing
        margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
        return cls(0.0 if zero else low - margin, high + margin, begin, end, logarithmic)

    def place(self, value: float) -> float:
        """Return the pixel of ``value``."""
        shown = math.log10(_drawable(value)) if self.logarithmic else _drawable(value)
        return round(self.begin + (shown - self.low) / (self.high - self.low) * (self.end - self.begin), 1)

    @cached_property
    def ticks(self) -> list[Tick]:
        """At most seven round values on the axis."""
        if self.logarithmic:
            decades = range(math.floor(self.low), math.ceil(self.high) + 1)
            factors = (1, 2, 5) if self.high - self.low < 1.7 else (1,)
            values = [factor * 10.0**decade for decade in decades for factor in factors]
            values = [value for value in values if self.low <= math.log10(value) <= self.high]
            return [Tick(self.place(value), f"{value:g}") for value in values[:: max(1, len(values) // 5)]]
        rough = (self.high - self.low) / 6
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        numbers = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [Tick(self.place(number * step), f"{round(number * step, 10):,.10g}") for number in numbers]


def _drawable(value: float) -> float:
    """Return ``value``, or the closest number with which places can be computed."""
    return min(max(value, -LARGEST_FLOAT), LARGEST_FLOAT) if value == value else 0.0


@dataclass(frozen=True)
class Series:
    """Points of one kind."""

    label: str
    points: Sequence[tuple[float, float]]
    spans: Sequence[tuple[float, float]] = ()  # lowest and highest value around each point
    color: int = 0
    joined: bool = True  # True for a line
    hollow: bool = False  # True for published numbers


@dataclass(frozen=True)
class Chart(Part):
    """Points and lines over two axes."""

    template: ClassVar[str] = "chart"

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    logarithmic: bool = False  # True if the vertical axis may be logarithmic
    logarithmic_x: bool = False  # True if the horizontal axis is logarithmic, for values above 0
    names: Sequence[str] = ()  # names of the values 0, 1, ... of the horizontal axis
    least_span: float = 0.0  # of the vertical axis
    left: ClassVar[int] = 46
    width: ClassVar[int] = WIDTH
    height: ClassVar[int] = HEIGHT

    @cached_property
    def x(self) -> Axis:
        """Horizontal axis."""
        return Axis.around([x for each in self.series for x, _ in each.points], self.left, WIDTH - RIGHT, self.logarithmic_x)

    @cached_property
    def y(self) -> Axis:
        """Vertical axis."""
        values = [y for each in self.series for _, y in each.points] + [end for each in self.series for span in each.spans for end in span]
        logarithmic = self.logarithmic and bool(values) and min(values) > 0 and max(values) > LOG_ABOVE * min(values)
        return Axis.around(values, HEIGHT - BOTTOM, TOP, logarithmic, least=self.least_span)

    @property
    def x_ticks(self) -> list[Tick]:
        """Marks of the horizontal axis."""
        return [Tick(self.x.place(number), name) for number, name in enumerate(self.names)] if self.names else self.x.ticks

    def line(self, series: Series) -> str:
        """Return the path through all points."""
        return "M" + "L".join(f"{self.x.place(x)} {self.y.place(y)}" for x, y in series.points)

    def dots(self, series: Series) -> str:
        """Return a path that draws a dot at each point, much shorter than as many circles."""
        return "".join(f"M{self.x.place(x)} {self.y.place(y)}h0" for x, y in series.points)

    def band(self, series: Series) -> str:
        """Return the area between the ends of all spans."""
        places = [self.x.place(x) for x, _ in series.points]
        low, high = ([f"{x} {self.y.place(span[end])}" for x, span in zip(places, series.spans, strict=True)] for end in (0, 1))
        return f"M{'L'.join([*high, *reversed(low)])}Z"

    def whiskers(self, series: Series) -> str:
        """Return a vertical line along each span."""
        pairs = zip(series.points, series.spans, strict=True)
        return "".join(f"M{self.x.place(x)} {self.y.place(low)}V{self.y.place(high)}" for (x, _), (low, high) in pairs)

    @property
    def crowded(self) -> bool:
        """True if dots are drawn small."""
        return max((len(each.points) for each in self.series), default=0) > MOST_DOTS

    @property
    def legend(self) -> list[Series]:
        """Series to explain; none if there is a single one."""
        return [each for each in self.series if each.label] if len(self.series) > 1 else []

    @property
    def description(self) -> str:
        """The chart in words."""
        return f"{self.y_label} against {self.x_label}. " + " ".join(map(self._in_words, self.series))

    def _in_words(self, series: Series) -> str:
        if not series.points:
            return ""
        (x0, y0), (x1, y1) = series.points[0], series.points[-1]
        if not series.joined and len(series.points) > 1:
            return f"{series.label or self.title}: {len(series.points):,} points."
        return f"{series.label or self.title}: {y0:.4g} at {self._at(x0)}" + (
            f", {y1:.4g} at {self._at(x1)}." if (x0, y0) != (x1, y1) else "."
        )

    def _at(self, x: float) -> str:
        return self.names[int(x)] if self.names else f"{x:,.10g}"


@dataclass(frozen=True)
class Mark:
    """A value in a row."""

    value: float
    deviation: float = 0.0
    color: int = 0
    hollow: bool = False


ACCURACY_SPAN = 10.0  # points that an axis of accuracies spans at least
MEASURED = (Series("measured", ()), Series("published", (), color=1, hollow=True))  # legend of measured and published marks


@dataclass(frozen=True)
class RowChart(Part):
    """Named rows, each with marks or a bar along one horizontal axis."""

    template: ClassVar[str] = "row_chart"

    title: str
    x_label: str
    rows: Sequence[tuple[str, Sequence[Mark]]]
    legend: Sequence[Series] = ()  # series without points that explain the colors
    bars: bool = False  # True if the first mark of a row is a bar from 0
    least_span: float = 0.0  # of the axis, so that small differences look small
    width: ClassVar[int] = WIDTH

    @property
    def left(self) -> float:
        """Width of the labels."""
        return 12 + LETTER * max((len(self.cut(name)) for name, _ in self.rows), default=0)

    @property
    def height(self) -> int:
        """Height of the chart."""
        return TOP + ROW * len(self.rows) + BOTTOM

    @cached_property
    def x(self) -> Axis:
        """Horizontal axis."""
        marks = [mark for _, row in self.rows for mark in row]
        ends = [mark.value + side * mark.deviation for mark in marks for side in (-1, 1)]
        return Axis.around(ends, self.left, WIDTH - RIGHT, zero=self.bars, least=self.least_span)

    def placed(self) -> Iterator[tuple[str, float, Sequence[Mark]]]:
        """Yield each row with its vertical place."""
        for number, (name, marks) in enumerate(self.rows):
            yield name, TOP + ROW * (number + 0.5), marks

    @staticmethod
    def cut(name: str) -> str:
        """Return ``name`` as it fits beside the rows."""
        return name if len(name) <= MOST_LABEL else f"{name[: MOST_LABEL - 1]}…"

    @property
    def description(self) -> str:
        """The chart in words."""
        rows = (f"{name}: {', '.join(f'{mark.value:.1f}' for mark in marks) or 'none'}" for name, marks in self.rows)
        return f"{self.x_label}. {'; '.join(rows)}."
