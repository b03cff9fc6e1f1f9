"""Plumbing that every service shares, without a word of the domain in it."""
