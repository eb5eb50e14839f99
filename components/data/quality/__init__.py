"""What the samples are worth, per question type.

`measure` makes the table; `parts` reads the samples; `verdicts`, `blind`, `repeats` and `leaks` each measure one thing.
"""
