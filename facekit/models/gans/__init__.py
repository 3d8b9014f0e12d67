"""Generators trained against discriminators: StarGAN and its variants (G2 to G7), CycleGAN (G8), MMA-GAN (G9, G10)."""
