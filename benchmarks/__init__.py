"""Speed beside named peers, on the same data in the same run: ``python -m benchmarks [NAME...]``."""
