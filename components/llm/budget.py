"""The budget of a ledger: calls and tokens are reserved before a call and settled after it."""

from __future__ import annotations

import asyncio

from components.llm.request import Budget, StoppedError


class Spending:
    """What was spent of a budget, over all runs that write to one ledger.

    A call is let through only when the most it can cost still fits, so the budget is kept as exactly as tokens are
    estimated. A failed call counts as a call, with no tokens: nobody says what it cost.

    Args:
        budget: the limits.
        calls: calls that the ledger has already.
        tokens: tokens that they cost.
    """

    def __init__(self, budget: Budget, *, calls: int, tokens: int) -> None:
        self.calls, self.tokens = calls, tokens
        self._budget, self._reserved = budget, 0
        self._settled = asyncio.Condition()

    async def reserve(self, tokens: int) -> None:
        """Set aside the most that one call can cost; where calls under way hold the rest, wait for what they leave.

        Raises:
            StoppedError: the budget does not allow this call.
        """
        async with self._settled:
            limit = self._budget.tokens
            while limit is not None and self.tokens + self._reserved + tokens > limit:
                if not self._reserved:
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
            self._reserved += tokens

    async def settle(self, reserved: int, spent: int) -> None:
        """Replace the tokens that `reserve` set aside for a call by those that it cost."""
        async with self._settled:
            self._reserved -= reserved
            self.tokens += spent
            self._settled.notify_all()
