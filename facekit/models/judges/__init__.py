"""Predictors of emotion (E1, E2), identity (E6) and action units (E7), which serve as judges and as classifiers."""
