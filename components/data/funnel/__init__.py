"""EgoRe's filter funnel (systems §4.1): of web video it keeps the clips in which the wearer's own hands are at work.

`candidates` makes clips of sentences and captions, `clip_reader` decodes their frames in a killable process,
`ego_exo_classifier` drops exo clips by their `features`, `hand_detector` or `folder_detector` counts hands and objects
for the three thresholds of `filters`, and `tables` writes the clips kept and the reasons of the others.
"""
