"""One notebook in a process of its own: reads papermill's arguments as a line of JSON, and ends when its parent does.

It is run by its path and imports nothing of facekit, so that it starts without the seconds that torch takes.
"""

import json
import logging
import os
import sys
import threading


def _end_with_parent() -> None:
    # The parent keeps the other end open as long as it lives; killed outright, it cannot say goodbye. Read past
    # Python's own buffer, whose lock a thread must not hold when the interpreter ends.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main() -> None:
    """Execute the notebook; what papermill and the kernel say goes to the standard output and error."""
    import papermill

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    arguments = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    papermill.execute_notebook(**arguments, kernel_name="python3", progress_bar=False, log_output=True)


if __name__ == "__main__":
    main()
