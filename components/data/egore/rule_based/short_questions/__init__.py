"""Short-term questions about seconds of one take, one module for each family (systems §4.1, EgoRe-5M Short).

Each module puts its questions twice, side by side: `question` (or `questions`) makes one from facts, for text and for
tests; `candidates` makes those of all clips of a table at once, as numbers. Both use the module's `Form`.
"""

from components.data.egore.rule_based.short_questions import background, count, existence, reason, slots
from components.data.egore.rule_based.short_questions.form import Form

TYPES = ("existence", "attribute", "count", "interaction", "action", "reason", "background")
FORMS: dict[str, Form] = {
    "existence": existence.FORM,
    **slots.FORMS,
    "count": count.FORM,
    "reason": reason.FORM,
    "background": background.FORM,
}
