"""The only public door: who is there, what they may ask, and what happens to their photos."""
