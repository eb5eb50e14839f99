"""Text generation behind one call: deterministic rules, or any OpenAI-compatible endpoint with a ledger of its replies.

`generate` answers requests; `plan` says what that would cost and calls nobody. No model, no video, no table.
"""

from components.llm.generate import all_settled, generate, plan
from components.llm.request import Answer, Budget, Plan, Reject, Request, Rule, Settings, StoppedError, settings_of

__all__ = [
    "Answer",
    "Budget",
    "Plan",
    "Reject",
    "Request",
    "Rule",
    "Settings",
    "StoppedError",
    "all_settled",
    "generate",
    "plan",
    "settings_of",
]
