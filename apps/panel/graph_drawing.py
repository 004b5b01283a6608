"""Where a graph's parties stand on the page, and how its ties run: from left to right, in layers.

The layers are grandalf's (Sugiyama's method). Its page runs from top to bottom; here its x and y
are exchanged. Each part of a graph that hangs together is laid out alone, and the parts are set
in columns. Pure; lengths are CSS pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from grandalf.graphs import Edge, Vertex
from grandalf.graphs import Graph as Vertices
from grandalf.layouts import SugiyamaLayout

from apps.panel.graph import Graph, Party, Tie

WIDTH, HEIGHT = 200, 46
# Between layers there is room for the channels' names.
BETWEEN_LAYERS, BETWEEN_PARTIES, BETWEEN_PARTS, MARGIN = 150, 18, 40, 8
# Room for a tie that passes a layer.
PASSAGE = 14
# As many columns of parts as fit in this width.
PAGE = 1_200
# From the end of a tie to its text.
AWAY = 14
# From a text to the one above.
ABOVE = 12

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Box:
    """A party and its upper left corner."""

    key: str
    party: Party
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """A tie, as the `d` of an SVG path, and where its text stands; `anchor` as in SVG."""

    tie: Tie
    path: str
    x: float
    y: float
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class Drawing:
    boxes: Sequence[Box]
    lines: Sequence[Line]
    width: float
    height: float


class _View:
    """Of a vertex: how large it is, across and along the layers."""

    def __init__(self) -> None:
        self.w, self.h = HEIGHT, WIDTH
        self.xy = (0.0, 0.0)


class _Route:
    """Of an edge: the middles of its ends, and of its passages between."""

    points: Sequence[Point] = ()

    def setpath(self, points: Sequence[Point]) -> None:
        self.points = points


class _Edge(Edge):  # type: ignore[misc]  # grandalf has no types
    """The library keeps edges in sets: by their numbers the same graph is always drawn alike."""

    def __init__(self, number: int, emitter: Vertex, listener: Vertex, tie: Tie) -> None:
        super().__init__(emitter, listener, data=tie)
        self.number = number
        self.view = _Route()

    def __hash__(self) -> int:
        return self.number


def draw(graph: Graph) -> Drawing:
    vertices = {key: Vertex(key) for key in graph.parties}
    for vertex in vertices.values():
        vertex.view = _View()
    edges = [
        _Edge(number, vertices[tie.emitter], vertices[tie.listener], tie)
        for number, tie in enumerate(graph.ties.values())
        if tie.emitter != tie.listener
    ]
    parts = [_part(part) for part in Vertices(list(vertices.values()), edges).C]
    # The largest first; those of one size as they came, which the library does not keep to.
    came = {key: number for number, key in enumerate(graph.parties)}
    parts.sort(key=lambda part: (-len(part[0]), min(came[key] for key in part[0])))
    return _packed(graph, parts)


_Part = tuple[dict[str, Point], list[tuple[Tie, list[Point]]]]


def _part(part: object) -> _Part:
    """Upper left corners, and the points of ties; the least of both coordinates is 0."""
    layout = SugiyamaLayout(part)
    layout.xspace, layout.yspace = BETWEEN_PARTIES, BETWEEN_LAYERS
    layout.dw = layout.dh = PASSAGE
    layout.init_all()
    layout.draw()
    for layer in layout.layers:
        _apart([vertex.view for vertex in layer])
    layout.draw_edges()
    tops = [view.xy[0] - view.w / 2 for layer in layout.layers for view in _views(layer)]
    top = min(tops)

    def turned(point: Point) -> Point:
        return point[1], point[0] - top

    corners = {}
    for vertex in layout.g.V():
        x, y = turned(vertex.view.xy)
        corners[vertex.data] = (x - WIDTH / 2, y - HEIGHT / 2)
    routes = [(edge.data, [turned(point) for point in edge.view.points]) for edge in layout.g.E()]
    return corners, routes


def _views(layer: Iterable[Vertex]) -> list[_View]:
    return [vertex.view for vertex in layer]


def _apart(views: list[_View]) -> None:
    """Once in a while the layout sets neighbours onto one another."""
    for before, view in pairwise(views):
        least = before.xy[0] + (before.w + view.w) / 2 + BETWEEN_PARTIES
        if view.xy[0] < least:
            view.xy = (least, view.xy[1])


def _packed(graph: Graph, parts: Sequence[_Part]) -> Drawing:
    """Each into the column that is shortest by then."""
    wide = max(x for corners, _ in parts for x, _ in corners.values()) + WIDTH
    count = max(1, min(len(parts), int((PAGE + BETWEEN_PARTS) // (wide + BETWEEN_PARTS))))
    bottoms = [float(MARGIN)] * count
    degrees = Counter(end for tie in graph.ties.values() for end in (tie.emitter, tie.listener))
    boxes, lines = [], []
    for corners, routes in parts:
        column = bottoms.index(min(bottoms))
        left, top = MARGIN + column * (wide + BETWEEN_PARTS), bottoms[column]
        boxes += [
            Box(key, graph.parties[key], x + left, y + top) for key, (x, y) in corners.items()
        ]
        lines += [
            _line(tie, [(x + left, y + top) for x, y in points], degrees) for tie, points in routes
        ]
        ends = [y + HEIGHT for _, y in corners.values()]
        passed = [y for _, points in routes for _, y in points]
        bottoms[column] = top + max([*ends, *passed]) + BETWEEN_PARTS
    at = {box.key: box for box in boxes}
    loops = (tie for tie in graph.ties.values() if tie.emitter == tie.listener)
    lines += [_loop(tie, at[tie.emitter]) for tie in loops]
    width = count * (wide + BETWEEN_PARTS) - BETWEEN_PARTS + 2 * MARGIN
    return Drawing(boxes, list(_stacked(lines)), round(width), round(max(bottoms)))


def _stacked(lines: Iterable[Line]) -> Iterator[Line]:
    """Texts of ties that end at one place stand above one another. Where only the default channel
    is carried there is none."""
    standing: Counter[str] = Counter()
    for line in lines:
        place = _at((line.x, line.y))
        yield replace(line, y=line.y - ABOVE * standing[place])
        standing[place] += any(line.tie.channels)


def _line(tie: Tie, points: list[Point], degrees: Mapping[str, int]) -> Line:
    """Bent between the layers alone, so that it passes a layer between its boxes; it ends at the
    sides of the boxes that look at one another."""
    way = 1 if points[-1][0] > points[0][0] else -1
    half = way * WIDTH / 2
    sides = [(x + side, y) for x, y in points for side in (-half, half)][1:-1]
    steps = [f"M{_at(sides[0])}"]
    for one, other in pairwise(sides):
        bend = (one[0] + other[0]) / 2
        steps.append(f"C{_at((bend, one[1]))} {_at((bend, other[1]))} {_at(other)}")
    path = " ".join(steps)
    # At the end that has fewer ties, where they have parted.
    here, there = degrees[tie.emitter], degrees[tie.listener]
    if here == there:
        (x, y), (end_x, end_y) = sides[-2:]
        return Line(tie, path, (x + end_x) / 2, (y + end_y) / 2, "middle")
    at_end = here > there
    x, y = sides[-1] if at_end else sides[0]
    right = (way == 1) == at_end
    return Line(tie, path, x - AWAY if right else x + AWAY, y, "end" if right else "start")


def _loop(tie: Tie, box: Box) -> Line:
    """A source that listens to itself."""
    x, y = box.x + WIDTH / 2, box.y + HEIGHT
    below = f"{_at((x + 30, y + 16))} {_at((x - 30, y + 16))}"
    return Line(tie, f"M{_at((x + 30, y))} C{below} {_at((x - 30, y))}", x, y + 12, "middle")


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
