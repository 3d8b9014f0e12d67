"""Denoisers that edit a face in one or a few steps (completion, G15), and the paired oracle."""
