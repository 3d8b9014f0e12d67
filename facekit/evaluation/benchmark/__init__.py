"""One protocol for every generator: each test face to each emotion, all metrics, every judge, intervals by person.

`evaluate` measures one generator, `evaluate_weights` several by name with the rows that they are compared with.
What is measured, and how, is said where it is done: the questions in `exam`, who judges in `panel`, what is measured
of each edit in `measures`, of all edits in `summary`.
"""

from facekit.evaluation.benchmark.benchmarks import (
    CannotEvaluate,
    Editor,
    Exam,
    Questions,
    pairs_exam,
    photograph_exam,
    synthetic_exam,
)
from facekit.evaluation.benchmark.panel import AnswerKey, Panel
from facekit.evaluation.benchmark.run import evaluate, read_rows
from facekit.evaluation.benchmark.table import evaluate_weights, leaderboard, references, to_text

__all__ = [
    "AnswerKey",
    "CannotEvaluate",
    "Editor",
    "Exam",
    "Panel",
    "Questions",
    "evaluate",
    "evaluate_weights",
    "leaderboard",
    "pairs_exam",
    "photograph_exam",
    "read_rows",
    "references",
    "synthetic_exam",
    "to_text",
]
