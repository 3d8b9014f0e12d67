"""Commands that take generators out of Python: one as an ONNX file, all of the studio as a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from facekit.cli.arguments import add


def add_studio(commands) -> None:
    parser = add(commands, "export", export)
    parser.add_argument("name", help="name or path of the weights of a generator or a judge")
    parser.add_argument("out", type=Path, help="the .onnx file to write")


def export(arguments: argparse.Namespace) -> int:
    """Write a generator, or a network that predicts something, as an ONNX file."""
    from facekit.models.export import export_onnx
    from facekit.models.load import load_system

    print(export_onnx(load_system(arguments.name), arguments.out))
    return 0
