"""The repository as text: its files, its modules, and what each module imports."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
BUILT = {"__pycache__", "egg-info"}
FOLDERS = ("ser_rt", "export", "benchmarks", "tests", "docs", ".ci", "integrations")


def files(*folders: str) -> list[Path]:
    """Files under the folders (default: the whole repository), without caches and build results."""
    # In a worktree of git, .git is a file that says where.
    found = [p for p in ROOT.iterdir() if p.is_file() and p.name != ".git"] if not folders else []
    for folder in folders or FOLDERS:
        found += [p for p in (ROOT / folder).rglob("*") if p.is_file()]
    return sorted(p for p in found if not BUILT & {part.rpartition(".")[2] for part in p.parts})


def modules(*folders: str) -> dict[str, Path]:
    """Dotted name, as installed (`ser_rt.export.graph`), to file, of every module in folders."""
    found = {}
    for path in files(*folders or ("ser_rt", "export", "benchmarks")):
        if path.suffix == ".py" and path.parent.joinpath("__init__.py").exists():
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            is_outside = parts[0] in ("export", "benchmarks")
            found[f"ser_rt.{name}" if is_outside else name] = path
    return found


@dataclass(frozen=True)
class Import:
    """One import statement's target, as written in `importer`."""

    importer: str
    module: str
    name: str
    lazy: bool  # inside a function, or for type checkers only

    @property
    def top(self) -> str:
        """Name of the top-level package."""
        return self.module.partition(".")[0]


def imports(module: str, path: Path) -> Iterator[Import]:
    """Every import in the file, wherever it stands; relative ones resolved."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    eager = set(map(id, tree.body))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        lazy = id(node) not in eager
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, "", lazy)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) + 1 - node.level])
            source = node.module if not node.level else ".".join(filter(None, [base, node.module]))
            for alias in node.names:
                yield Import(module, source or "", alias.name, lazy)
