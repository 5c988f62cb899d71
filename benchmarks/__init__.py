"""Side by side in one run: what does a check cost a request? ``python -m benchmarks --help``."""
