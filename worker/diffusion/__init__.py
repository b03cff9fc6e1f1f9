"""What the engines on diffusers share: weights on disk, the device, prompts.

Only they import it, and an engine is imported when ENGINE names it: a worker on a laptop needs
nothing of this. Weights are loaded later still, by `Engine.load`.
"""
