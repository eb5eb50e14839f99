"""EgoRe's filter funnel (systems §4.1): of what web video shows, the clips in which somebody's own hands are at work.

candidates (what is said, and when) -> footage (frames, in a killable process) -> classifier on features (ego or exo)
-> hands (detector) and filters (its three thresholds) -> outputs (the clips kept, and why the others were not).
"""
