"""Diffusion models of faces, conditioned on a label (G11), a face code (G12, G13) or a learned code (G14)."""
