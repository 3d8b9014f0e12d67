"""Generators trained against discriminators.

stargan           G2, StarGAN: preset, networks, training, edits
stargan_variants  G3 to G7: StarGAN on two domains, and P2's changes to it
cyclegan          G8, CycleGAN
mma_gan           G9 and its ablation G10, MMA-GAN
lgp_gan           G17, LGP-GAN: networks for the eyes and the mouth, and one for the face
ganimation        G20, GANimation: action units, and a mask of where the generator acts
masked            what generators with a mask have in common
networks          the generator and discriminator that all of them are built from
adversarial       what their training has in common
joint_label       labels of one or two domains
toy               GANs on eight modes on a ring in the plane
"""
