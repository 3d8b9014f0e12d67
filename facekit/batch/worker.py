"""One notebook in its own process: reads papermill's arguments as a line of JSON, and ends when its parent ends.

The batch runner starts this file by its path. It imports nothing of facekit, so that it starts without loading torch.
"""

import json
import logging
import os
import sys
import threading

KERNEL_STARTED = "the kernel has started"
"""The line that a run's log holds from the moment its kernel is ready."""


def _exit_with_parent() -> None:
    # The parent keeps the other end of the pipe open as long as it lives. The read bypasses Python's own buffer, whose
    # lock a thread must not hold when the interpreter ends.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _before_cell(cell: object, cell_index: int) -> None:
    if cell_index == 0:
        logging.getLogger().info(KERNEL_STARTED)


def main() -> None:
    """Execute the notebook; the messages of papermill and the kernel go to the standard output and error."""
    import papermill

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    arguments = json.loads(sys.stdin.readline())
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    papermill.execute_notebook(
        **arguments, kernel_name="python3", progress_bar=False, log_output=True, on_cell_start=_before_cell
    )


if __name__ == "__main__":
    main()
