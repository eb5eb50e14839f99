"""View30K's twin: stepwise rationales of what each view shows, for the questions that are asked in both views."""
