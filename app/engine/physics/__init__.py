"""Scenes, their solvers, and what comes out: a trajectory and exact events."""
