"""EgoRe question answering (systems §4.1).

Questions come from rules (`by_rule`) or, where `llm.generator` is openai, from a language model (`llm_written`); boxes
and intervals (`grounding`) and both views of one moment (`ego_exo_questions`) are asked for by rules alone. `step`
makes the tables.

Rules ask of two kinds of takes: those of the miniature kitchen, by its grammar (`rule_based`), and those that people
narrated (`free_text`). The questions of `rule_based.short_questions` and `rule_based.long_questions` are pure functions
over `kitchen_grammar.Facts`: pre-training of the language model asks the same of text that these samples ask of video.
"""
