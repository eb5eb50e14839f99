"""What a rehearsal does where torch is: write tiny weights, and measure what its stages left.

Run as: python -m components.train.rehearsal bases --recipe egovlm --params params/data.yaml --output bases.json
    python -m components.train.rehearsal measure --recipe … --small … --checkpoints '{"sft": "checkpoints/sft-…"}' …
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from components import params


def main() -> None:
    """Read the command line, and write what it asks for as JSON."""
    parser = argparse.ArgumentParser(prog="components.train.rehearsal", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("bases", "measure"))
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes of the recipe that is rehearsed")
    parser.add_argument("--recipe", type=Path, required=True, help="YAML of the recipe that is rehearsed")
    parser.add_argument("--params", type=Path, required=True, help="YAML of the rehearsal's data")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write; folders of weights lie beside")
    measuring = parser.add_argument_group("measure")
    measuring.add_argument("--small", type=Path, help="YAML of the recipe with smaller numbers")
    measuring.add_argument("--evaluation", type=Path, help="YAML of the evaluation, as the project has it")
    measuring.add_argument("--data", type=Path, help="folder of the data graph's outputs")
    measuring.add_argument("--checkpoints", type=json.loads, help="JSON: finished stage -> folder")
    options = parser.parse_args()
    recipe = params.load_recipe(options.recipe, options.overrides)
    data = params.load(options.params, params.Data)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    if options.what == "bases":
        from components.train.rehearsal import tiny_bases

        made = [asdict(base) for base in tiny_bases.write(recipe.model, options.output.parent, data)]
    else:
        made = measured(recipe, data, options)
    options.output.write_text(json.dumps(made, indent=2, default=str))


def measured(whole: params.Recipe, data: params.Data, options: argparse.Namespace) -> list[dict]:
    """Measure the finished stages of a recipe, in its order.

    Args:
        whole: the recipe that is rehearsed.
        data: parameters of the data that it was trained on.
        options: of the command line.
    """
    from components.train.rehearsal.measure import measure

    small = params.load(options.small, params.Recipe)
    evaluation = params.load(options.evaluation, params.Eval)
    return [
        asdict(
            measure(
                *(before, after, small.model),
                data=data,
                evaluation=evaluation,
                folder=options.data,
                checkpoint=Path(options.checkpoints[after.name]),
            )
        )
        for before, after in zip(whole.stages, small.stages, strict=True)
        if after.name in options.checkpoints
    ]


if __name__ == "__main__":
    main()
