"""The studio, served or as a page without a server, and generators as ONNX files."""

from __future__ import annotations

import argparse
from pathlib import Path

from facekit.cli.arguments import UsageError, add, print_line
from facekit.workspace.folders import runs_home


def add_studio(commands) -> None:
    parser = add(commands, "app", app)
    parser.add_argument("--port", type=int, default=8866, help="of the server (default 8866); 0 takes a free one")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in a browser")
    parser = add(commands, "export", export)
    parser.add_argument("name", help="name or path of the weights of a generator or a judge")
    parser.add_argument("out", type=Path, help="the .onnx file to write")

    parser = add(commands, "page", page)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="output folder (default runs/page)")
    parser.add_argument("--runtime", type=Path, metavar="TGZ", help="onnxruntime-web's npm package, if npm is missing")


def app(arguments: argparse.Namespace) -> int:
    """Serve the studio on localhost: a page with all generators here."""
    import asyncio
    import webbrowser

    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets

    from facekit.studio.server import LARGEST, application

    async def serve() -> None:
        try:
            sockets = bind_sockets(arguments.port, "127.0.0.1")
        except OSError as error:
            raise UsageError(
                f"port {arguments.port} is not free ({error.strerror}): choose another with --port"
            ) from None
        server = HTTPServer(application(), max_body_size=LARGEST, max_buffer_size=LARGEST)
        server.add_sockets(sockets)
        address = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"
        print_line(f"{address}  (stop with Ctrl+C)")
        if not arguments.no_browser:
            webbrowser.open(address)
        await asyncio.Event().wait()

    asyncio.run(serve())
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write a generator, or a network that predicts something, as an ONNX file."""
    from facekit.models.export import export_onnx
    from facekit.models.load import load_system

    print(export_onnx(load_system(arguments.name), arguments.out))
    return 0


def page(arguments: argparse.Namespace) -> int:
    """Write the studio as a folder of static files, which a browser opens without a server."""
    from facekit.studio.page import write_page

    print(write_page(arguments.out or runs_home() / "page", archive=arguments.runtime, log=print_line))
    return 0
