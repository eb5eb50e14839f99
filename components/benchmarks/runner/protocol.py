"""How a checkpoint is asked a benchmark, and the sampling contract of a run: what is shown, and how it may answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from components import params
from components.benchmarks.runner import asking
from components.benchmarks.shared.sample import Benchmark

FRAME_RULE = "middles of equal segments"  # of each film or span (`films.Films`)
DECODING = "greedy"  # as all authors whose code was read let models answer; ranked options are not decoded


@dataclass(frozen=True)
class How:
    """How a checkpoint is asked.

    Attributes:
        form: of closed questions (`asking.FORMS`); None as the benchmark prescribes.
        frames: that are shown of a sample; None as the benchmark prescribes, 0 for text alone, which needs no film.
        limit: most samples of each benchmark, drawn by their ids; None asks all.
        max_new_tokens: longest answer; None as the benchmark prescribes.
        judge: the language model that judges open answers too; None for none.
        level: of the prompt (`asking.LEVELS`).
        sentence_model: folder of the model that chooses wrong options where a benchmark has none; None: words choose.
    """

    form: asking.Form | None
    frames: int | None
    limit: int | None
    max_new_tokens: int | None
    judge: params.Llm | None = None
    level: asking.Level = "plain"
    sentence_model: Path | None = None

    def form_of(self, benchmark: Benchmark) -> asking.Form:
        """Return the form in which closed questions of a benchmark are answered."""
        return self.form or benchmark.form

    def frames_of(self, benchmark: Benchmark) -> int:
        """Return how many frames of a sample of a benchmark are shown."""
        return benchmark.frames if self.frames is None else self.frames

    def folder(self, checkpoint: Path, name: str, benchmark: Benchmark) -> Path:
        """Return the folder of the results of a benchmark."""
        form = self.form_of(benchmark)
        asked = form if self.level == "plain" else f"{form}_{self.level}"
        return checkpoint / "benchmarks" / name / asked

    def contract(self, benchmark: Benchmark, *, size_px: int, thought: bool, otherwise: int) -> dict[str, Any]:
        """Return the sampling contract of a run: runs that differ in it share no answer.

        A length that the authors prescribe is of the answer alone, in their form. Where a thought or the words of an
        option are asked for, it would cut them, so it does not count there.

        Args:
            benchmark: that is asked.
            size_px: side of the square frames.
            thought: whether answers are asked for behind a thought.
            otherwise: longest answer where none is given or prescribed, tokens.
        """
        form = self.form_of(benchmark)
        prescribed = benchmark.answer_tokens if form == benchmark.form and not thought else None
        return {
            "frames": self.frames_of(benchmark),
            "frame_rule": FRAME_RULE,
            "size_px": size_px,
            "form": form,
            "decoding": DECODING,
            "max_new_tokens": self.max_new_tokens or prescribed or otherwise,
        }

    @property
    def protocol(self) -> dict[str, Any]:
        """What two scores must have in common to be compared, as JSON has it."""
        judge = self.judge and f"{self.judge.generator} {self.judge.model}".strip()
        by = self.sentence_model and self.sentence_model.name
        return asdict(replace(self, judge=None)) | {"judge": judge, "sentence_model": by}
