"""A layered drawing of a directed acyclic graph as SVG, without any program.

After Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981): layers by
longest path, long edges through invisible points, order within layers by medians of neighbours, then coordinates by
averaging neighbours under the order's constraints.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from itertools import pairwise

__all__ = ["Box", "Edge", "layered_svg"]

CHARACTER, HEIGHT, GAP, LAYER = 6.7, 26.0, 18.0, 58.0
SWEEPS = 8


@dataclass(frozen=True)
class Box:
    """A node of the drawing."""

    key: str
    label: str
    color: str
    rounded: bool


@dataclass(frozen=True)
class Edge:
    """An arrow from one box to another."""

    start: str
    end: str
    label: str


@dataclass
class _Point:
    """A box, or a bend of a long edge, in its layer."""

    width: float
    before: list[_Point]
    after: list[_Point]
    layer: int = 0
    x: float = 0.0
    rank: int = 0


def layered_svg(boxes: list[Box], edges: list[Edge]) -> str:
    """The drawing as a self-contained SVG document. The edges must form no cycle."""
    points = {box.key: _Point(len(box.label) * CHARACTER + 18, [], []) for box in boxes}
    _assign_layers(points, edges)
    layers, paths = _route(points, edges)
    for sweep in range(SWEEPS):
        _order(layers, downward=sweep % 2 == 0)
    _place(layers)
    return _render(boxes, points, paths, layers)


def _assign_layers(points: dict[str, _Point], edges: list[Edge]) -> None:
    waiting = dict.fromkeys(points, 0)
    users: dict[str, list[str]] = {key: [] for key in points}
    for edge in edges:
        waiting[edge.end] += 1
        users[edge.start].append(edge.end)
    ready = [key for key, count in waiting.items() if count == 0]
    while ready:
        key = ready.pop()
        for user in users[key]:
            points[user].layer = max(points[user].layer, points[key].layer + 1)
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    for key in reversed(list(points)):  # sources go down next to their first user
        if users[key] and not any(edge.end == key for edge in edges):
            points[key].layer = min(points[user].layer for user in users[key]) - 1


def _route(points: dict[str, _Point], edges: list[Edge]) -> tuple[list[list[_Point]], list[tuple[Edge, list[_Point]]]]:
    layers: list[list[_Point]] = [[] for _ in range(1 + max((p.layer for p in points.values()), default=0))]
    for point in points.values():
        layers[point.layer].append(point)
    paths = []
    for edge in edges:
        path = [points[edge.start]]
        for layer in range(points[edge.start].layer + 1, points[edge.end].layer):
            bend = _Point(4.0, [], [], layer)
            layers[layer].append(bend)
            path.append(bend)
        path.append(points[edge.end])
        for upper, lower in pairwise(path):
            upper.after.append(lower)
            lower.before.append(upper)
        paths.append((edge, path))
    for row in layers:
        for rank, point in enumerate(row):
            point.rank = rank
    return layers, paths


def _order(layers: list[list[_Point]], *, downward: bool) -> None:
    for row in layers if downward else layers[::-1]:
        def median(point: _Point) -> float:
            ranks = sorted(p.rank for p in (point.before if downward else point.after))
            return float(ranks[len(ranks) // 2]) if ranks else float(point.rank)

        row.sort(key=median)
        for rank, point in enumerate(row):
            point.rank = rank


def _place(layers: list[list[_Point]]) -> None:
    for row in layers:
        x = 0.0
        for point in row:
            point.x = x + point.width / 2
            x += point.width + GAP
    for sweep in range(SWEEPS * 2):
        for row in layers if sweep % 2 == 0 else layers[::-1]:
            wanted = []
            for point in row:
                near = point.before + point.after
                wanted.append(sum(p.x for p in near) / len(near) if near else point.x)
            _separate(row, wanted)
    left = min((p.x - p.width / 2 for row in layers for p in row), default=0.0)
    for row in layers:
        for point in row:
            point.x += 12 - left


def _separate(row: list[_Point], wanted: list[float]) -> None:
    """Move points to where they want to be, as near as their order and widths allow."""
    groups: list[list[float]] = []  # [sum of (wanted - offset), count, width so far]
    for point, goal in zip(row, wanted):
        groups.append([goal - point.width / 2, 1.0, point.width + GAP])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] + groups[-2][2] > groups[-1][0] / groups[-1][1]:
            total, count, width = groups.pop()
            groups[-1][0] += total - count * groups[-1][2]
            groups[-1][1] += count
            groups[-1][2] += width
    at = iter(row)
    for total, count, _ in groups:
        x = total / count
        for _ in range(int(count)):
            point = next(at)
            point.x = x + point.width / 2
            x += point.width + GAP


def _render(boxes: list[Box], points: dict[str, _Point], paths: list[tuple[Edge, list[_Point]]],
            layers: list[list[_Point]]) -> str:
    width = max((p.x + p.width / 2 for row in layers for p in row), default=0.0) + 12
    height = len(layers) * LAYER + 12

    def y(point: _Point) -> float:
        return point.layer * LAYER + 12 + HEIGHT / 2

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="12">',
        '<defs><marker id="arrow" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">'
        '<path d="M0,0 L7,3 L0,6 z" fill="#555"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    arrivals = Counter(edge.end for edge, _ in paths)
    arrived: Counter[str] = Counter()
    for edge, path in paths:
        spots = [(p.x, y(p)) for p in path]
        spots[0] = (spots[0][0], spots[0][1] + HEIGHT / 2)
        count = arrivals[edge.end]  # the inputs of a node arrive side by side, in order
        shift = (arrived[edge.end] - (count - 1) / 2) * min(22.0, path[-1].width / (count + 1))
        arrived[edge.end] += 1
        spots[-1] = (spots[-1][0] + shift, spots[-1][1] - HEIGHT / 2)
        curve = f"M{spots[0][0]:.1f},{spots[0][1]:.1f}"
        for (x0, y0), (x1, y1) in pairwise(spots):
            middle = (y0 + y1) / 2
            curve += f" C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}"
        parts.append(f'<path d="{curve}" fill="none" stroke="#555" marker-end="url(#arrow)"/>')
        if edge.label:
            parts.append(f'<text x="{spots[-1][0] + 5:.1f}" y="{spots[-1][1] - 8:.1f}" font-size="9" '
                         f'fill="#777">{escape(edge.label)}</text>')
    for box in boxes:
        point = points[box.key]
        parts.append(
            f'<rect x="{point.x - point.width / 2:.1f}" y="{y(point) - HEIGHT / 2:.1f}" width="{point.width:.1f}" '
            f'height="{HEIGHT}" rx="{HEIGHT / 2 if box.rounded else 3}" fill="{box.color}" stroke="#555"/>'
            f'<text x="{point.x:.1f}" y="{y(point) + 4:.1f}" text-anchor="middle">{escape(box.label)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
