"""Public benchmarks on their real annotation files: one file each here, what they share below, the runner beside.

`registry.BENCHMARKS` lists them; `python -m flows.benchmark` runs them.
"""
