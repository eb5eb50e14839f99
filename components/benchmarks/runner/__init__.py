"""Running benchmarks: references without a model, the checkpoint's answers, scores and their tables."""
