"""Bodies, fixed points and the links between them, as the steps of the particles solver take them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.engine.physics.constraints import resolved
from app.engine.physics.scene import Scene
from app.engine.physics.solvers import particles_kernel as kernel

Array = NDArray[np.float64]

SPHERE_DRAG = 0.47
"""Drag coefficient of a sphere at Reynolds numbers of 1e3 to 1e5 (Hoerner 1965, Fluid-Dynamic Drag, chapter 3)."""

_LEAST, _UNIT = 0.25, 8192.0


class Link(NamedTuple):
    """One constraint. `number` is its place in the scene; `i` and `j` are nodes: bodies in scene order, then one for each fixed point."""

    number: int
    rod: bool
    i: int
    j: int
    length: float
    stiffness: float
    damping: float
    breaks: float


@dataclass(frozen=True)
class Network:
    """What a scene ties together: `places` and `speeds` (M, 3) of its nodes at the start, their `inverse` masses (M,), and its links.

    The first `bodies` nodes are the bodies. Links between two nodes that never move are left out.
    """

    bodies: int
    places: Array
    speeds: Array
    inverse: Array
    drag: Array
    links: tuple[Link, ...]

    @classmethod
    def of(cls, scene: Scene) -> Network:
        """The network of a scene that has passed `check`."""
        places = [body.position for body in scene.bodies]
        inverse = [0.0 if body.static else 1.0 / body.mass for body in scene.bodies]
        at, links = {body.id: index for index, body in enumerate(scene.bodies)}, []
        for index, one in enumerate(resolved(scene)):
            i = at[one.body_id]
            j = len(places) if one.other_body_id is None else at[one.other_body_id]
            if one.other_body_id is None:
                places.append(one.anchor or (0.0, 0.0, 0.0))
                inverse.append(0.0)
            if inverse[i] + inverse[j] > 0.0:
                breaks = math.inf if one.break_force is None else one.break_force
                link = Link(index, one.kind == "distance", i, j, one.rest_length or 0.0, one.stiffness or 0.0, one.damping, breaks)
                links.append(link)
        speeds = [(0.0, 0.0, 0.0) if body.static else body.velocity for body in scene.bodies]
        speeds += [(0.0, 0.0, 0.0)] * (len(places) - len(scene.bodies))
        drag = [0.5 * SPHERE_DRAG * math.pi * body.radius * body.radius * own for body, own in zip(scene.bodies, inverse, strict=False)]
        drag += [0.0] * (len(places) - len(scene.bodies))
        return cls(
            len(scene.bodies),
            np.array(places, dtype=np.float64).reshape(-1, 3),
            np.array(speeds, dtype=np.float64).reshape(-1, 3),
            np.array(inverse, dtype=np.float64),
            np.array(drag, dtype=np.float64),
            tuple(links),
        )

    @property
    def rods(self) -> list[Link]:
        """The links that keep their lengths, in the order in which their matrix is factored."""
        return ordered([link for link in self.links if link.rod], self.inverse)

    @property
    def springs(self) -> list[Link]:
        """The links that pull towards their lengths."""
        return [link for link in self.links if not link.rod]

    def work(self) -> float:
        """The work of one RATTLE step: a quarter, and the more the more links there are; one for about 220 rods in a chain."""
        rods = self.rods
        first = envelope(rods, self.inverse)
        widths = [row - low + 1 for row, low in enumerate(first)]
        shared: dict[int, int] = {}
        for node in (node for rod in rods for node in (rod.i, rod.j) if self.inverse[node] > 0.0):
            shared[node] = shared.get(node, 0) + 1
        pairs = sum(count * (count + 1) / 2 for count in shared.values())
        factor = sum(8.0 + pairs / max(len(rods), 1) + 8.0 * width + 0.2 * width * width for width in widths)
        return _LEAST + (self.bodies + 2.0 * len(self.springs) + factor) / _UNIT


def ordered(rods: Sequence[Link], inverse: Array) -> list[Link]:
    """The rods in reverse Cuthill-McKee order of what they share, which keeps the envelope of their matrix narrow."""
    at: dict[int, list[int]] = {}
    for row, rod in enumerate(rods):
        for node in (rod.i, rod.j):
            if inverse[node] > 0.0:
                at.setdefault(node, []).append(row)
    around = [sum(len(at.get(node, ())) for node in (rod.i, rod.j)) for rod in rods]
    seen, order = [False] * len(rods), []
    for root in sorted(range(len(rods)), key=lambda row: (around[row], row)):
        if seen[root]:
            continue
        seen[root] = True
        queue = [root]
        for row in queue:
            near = {other for node in (rods[row].i, rods[row].j) for other in at.pop(node, ()) if not seen[other]}
            for other in sorted(near, key=lambda other: (around[other], other)):
                seen[other] = True
                queue.append(other)
        order.extend(queue)
    return [rods[row] for row in reversed(order)]


def envelope(rods: Sequence[Link], inverse: Array) -> list[int]:
    """The first column of each row of the rods' matrix that is not zero."""
    first: list[int] = list(range(len(rods)))
    known: dict[int, int] = {}
    for row, rod in enumerate(rods):
        for node in (rod.i, rod.j):
            if inverse[node] > 0.0:
                first[row] = min(first[row], known.setdefault(node, row))
    return first


