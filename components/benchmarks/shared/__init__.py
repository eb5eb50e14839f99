"""What the benchmarks share: the record of a sample, the description of a benchmark, and readers of files."""
