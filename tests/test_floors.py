"""Imports point down: roof > doors > verbs > rules > nouns > laws. The engine knows no web and no database."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "app").rglob("*.py"))
LAWS, NOUNS, RULES, VERBS, DOORS, ROOF = range(6)

_TOP = {"__init__": ROOF, "cli": ROOF, "openapi": DOORS, "requests": DOORS}
_TOP_NOUNS = {"models", "database", "errors", "extensions", "config", "logs", "metrics"}
_IN_A_ROOM = {
    "routes": DOORS, "sockets": DOORS, "tasks": DOORS, "commands": DOORS, "requests": DOORS, "worker": DOORS,
    "service": VERBS, "checks": VERBS, "models": NOUNS, "content": NOUNS,
}  # fmt: skip
_ROLL_CALLS = {"app/models.py", "app/changes/editable.py", "app/__init__.py", "app/jobs/registry.py", "app/access.py"}
_ENGINE_MAY_USE = {"numpy", "scipy", "pymunk", "numba", "pint", "soundfile", "orjson", "PIL", "app"}


def test_the_engine_knows_neither_web_nor_database_nor_the_application() -> None:
    allowed = _ENGINE_MAY_USE | sys.stdlib_module_names
    for file in (ROOT / "app" / "engine").rglob("*.py"):
        for name in imports(file):
            assert name.partition(".")[0] in allowed, f"{told(file)} imports {name}"
            assert not name.startswith("app") or name.startswith("app.engine"), f"{told(file)} imports {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_import_points_up(file: Path) -> None:
    if told(file) in _ROLL_CALLS:
        return
    for name in imports(file):
        if name.startswith("app.") and (found := module(name)):
            assert floor(found) <= floor(file), f"{told(file)} (floor {floor(file)}) imports {name} (floor {floor(found)})"


def test_no_import_leads_back_to_where_it_came_from() -> None:
    graph = {
        told(file): {told(found) for name in imports(file) if (found := module(name))} for file in FILES if told(file) not in _ROLL_CALLS
    }
    assert circle(graph) == []


def test_only_the_entry_files_know_the_kind_of_server() -> None:
    for file in FILES:
        assert not {name.partition(".")[0] for name in imports(file)} & {"eventlet", "gevent"}, told(file)


def test_only_the_configuration_reads_the_environment() -> None:
    for file in FILES:
        assert told(file) == "app/config.py" or not reads_environment(ast.parse(file.read_text())), told(file)


def reads_environment(tree: ast.AST) -> bool:
    """Whether os.environ or os.getenv is used otherwise than to set a variable for a library."""
    uses = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return any(re.fullmatch(r"os\.(environ(?!\.setdefault).*|getenv)", use) for use in uses if use != "os.environ") or any(
        isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ" for node in ast.walk(tree)
    )


def floor(file: Path) -> int:
    """The floor of a module, by its name. What has no place of its own is a rule: something that services ask."""
    room, *rest = file.relative_to(ROOT / "app").with_suffix("").parts
    if room == "engine":
        return LAWS
    if not rest:
        return _TOP.get(room, NOUNS if room in _TOP_NOUNS else RULES)
    if room == "collaboration":
        return NOUNS if rest[0] == "models" else DOORS  # it stands at the door, beside the routes
    if room in ("changes", "audit") and rest[0] == "service":
        return RULES  # commit_change() and record() are what services stand on
    return _IN_A_ROOM.get(rest[0], RULES)


def imports(file: Path) -> Iterator[str]:
    """The full names of everything that a module imports, those it imports late too; not those for types alone."""
    tree = ast.parse(file.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in inner if module(name)]
            yield from modules
            if len(modules) < len(inner):
                yield node.module


def module(name: str) -> Path | None:
    """The file of a module of ours."""
    path = ROOT.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None) if name.startswith("app") else None


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A way that leads back to its beginning, or none."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        found = next((round_trip for following in sorted(graph.get(node, ())) if (round_trip := walk(following, [*way, node]))), [])
        done.add(node)
        return found

    return next((found for start in sorted(graph) if (found := walk(start, []))), [])


def told(file: Path) -> str:
    """A file as it is named in the repository."""
    return str(file.relative_to(ROOT))
