"""Judges and metrics: how good an edit is, by families that each look at another side of it."""
