"""The blocks that the models are built of. Each exists once; a model says how many and how wide."""
