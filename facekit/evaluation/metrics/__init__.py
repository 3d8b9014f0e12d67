"""Metrics: functions of tensors, with intervals over persons."""
