"""The parts of the GPU benchmark run on the CPU with tiny sizes, so that a lent GPU meets no script that never ran."""

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch

from tests.benchmarks import gpu, gpu_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("part", "names"), [("sft", ["SFT"] * 3), ("grpo", ["GRPO"] * 3)])
def test_a_part_gives_its_rows(part, names):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:  # it becomes a rank
        made = alone.submit(gpu.run, part, gpu_model.TINY).result()
    assert [row["name"].split()[0] for row in made] == names
    assert all(row["measured"] is None or row["measured"] > 0 for row in made)
    assert made[-1]["beside"] == "dry run" and made[-1]["value"] > 0


def test_the_large_sizes_are_those_of_qwen2_vl_7b(tmp_path):
    from transformers import AutoConfig, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(gpu_model.write_base(tmp_path / "base", gpu_model.LARGE))
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    assert sum(weight.numel() for weight in model.parameters()) == 8_291_375_616  # as its model card's files have


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which it would be measured on")
def test_without_a_gpu_it_says_so_and_ends_well():
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.gpu"], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.startswith("No GPU here: nothing was measured.")
