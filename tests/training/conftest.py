"""The toys are a plain module, so that subprocesses can import them too; all tests of training are of the CPU."""

import os
import sys
from pathlib import Path

os.environ["ACCELERATE_USE_CPU"] = "1"
sys.path.insert(0, str(Path(__file__).parent))
