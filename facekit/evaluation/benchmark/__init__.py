"""One protocol for every generator: each test face to each emotion, all metrics, every judge, intervals by person.

`evaluate` measures one generator, `evaluate_weights` several by name with the rows that they are compared with.
What is measured, and how, is said where it is done: the questions in `exam`, who judges in `panel`, what is measured
of each edit in `measures`, of all edits in `summary`.
"""

from facekit.evaluation.benchmark.benchmarks import (
    Benchmark,
    CannotEvaluate,
    Editor,
    EditRequests,
    pairs_benchmark,
    photograph_benchmark,
    synthetic_benchmark,
)
from facekit.evaluation.benchmark.panel import GroundTruth, Panel
from facekit.evaluation.benchmark.run import evaluate, read_rows
from facekit.evaluation.benchmark.table import evaluate_weights, leaderboard, references, to_text

__all__ = [
    "Benchmark",
    "CannotEvaluate",
    "EditRequests",
    "Editor",
    "GroundTruth",
    "Panel",
    "evaluate",
    "evaluate_weights",
    "leaderboard",
    "pairs_benchmark",
    "photograph_benchmark",
    "read_rows",
    "references",
    "synthetic_benchmark",
    "to_text",
]
