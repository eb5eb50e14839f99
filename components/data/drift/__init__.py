"""Whether data are still like those that a model learned from: a small profile of each dataset, and the comparison."""
