"""Predictors of emotion (E1, E2), identity (E6), action units and landmarks (E7): judges and classifiers."""
