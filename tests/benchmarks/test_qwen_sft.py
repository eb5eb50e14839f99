"""Both sides of the benchmark of packed Qwen rows learn the same, so that their times may be compared."""

from trl.trainer.utils import add_fused_lm_head

from components.models import build, qwen_vl
from tests.benchmarks import qwen_sft
from tests.components.tiny_qwen import write_base


def test_packed_rows_teach_what_trls_rows_teach(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "attention", lambda: "sdpa")
    base = write_base(tmp_path, "qwen2_5_vl")
    model, processor = qwen_vl.load(base), qwen_vl.load_processor(base, pixels=None)
    add_fused_lm_head(model)
    qwen_sft.check_equal(model, processor, qwen_sft.videos(2, questions=3))
