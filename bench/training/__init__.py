"""Trains the CPU engine's own networks on photographs with clear rights: see bench/README.md."""
