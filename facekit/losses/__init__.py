"""Losses by family, each a function of tensors that returns one number."""
