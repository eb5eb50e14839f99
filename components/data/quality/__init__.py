"""What the samples are worth, per question type: `measure` makes the table from the truth, `blind` and `leaks`."""
