"""The bad input corpus: defects of the input of the data steps, generated, each with the outcome that it must have."""
