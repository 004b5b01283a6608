"""Where a graph's parties stand on the page, and how its ties run: from left to right, in layers.

The layers are grandalf's (Sugiyama's method). Its page runs from top to bottom; here its x and y
are exchanged. Each part of a graph that hangs together is laid out alone, and the parts are set
beside one another like words. Pure; lengths are CSS pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from grandalf.graphs import Edge, Vertex
from grandalf.graphs import Graph as Vertices
from grandalf.layouts import SugiyamaLayout

from apps.panel.graph import Graph, Party, Tie

WIDTH, HEIGHT = 200, 46
# Between layers there is room for the channels' names.
BETWEEN_LAYERS, BETWEEN_PARTIES, BETWEEN_PARTS, MARGIN = 110, 18, 40, 8
# Room for a tie that passes a layer.
PASSAGE = 14
# Parts stand beside one another up to this width.
PAGE = 1_000

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A party and its upper left corner."""

    key: str
    party: Party
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """A tie, as the `d` of an SVG path, and where its text stands."""

    tie: Tie
    path: str
    x: float
    y: float


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


class _Edge(Edge):  # type: ignore[misc]
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
    boxes, lines = [], []
    left = top = MARGIN
    bottom = right = 0.0
    for corners, routes in parts:
        width = max(x for x, _ in corners.values()) + WIDTH
        ends = [y + HEIGHT for _, y in corners.values()]
        height = max([*ends, *(y for _, points in routes for _, y in points)])
        if left > MARGIN and left + width > PAGE:
            left, top = MARGIN, int(bottom) + BETWEEN_PARTS
        boxes += [
            Box(key, graph.parties[key], x + left, y + top) for key, (x, y) in corners.items()
        ]
        lines += [_line(tie, [(x + left, y + top) for x, y in points]) for tie, points in routes]
        bottom, right = max(bottom, top + height), max(right, left + width)
        left += int(width) + BETWEEN_PARTS
    at = {box.key: box for box in boxes}
    lines += [
        _loop(tie, at[tie.emitter]) for tie in graph.ties.values() if tie.emitter == tie.listener
    ]
    return Drawing(boxes, lines, round(right + MARGIN), round(bottom + 2 * MARGIN))


def _line(tie: Tie, points: list[Point]) -> Line:
    """Bent through its points; it ends at the sides of the boxes that look at one another."""
    way = 1 if points[-1][0] > points[0][0] else -1
    first, last = points[0], points[-1]
    points = [
        (first[0] + way * WIDTH / 2, first[1]),
        *points[1:-1],
        (last[0] - way * WIDTH / 2, last[1]),
    ]
    steps = [f"M{_at(points[0])}"]
    for one, other in pairwise(points):
        bend = (one[0] + other[0]) / 2
        steps.append(f"C{_at((bend, one[1]))} {_at((bend, other[1]))} {_at(other)}")
    # In the middle of its last stretch: where ties of one emitter have parted.
    before = points[-2]
    return Line(
        tie, " ".join(steps), (before[0] + last[0] - way * WIDTH / 2) / 2, (before[1] + last[1]) / 2
    )


def _loop(tie: Tie, box: Box) -> Line:
    """A source that listens to itself."""
    x, y = box.x + WIDTH / 2, box.y + HEIGHT
    path = (
        f"M{_at((x + 30, y))} C{_at((x + 30, y + 16))} {_at((x - 30, y + 16))} {_at((x - 30, y))}"
    )
    return Line(tie, path, x, y + 12)


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
