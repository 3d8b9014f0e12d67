"""Generators trained against discriminators.

stargan           G2, StarGAN: preset, networks, training, edits
stargan_variants  G3 to G7: StarGAN on two domains, and P2's changes to it
cyclegan          G8, CycleGAN
mma_gan           G9 and its ablation G10, MMA-GAN
networks          the generator and discriminator that all of them are built from
adversarial       what their training has in common
joint_label       labels of one or two domains
toy               GANs on eight modes on a ring in the plane
"""
