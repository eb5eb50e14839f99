"""What a ledger may cost: calls and tokens are taken before a call and settled after it."""

from __future__ import annotations

import asyncio

from components.llm.request import Budget, StoppedError


class Purse:
    """Spending against a budget, over all runs of one ledger; `calls` and `tokens` are what was spent so far.

    A call is let through only when the most it can cost still fits, so the budget is kept as well as tokens are
    estimated. A failed call counts as a call; what it cost in tokens nobody says.
    """

    def __init__(self, budget: Budget, *, calls: int, tokens: int) -> None:
        self.calls, self.tokens = calls, tokens
        self._budget, self._taken = budget, 0
        self._settled = asyncio.Condition()

    async def take(self, tokens: int) -> None:
        """Set the cost of one call aside; where calls under way hold the last of it, wait what they leave.

        Raises:
            StoppedError: the budget does not reach for this call.
        """
        async with self._settled:
            limit = self._budget.tokens
            while limit is not None and self.tokens + self._taken + tokens > limit:
                if not self._taken:
                    raise StoppedError(
                        f"the budget is spent: {self.tokens} tokens of llm.budget.tokens = {limit}, and the next call "
                        f"may need {tokens}"
                    )
                await self._settled.wait()
            if self._budget.calls is not None and self.calls >= self._budget.calls:
                raise StoppedError(
                    f"the budget is spent: {self.calls} calls of llm.budget.calls = {self._budget.calls}"
                )
            self.calls += 1
            self._taken += tokens

    async def settle(self, taken: int, spent: int) -> None:
        """Replace what `take` set aside by what the call cost, in tokens."""
        async with self._settled:
            self._taken -= taken
            self.tokens += spent
            self._settled.notify_all()
