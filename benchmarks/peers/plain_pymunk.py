"""A gas of discs in pymunk alone: the scene as JSON on standard input, one line of JSON on standard output."""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import numpy as np
import pymunk
from pymunk import batch


def main() -> None:
    """Record the impulse, bodies, place and time of every collision, and all places, angles and rates at the asked rate, as two arrays."""
    scene = json.load(sys.stdin)
    start = time.process_time()
    space = pymunk.Space(threaded=False)
    space.iterations, step, side, radius = scene["iterations"], scene["step"], scene["side"], scene["radius"]
    corners = ((0.0, 0.0), (side, 0.0), (side, side), (0.0, side))
    for a, b in zip(corners, (*corners[1:], corners[0]), strict=True):
        wall = pymunk.Segment(space.static_body, a, b, 0.01)
        wall.elasticity, wall.friction = 1.0, 0.0
        space.add(wall)
    index = {space.static_body.id: -1}
    for number, (x, y, vx, vy) in enumerate(scene["bodies"]):
        body = pymunk.Body(scene["mass"], pymunk.moment_for_circle(scene["mass"], 0.0, radius))
        body.position, body.velocity = (x, y), (vx, vy)
        disc = pymunk.Circle(body, radius)
        disc.elasticity, disc.friction = 1.0, 0.0
        space.add(body, disc)
        index[body.id] = number
    events: list[tuple[float, ...]] = []
    now = 0.0

    def solved(arbiter: pymunk.Arbiter, _space: pymunk.Space, _data: Any) -> None:
        if arbiter.is_first_contact:
            a, b = arbiter.bodies
            jx, jy = arbiter.total_impulse
            x, y = arbiter.contact_point_set.points[0].point_a
            events.append((now, index[a.id], index[b.id], math.hypot(jx, jy), x, y))

    space.on_collision(None, None, post_solve=solved)
    fields = batch.BodyFields.POSITION | batch.BodyFields.ANGLE | batch.BodyFields.VELOCITY | batch.BodyFields.ANGULAR_VELOCITY
    buffer, samples = batch.Buffer(), []

    def sample() -> None:
        buffer.clear()
        batch.get_space_bodies(space, fields, buffer)
        samples.append(bytes(buffer.float_buf()))

    for number in range(scene["steps"]):
        if number % scene["every"] == 0:
            sample()
        now = (number + 1) * step
        space.step(step)
    sample()
    table = np.frombuffer(b"".join(samples)).reshape(len(samples), -1, 6)[:, :-1]  # without the walls' body
    hits = np.array(events)
    print(json.dumps({"cpu": time.process_time() - start, "collisions": len(hits), "samples": len(table)}))


if __name__ == "__main__":
    main()
