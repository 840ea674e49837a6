"""Shapes of rigid bodies: area, centre of mass, moment of inertia and convex parts of circles, boxes and polygons.

References: Goldstein, Poole & Safko (2002), Classical Mechanics, section 5.3 (moments of inertia); O'Rourke (1998), Computational Geometry
in C, sections 1.3 (area of a polygon) and 1.4 (triangulation by ears); Cengel & Cimbala (2018), Fluid Mechanics, table 11-2 (drag).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.engine.errors import EngineError, OutOfRange, Unsupported
from app.engine.physics.scene import Body
from app.engine.physics.solvers.solution import named

Point = tuple[float, float]

FEWEST_VERTICES, MOST_VERTICES = 3, 32
SPHERE_DRAG = 0.47
CUBE_DRAG = 1.05

_FLAT = 1e-9


@dataclass(frozen=True, slots=True)
class Form:
    """What a body is made of, seen from its centre of mass in its own axes; lengths in m.

    Attributes
    ----------
    parts : convex polygons, counterclockwise; none for circles and points
    radius : of a circle, else 0
    centre : the centre of mass as seen from the body's position
    area : m^2
    gyration : moment of inertia per mass, m^2; infinite for a point, which does not turn
    reach : the largest distance of a point of the body from its centre of mass
    thickness : half of how thick it is at its thinnest, about; 0 for a point
    drag : drag coefficient
    """

    parts: tuple[tuple[Point, ...], ...]
    radius: float
    centre: Point
    area: float
    gyration: float
    reach: float
    thickness: float
    drag: float

    def extent(self, body: Body) -> tuple[float, float, float, float]:
        """The lowest and highest x and y of a body of this form where it starts: (x_low, x_high, y_low, y_high)."""
        cos, sin = math.cos(body.angle), math.sin(body.angle)
        x = body.position[0] + cos * self.centre[0] - sin * self.centre[1]
        y = body.position[1] + sin * self.centre[0] + cos * self.centre[1]
        points = [point for part in self.parts for point in part] or [(0.0, 0.0)]
        xs = [x + cos * px - sin * py for px, py in points]
        ys = [y + sin * px + cos * py for px, py in points]
        return min(xs) - self.radius, max(xs) + self.radius, min(ys) - self.radius, max(ys) + self.radius


def form_of(body: Body, path: str) -> Form:
    """The form of a body. Raises EngineError whose `field` is under `path` for a size that is none."""
    if body.shape == "point":
        return Form((), 0.0, (0.0, 0.0), 0.0, math.inf, 0.0, 0.0, SPHERE_DRAG)
    if body.shape == "circle":
        r = _length(body, "radius", path)
        return Form((), r, (0.0, 0.0), math.pi * r * r, 0.5 * r * r, r, r, SPHERE_DRAG)
    if body.shape == "box":
        w, h = 0.5 * _length(body, "width", path), 0.5 * _length(body, "height", path)
        corners = ((-w, -h), (w, -h), (w, h), (-w, h))
        return Form((corners,), 0.0, (0.0, 0.0), 4.0 * w * h, (w * w + h * h) / 3.0, math.hypot(w, h), min(w, h), CUBE_DRAG)
    if body.shape == "polygon":
        return _polygon(body, path)
    raise Unsupported(f"{named(body)} is a {body.shape}; 'rigid' has points, circles, boxes and polygons.", f"{path}.shape")


def _length(body: Body, name: str, path: str) -> float:
    value = body.size.get(name)
    if not isinstance(value, int | float) or not (0.0 < value < math.inf):
        raise OutOfRange(f"The {name} of {body.name!r} must be a number of m above 0.", f"{path}.size.{name}")
    return float(value)


def _polygon(body: Body, path: str) -> Form:
    vertices = _vertices(body, f"{path}.size.vertices")
    doubled = [ax * by - bx * ay for (ax, ay), (bx, by) in _sides(vertices)]
    area = 0.5 * math.fsum(doubled)
    cx = math.fsum((a[0] + b[0]) * d for (a, b), d in zip(_sides(vertices), doubled, strict=True)) / (6.0 * area)
    cy = math.fsum((a[1] + b[1]) * d for (a, b), d in zip(_sides(vertices), doubled, strict=True)) / (6.0 * area)
    outline = [(x - cx, y - cy) for x, y in vertices]
    second = [(ax * by - bx * ay) * (ax * ax + ax * bx + bx * bx + ay * ay + ay * by + by * by) for (ax, ay), (bx, by) in _sides(outline)]
    around = math.fsum(math.dist(a, b) for a, b in _sides(outline))
    return Form(
        parts=_convex_parts(outline),
        radius=0.0,
        centre=(cx, cy),
        area=area,
        gyration=math.fsum(second) / (12.0 * area),
        reach=max(math.hypot(x, y) for x, y in outline),
        thickness=area / around,
        drag=CUBE_DRAG,
    )


def _vertices(body: Body, path: str) -> list[Point]:
    """The vertices counterclockwise, without those on a straight side, as seen from the middle of the box around them plus that middle.

    Raises EngineError for outlines that are too short, too flat or cross themselves.
    """
    given = body.size.get("vertices")
    if not isinstance(given, Sequence) or not FEWEST_VERTICES <= len(given) <= MOST_VERTICES:
        raise OutOfRange(f"{named(body)} needs {FEWEST_VERTICES} to {MOST_VERTICES} vertices, in m.", path)
    points = [(float(x), float(y)) for x, y in given]
    if not all(math.isfinite(x) and math.isfinite(y) for x, y in points):
        raise OutOfRange(f"The vertices of {body.name!r} must be finite numbers of m.", path)
    size = max(max(x for x, _ in points) - min(x for x, _ in points), max(y for _, y in points) - min(y for _, y in points))
    if _crosses(points):
        raise EngineError(f"The outline of {body.name!r} meets itself; its sides may touch at their ends only.", path)
    area = 0.5 * math.fsum(ax * by - bx * ay for (ax, ay), (bx, by) in _sides(points))
    if not _FLAT * size * size < abs(area) < math.inf:
        raise EngineError(f"{named(body)} has no area: its vertices lie on a line.", path)
    if area < 0:
        points.reverse()
    around = zip([points[-1], *points[:-1]], points, [*points[1:], points[0]], strict=True)
    corners = [here for before, here, after in around if abs(_turn(before, here, after)) > _FLAT * size * size]
    if len(corners) < FEWEST_VERTICES:
        raise EngineError(f"{named(body)} has no area: its vertices lie on a line.", path)
    return corners


def _sides(points: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(points, [*points[1:], points[0]], strict=True))


def _turn(a: Point, b: Point, c: Point) -> float:
    """Twice the area of a triangle, positive when it turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _crosses(points: Sequence[Point]) -> bool:
    """Whether two sides that are not neighbours meet, or two vertices are one."""
    if len(set(points)) < len(points):
        return True
    sides, count = _sides(points), len(points)
    return any(_meet(*sides[i], *sides[j]) for i in range(count) for j in range(i + 2, count) if not (i == 0 and j == count - 1))


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    if _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0:
        return True
    return any(_turn(p, q, r) == 0 and _between(p, q, r) for p, q, r in ((a, b, c), (a, b, d), (c, d, a), (c, d, b)))


