"""Write the documentation of the running Python's standard library as JSON lines: ``python inspector.py FILE``.

Run as a program of its own by :mod:`hashsvc.cli.demo.documents`, because importing a whole standard library leaves
traces (signal handlers, readline, warnings) that belong in no other process. It imports nothing of hashsvc.
One line per module, class and function that has a docstring: ``{"key": dotted name, "kind", "module", "text"}``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

NEVER = {"antigravity", "this", "idlelib", "turtle", "turtledemo", "test", "tests", "idle_test", "lib2to3.pgen2.conv"}
ALIASES = ("os.path",)  # known to everyone by this name, to Python as posixpath or ntpath
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def skipped(name: str) -> bool:
    """Whether a module is private, a test, or one that must never be imported."""
    parts = name.split(".")
    return name in NEVER or any(part.startswith("_") or part in NEVER for part in parts)


def module_names() -> list[str]:
    """Dotted names of the public modules of the standard library, sorted; aliases last."""
    names: set[str] = set()
    for top in sys.stdlib_module_names:
        if skipped(top):
            continue
        names.add(top)
        module = import_quietly(top)
        for found in walk(module) if module else ():
            names.add(found)
    return sorted(names | set(ALIASES))


def walk(package: ModuleType) -> Iterator[str]:
    """Public modules below a package."""
    for entry in pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}."):
        if skipped(entry.name):
            continue
        yield entry.name
        module = import_quietly(entry.name) if entry.ispkg else None
        if module:
            yield from walk(module)


def import_quietly(name: str) -> ModuleType | None:
    """The module, or None where this machine cannot import it, however it fails."""
    try:
        return importlib.import_module(name)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def members(module: ModuleType) -> list[tuple[str, Any]]:
    """Public classes and functions that belong to a module; an object's own name comes before its aliases."""
    listed = getattr(module, "__all__", None)
    names = sorted(set(listed if listed is not None else vars(module)))
    found: list[tuple[str, Any]] = []
    for name in names:
        value = getattr(module, name, None)
        if name.startswith("_") or not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        if listed is not None or belongs(value, module.__name__):
            found.append((name, value))
    return sorted(found, key=lambda member: (getattr(member[1], "__name__", "") != member[0], member[0]))


def belongs(value: Any, module: str) -> bool:
    """Whether an object is a module's own: defined there, or in a private one (``_bisect``) that does its work."""
    home = getattr(value, "__module__", None) or ""
    return home == module or home.startswith("_")


def own_doc(value: Any) -> str:
    """The docstring written for this very object, not one inherited from a parent; "" without one."""
    doc = vars(value).get("__doc__") if inspect.isclass(value) else getattr(value, "__doc__", None)
    return ADDRESS.sub("", inspect.cleandoc(doc)) if isinstance(doc, str) else ""


def initialiser_doc(value: Any) -> str:
    """Docstring of the ``__init__`` a class defines itself; "" without one."""
    initialiser = vars(value).get("__init__") if inspect.isclass(value) else None
    return own_doc(initialiser) if inspect.isfunction(initialiser) else ""


def parameters(value: Any) -> str:
    """``(names, of, parameters)``, without defaults and annotations; "" where Python does not tell."""
    try:
        return f"({', '.join(inspect.signature(value).parameters)})"
    except (ValueError, TypeError, NameError, AttributeError):
        return ""


def words(name: str) -> str:
    """A name as the words it is made of: ``file_util.copyTree`` gives "file util copy tree"."""
    return " ".join(word.lower() for word in WORD.findall(name))


def methods(value: type) -> str:
    """One line per public method a class defines itself: its name and the first line of its docstring."""
    lines = []
    for name, member in sorted(vars(value).items()):
        function = getattr(member, "__func__", member)
        if name.startswith("_") or not inspect.isroutine(function):
            continue
        lines.append(f"{name}: {own_doc(function).partition(chr(10))[0]}")
    return "\n".join(lines)


def document(key: str, kind: str, module: str, value: Any) -> dict[str, str] | None:
    """One line of the file; None for an object without a docstring of its own."""
    doc = "\n".join(part for part in (own_doc(value), initialiser_doc(value)) if part.strip())
    if not doc:
        return None
    head = f"{key} {parameters(value) if kind != 'module' else ''}".rstrip()
    parts = [head, words(key), doc, methods(value) if kind == "class" else ""]
    text = "\n".join(part for part in parts if part)
    return {"key": key, "kind": kind, "module": module, "text": text.encode("utf-8", "replace").decode()}


def documents() -> Iterator[dict[str, str]]:
    """Every document, each object once, under the first of its names in sorted order of modules."""
    seen: set[int] = set()
    keys: set[str] = set()
    alive: list[Any] = []  # an id may be used again once its object is gone
    for name in module_names():
        module = import_quietly(name)
        if module is None:
            continue
        for key, kind, value in [(name, "module", module), *_keyed(name, module)]:
            if id(value) in seen or key in keys:
                continue
            seen.add(id(value))
            alive.append(value)
            found = document(key, kind, name, value)
            if found:
                keys.add(key)
                yield found


def _keyed(name: str, module: ModuleType) -> list[tuple[str, str, Any]]:
    return [(f"{name}.{m}", "class" if inspect.isclass(v) else "function", v) for m, v in members(module)]


def main() -> None:
    """Write the file named on the command line."""
    warnings.simplefilter("ignore")
    with Path(sys.argv[1]).open("w", encoding="utf-8") as file:
        for found in documents():
            file.write(json.dumps(found, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
