"""Variational autoencoders of faces: P1's and P0's conditional one (G1)."""
