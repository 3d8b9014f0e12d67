"""The rooms of the library: each imports only from those above it in `facekit.__doc__`, and no imports are circular."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import facekit

PACKAGE = Path(facekit.__file__).parent
ROOMS = re.findall(r"^    (\w+)  ", facekit.__doc__, re.MULTILINE)


def module_name(path):
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}


def imports(path):
    """The modules of facekit that a file imports, at module level or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "facekit":
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
            found |= inner or {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.partition(".")[0] == "facekit"}
    return found - {"facekit"}


def room(module):
    return module.split(".")[1]


def test_the_docstring_lists_the_rooms_in_the_folder():
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    files = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py"}
    assert set(ROOMS) == folders
    assert files == {"__init__.py", "__main__.py"}


def test_each_room_imports_only_from_those_above_it():
    upward = [
        f"{module} imports {other}"
        for module, path in MODULES.items()
        if module.count(".") and module != "facekit.__main__"
        for other in imports(path)
        if ROOMS.index(room(other)) > ROOMS.index(room(module))
    ]
    assert upward == []


def test_no_imports_are_circular():
    graph = {module: imports(path) - {module} for module, path in MODULES.items()}
    TopologicalSorter(graph).prepare()