def _pairs(rods: Sequence[Link], inverse: Array) -> list[tuple[int, int, float]]:
    """Pairs of rods that share a body that moves: row, column, its inverse mass with the sign of how they pull it."""
    found: list[tuple[int, int, float]] = []
    at: dict[int, list[tuple[int, float]]] = {}
    for row, rod in enumerate(rods):
        for node, sign in ((rod.i, 1.0), (rod.j, -1.0)):
            if inverse[node] > 0.0:
                here = at.setdefault(node, [])
                here.append((row, sign))
                found.extend((row, column, sign * other * float(inverse[node])) for column, other in here)
    return found


def state(
    network: Network, places: Array, speeds: Array, floats: Callable[[list[float]], Any], integers: Callable[[list[int]], Any]
) -> Any:
    """The kernel's state of a network whose nodes are at places (M, 3), m, with speeds (M, 3), m/s."""
    rods, springs, count = network.rods, network.springs, len(network.inverse)
    first, pairs = envelope(rods, network.inverse), _pairs(rods, network.inverse)
    start, size = [], 0
    for row, low in enumerate(first):
        start.append(size)
        size += row - low + 1

    def room(length: int = count) -> Any:
        return floats([0.0] * length)

    x, y, z = (floats(places[:, axis].tolist()) for axis in range(3))
    vx, vy, vz = (floats(speeds[:, axis].tolist()) for axis in range(3))
    return kernel.State(
        x=x, y=y, z=z, vx=vx, vy=vy, vz=vz, ax=room(), ay=room(), az=room(),
        ux=room(), uy=room(), uz=room(), px=room(), py=room(), pz=room(),
        w=floats(network.inverse.tolist()), drag=floats(network.drag.tolist()),
        si=integers([link.i for link in springs]), sj=integers([link.j for link in springs]),
        sk=floats([link.stiffness for link in springs]), sc=floats([link.damping for link in springs]),
        sl=floats([link.length for link in springs]), sb=floats([link.breaks for link in springs]),
        nx=room(len(springs)), ny=room(len(springs)), nz=room(len(springs)),
        ri=integers([link.i for link in rods]), rj=integers([link.j for link in rods]),
        rl=floats([link.length for link in rods]), rb=floats([link.breaks for link in rods]),
        dx=room(len(rods)), dy=room(len(rods)), dz=room(len(rods)), tension=room(len(rods) + len(springs)),
        pi=integers([row for row, _, _ in pairs]), pj=integers([column for _, column, _ in pairs]), pw=floats([w for _, _, w in pairs]),
        first=integers(first), start=integers(start), matrix=room(size), inverse=room(len(rods)),
    )  # fmt: skip


