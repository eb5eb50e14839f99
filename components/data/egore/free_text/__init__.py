"""EgoRe of takes that people narrated: the same question types as `rule_based`, in the annotators' own words.

A reader (components/prompts/narration_text.py) finds verb, thing, hand and place of a narration; of what it cannot read
is asked by the whole text. Wrong answers are what happens at other moments (`wrong_answers`), and none of them may be
what happens in the seconds that are shown, in whatever words (`same_event`).
"""
