"""Tests of training run on the CPU. `toys` is a plain module, which subprocesses import too."""

import os
import sys
from pathlib import Path

os.environ["ACCELERATE_USE_CPU"] = "1"
sys.path.insert(0, str(Path(__file__).parent))
