"""Algorithm `distill`: a frozen teacher answers queries about clips, and its answers are samples (systems §2.1)."""
