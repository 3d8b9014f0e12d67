"""Datasets of faces, one file each; all give `Faces`."""

from facekit.datasets.base import DATASETS, DatasetMissing, FaceDataset, Problem, loader, open_dataset

__all__ = ["DATASETS", "DatasetMissing", "FaceDataset", "Problem", "loader", "open_dataset"]
