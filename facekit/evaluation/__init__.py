"""Evaluation: judges, metrics, the benchmark with its leaderboard, experiments, data and model cards."""
