"""One evaluation protocol for every generator: each test face is edited to each emotion, and judges measure the edits.

`evaluate` measures one generator. `evaluate_weights` measures several by the names of their weights, together with the
baselines and the ground truth.

    benchmarks  the faces, the verification set, the ground truth
    requests    which face is edited to which emotion and intensity
    panel       the judges and their predictions
    measures    one row per edit
    summary     one row per generator, with confidence intervals over identities
    cost        size and speed
    videos      the benchmark of videos
    exchange    the benchmark as files, for generators of any framework; with exchange_videos and pictures
    run         evaluate one generator, and reuse what is unchanged
    table       baselines and the leaderboard
"""

from facekit.evaluation.benchmark.benchmarks import (
    Benchmark,
    CannotEvaluate,
    pairs_benchmark,
    photograph_benchmark,
    synthetic_benchmark,
)
from facekit.evaluation.benchmark.exchange import export_benchmark, open_edits, open_videos
from facekit.evaluation.benchmark.panel import GroundTruth, Panel
from facekit.evaluation.benchmark.requests import Editor, EditRequests
from facekit.evaluation.benchmark.run import evaluate, read_rows
from facekit.evaluation.benchmark.table import (
    baselines_for,
    benchmark_for,
    by_view,
    evaluate_edits,
    evaluate_weights,
    leaderboard,
    to_text,
)
from facekit.evaluation.benchmark.videos import VideoBenchmark, video_benchmark

__all__ = [
    "Benchmark",
    "CannotEvaluate",
    "EditRequests",
    "Editor",
    "GroundTruth",
    "Panel",
    "VideoBenchmark",
    "baselines_for",
    "benchmark_for",
    "by_view",
    "evaluate",
    "evaluate_edits",
    "evaluate_weights",
    "export_benchmark",
    "leaderboard",
    "open_edits",
    "open_videos",
    "pairs_benchmark",
    "photograph_benchmark",
    "read_rows",
    "synthetic_benchmark",
    "to_text",
    "video_benchmark",
]
