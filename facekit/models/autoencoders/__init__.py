"""Variational autoencoders of faces: P1's unconditional VAE, and P0's conditional VAE (G1)."""
