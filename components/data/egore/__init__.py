"""EgoRe question answering (systems §4.1): `short`, `long`, `cot`, `grounding` make questions, `build` makes tables.

`short.questions`, `long.questions` and `cot.thought` are pure functions over `prompts.Facts`: language-model
pre-training asks the same questions of text that these samples ask of video. `short_term` asks those of `short` about
millions of clips at once, in numbers that `worded` puts into words. Where `llm.generator` is openai, a language model
writes all but the grounding (`written`).
"""
