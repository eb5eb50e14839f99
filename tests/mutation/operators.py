"""The changes that are tried: most are cosmic-ray's operators, two are ours for what its set leaves out."""

from __future__ import annotations

from collections.abc import Iterable

from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Name, PythonNode, String

# each operator once with its neighbour and its opposite: the full set tries eleven others, which the same test kills
PAIRS = {
    "ReplaceBinaryOperator": ["Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_Mul", "Pow_Mul"],
    "ReplaceComparisonOperator": [
        *["Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_Gt", "LtE_GtE", "Gt_Lt", "GtE_LtE"],
        *["Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"],
    ],
    "ReplaceUnaryOperator": ["USub_UAdd", "Delete_Not", "Delete_USub"],
}
SINGLE = [
    *["AddNot", "NumberReplacer", "RemoveDecorator", "ZeroIterationForLoop"],
    *["ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"],
    *["ReplaceBreakWithContinue", "ReplaceContinueWithBreak"],
]


class RaiseNothing(Operator):
    """Turn `raise ...` into `pass`: a check that is disabled."""

    def mutation_positions(self, node) -> Iterable[tuple]:
        if node.type == "raise_stmt" or (node.type == "keyword" and node.value == "raise"):
            if node.parent.type != "raise_stmt":
                yield node.start_pos, node.end_pos

    def mutate(self, node, index: int) -> Name:
        return Name("pass", node.start_pos, prefix=node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        return (Example("raise ValueError(1)\n", "pass\n"),)


class AllowExtra(Operator):
    """Turn `extra="forbid"` into `extra="allow"`: unknown keys pass."""

    def mutation_positions(self, node) -> Iterable[tuple]:
        if isinstance(node, PythonNode) and node.get_code(include_prefix=False) == 'extra="forbid"':
            yield node.start_pos, node.end_pos

    def mutate(self, node, index: int) -> PythonNode:
        node.children[-1] = String('"allow"', node.children[-1].start_pos)
        return node

    @classmethod
    def examples(cls) -> Iterable[Example]:
        return (Example('A(extra="forbid")', 'A(extra="allow")'),)


def operators() -> list[Operator]:
    """Return one of each operator that is tried."""
    names = [*SINGLE, *(f"{kind}_{pair}" for kind, pairs in PAIRS.items() for pair in pairs)]
    return [RaiseNothing(), AllowExtra(), *(get_operator(f"core/{name}")() for name in names)]
