"""`python -m facekit`: the same as the command `facekit`, and what `torchrun -m facekit train ...` starts."""

import sys

from facekit.cli import main

if __name__ == "__main__":
    sys.exit(main())