class Rates(NamedTuple):
    """How fast a network may move (rad/s): its vibration, and the turning of its links; and how fast dampers slow it (1/s)."""

    vibration: float
    turning: float
    rubbing: float


def rates(network: Network, gravity: float, up: Array, density: float) -> Rates:
    """Bounds, for springs and hanging rods of what is known before a run; none for the crack of a whip.

    Gershgorin's theorem bounds the vibration of springs; a rod carries the weight of what hangs on it (a chain vibrates no faster than
    2 sqrt(T / m a)); a body falls as far as its links let it, in all from the highest fixed point to the lowest place that it can reach.
    """
    heights = _along(network.places, up)
    lengths = [max(math.dist(network.places[link.i], network.places[link.j]), link.length) for link in network.links]
    lowest, weight = _hanging(network, heights, lengths, gravity)
    falls = np.sqrt(2.0 * gravity * np.maximum(heights - lowest, 0.0))
    stiff, rub = np.zeros(len(heights)), network.drag * density * (np.sqrt(_squares(network.speeds)) + falls)
    turn = 0.0
    for number, link in enumerate(network.links):
        i, j, wi, wj = link.i, link.j, network.inverse[link.i], network.inverse[link.j]
        stiffness = weight[number] / lengths[number] if link.rod else link.stiffness
        both = math.sqrt(wi * wj)
        stiff[i] += stiffness * (wi + both)
        stiff[j] += stiffness * (wj + both)
        rub[i] += link.damping * (wi + both)
        rub[j] += link.damping * (wj + both)
        if link.length > 0.0:
            apart = math.dist(network.speeds[i], network.speeds[j])
            turn = max(turn, (apart + float(falls[i] * (wi > 0)) + float(falls[j] * (wj > 0))) / lengths[number])
    most = float(max(stiff, default=0.0))
    return Rates(math.sqrt(most), turn, float(max(rub, default=0.0)))


def _along(vectors: Array, up: Array) -> Array:
    along: Array = vectors[:, 0] * up[0] + vectors[:, 1] * up[1] + vectors[:, 2] * up[2]
    return along


def _squares(vectors: Array) -> Array:
    squares: Array = vectors[:, 0] * vectors[:, 0] + vectors[:, 1] * vectors[:, 1] + vectors[:, 2] * vectors[:, 2]
    return squares


def _hanging(network: Network, heights: Array, lengths: list[float], gravity: float) -> tuple[Array, list[float]]:
    """The lowest height (m) that each node can reach, its own where nothing holds it, and the weight (N) that hangs on each link."""
    near: list[list[tuple[int, int]]] = [[] for _ in heights]
    for number, link in enumerate(network.links):
        near[link.i].append((link.j, number))
        near[link.j].append((link.i, number))
    depth = [math.inf] * len(heights)
    parent = [(-1, -1)] * len(heights)
    heap: list[tuple[float, int]] = []
    for node, height in enumerate(heights.tolist()):
        if network.inverse[node] == 0.0:
            depth[node] = -height
            heapq.heappush(heap, (-height, node))
    order: list[int] = []
    done = [False] * len(heights)
    while heap:
        key, node = heapq.heappop(heap)
        if done[node]:
            continue
        done[node] = True
        order.append(node)
        for other, number in near[node]:
            below = key + lengths[number]
            if network.inverse[other] > 0.0 and below < depth[other]:
                depth[other], parent[other] = below, (node, number)
                heapq.heappush(heap, (below, other))
    carried = [gravity / w if w > 0 else 0.0 for w in network.inverse.tolist()]
    weight = [0.0] * len(network.links)
    for node in reversed(order):
        above, number = parent[node]
        if above >= 0:
            weight[number] = carried[node]
            carried[above] += carried[node]
    for number, link in enumerate(network.links):
        if weight[number] == 0.0 and done[link.i] and done[link.j]:
            weight[number] = min(carried[node] for node in (link.i, link.j) if network.inverse[node] > 0.0)
    lowest = np.array([-key if math.isfinite(key) else height for key, height in zip(depth, heights.tolist(), strict=True)])
    return lowest, weight
