"""Benchmarks: what the hot paths cost, against peers measured in the same run."""
