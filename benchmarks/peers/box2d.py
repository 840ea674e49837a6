"""A gas of discs in Box2D: the scene as JSON on standard input, one line of JSON on standard output."""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import Box2D


class Listener(Box2D.b2ContactListener):
    """Records the impulse, bodies and place of every collision."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[float, ...]] = []
        self.now = 0.0

    def PostSolve(self, contact: Any, impulse: Any) -> None:  # noqa: N802  the library's name
        """Called in each step for each contact."""
        strength = impulse.normalImpulses[0]
        if strength > 1e-9:
            a, b = contact.fixtureA.body.userData, contact.fixtureB.body.userData
            x, y = contact.worldManifold.points[0]
            self.events.append((self.now, a, b, strength, x, y))


def main() -> None:
    """Record every collision, and all places and velocities at the asked rate."""
    scene = json.load(sys.stdin)
    start = time.process_time()
    listener, step, side = Listener(), scene["step"], scene["side"]
    world = Box2D.b2World(gravity=(0.0, 0.0), doSleep=False, contactListener=listener)
    walls = world.CreateStaticBody(userData=-1)
    corners = ((0.0, 0.0), (side, 0.0), (side, side), (0.0, side))
    for a, b in zip(corners, (*corners[1:], corners[0]), strict=True):
        walls.CreateFixture(shape=Box2D.b2EdgeShape(vertices=[a, b]), restitution=1.0, friction=0.0)
    bodies = []
    density = scene["mass"] / (math.pi * scene["radius"] ** 2)
    for number, (x, y, vx, vy) in enumerate(scene["bodies"]):
        body = world.CreateDynamicBody(position=(x, y), linearVelocity=(vx, vy), userData=number)
        body.CreateFixture(shape=Box2D.b2CircleShape(radius=scene["radius"]), density=density, restitution=1.0, friction=0.0)
        bodies.append(body)
    samples = []
    for number in range(scene["steps"]):
        if number % scene["every"] == 0:
            samples.append([(*body.position, body.angle, *body.linearVelocity, body.angularVelocity) for body in bodies])
        listener.now = (number + 1) * step
        world.Step(step, scene["iterations"], 3)
    print(json.dumps({"cpu": time.process_time() - start, "collisions": len(listener.events), "samples": len(samples)}))


if __name__ == "__main__":
    main()