def _between(a: Point, b: Point, c: Point) -> bool:
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _convex_parts(outline: list[Point]) -> tuple[tuple[Point, ...], ...]:
    """The outline itself when it is convex; else triangles, ear after ear, and the convex polygon that is left."""
    rest = list(outline)
    parts: list[tuple[Point, ...]] = []
    while True:
        count = len(rest)
        turns = [_turn(rest[n - 1], rest[n], rest[(n + 1) % count]) for n in range(count)]
        if count == 3 or min(turns) >= 0:
            return (*parts, tuple(rest))
        # Of all ears the roundest: thin triangles make poor contacts.
        ears = [n for n in range(count) if turns[n] > 0 and _is_ear(rest, n)]
        if not ears:
            return (*parts, tuple(rest))
        ear = max(ears, key=lambda n: (_roundness(rest[n - 1], rest[n], rest[(n + 1) % len(rest)]), -n))
        parts.append((rest[ear - 1], rest[ear], rest[(ear + 1) % count]))
        del rest[ear]


def _is_ear(points: list[Point], n: int) -> bool:
    before, here, after = points[n - 1], points[n], points[(n + 1) % len(points)]
    return not any(
        _turn(before, here, p) >= 0 and _turn(here, after, p) >= 0 and _turn(after, before, p) >= 0
        for p in points
        if p not in (before, here, after)
    )


def _roundness(a: Point, b: Point, c: Point) -> float:
    return _turn(a, b, c) / (math.dist(a, b) + math.dist(b, c) + math.dist(c, a)) ** 2
