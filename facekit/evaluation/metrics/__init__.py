"""Metrics: functions of tensors, with confidence intervals over identities."""
