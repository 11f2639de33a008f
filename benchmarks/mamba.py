"""Our Mamba-2 block against that of transformers, and against a Transformer layer, on one thread.

Forward and backward of one block at the two sizes of the full networks: stage 1 reads 256 tokens of
width 512, stage 2 reads 544 of width 256. Both Mamba blocks have the same weights and chunks of 64
(at its own 256 the library's is slower), and their outputs are compared before they are timed. They
run in turn in one process, and processor seconds count, so that other load on the machine does not.
A batch of 4 is timed and given as it is; all three are linear in the batch. Of a Transformer layer
(feed-forward 4 x width) one must know that it has 1.8 times the parameters.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Mamba2Config
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer
from transformers.utils import logging

from brainworth.encoder.counting import count
from brainworth.encoder.mamba import Mamba2

ROOT = Path(__file__).resolve().parents[1]
SIZES = ((512, 256), (256, 544))
BATCH, ROUNDS, CHUNK, D_STATE, HEADDIM = 4, 9, 64, 128, 64
TARGETS = {"over_transformers": 1.15}
LENGTH_ONE = 256


def main() -> None:
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    result = {
        "batch": BATCH,
        "rounds": ROUNDS,
        "chunk": CHUNK,
        "torch": torch.__version__,
        "cpu_count": os.cpu_count(),
        "sizes": [compare(*size) for size in SIZES],
        "targets": TARGETS,
    }
    output = ROOT / "benchmarks/results/mamba.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    report(result)


def compare(d_model: int, length: int) -> dict[str, float]:
    """Return the seconds of a batch, and ratios, at one size."""
    ours = Mamba2(d_model, D_STATE, HEADDIM, chunk=CHUNK)
    config = Mamba2Config(
        hidden_size=d_model,
        state_size=D_STATE,
        head_dim=HEADDIM,
        num_heads=2 * d_model // HEADDIM,
        expand=2,
        n_groups=1,
        chunk_size=CHUNK,
        num_hidden_layers=1,
    )
    theirs = Mamba2Mixer(config, 0)
    theirs.load_state_dict(ours.state_dict())
    layer = nn.TransformerEncoderLayer(
        d_model, 8, 4 * d_model, dropout=0.0, activation="gelu", batch_first=True
    )
    x = torch.randn(BATCH, length, d_model)
    with torch.no_grad():
        difference = (ours(x) - theirs(x)).abs().max().item()
    assert difference < 1e-5, difference
    seconds = in_turn({"ours": ours, "transformers": theirs, "transformer_layer": layer}, x)
    single = in_turn({"ours": ours, "transformers": theirs}, torch.randn(LENGTH_ONE, 1, d_model))
    return {
        "d_model": d_model,
        "length": length,
        "largest_difference": difference,
        "seconds": seconds,
        "parameters": {
            "ours": count(ours, x).parameters,
            "transformer_layer": count(layer, x).parameters,
        },
        "over_transformers": seconds["transformers"] / seconds["ours"],
        "over_transformer_layer": seconds["transformer_layer"] / seconds["ours"],
        "over_transformers_at_length_1": single["transformers"] / single["ours"],
    }


def in_turn(blocks: dict[str, Callable[[Tensor], Tensor]], x: Tensor) -> dict[str, float]:
    """Return the median processor seconds of forward and backward; the first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in blocks}
    for _ in range(ROUNDS + 1):
        for name, block in blocks.items():
            given = x.clone().requires_grad_()
            start = time.process_time()
            block(given).square().sum().backward()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(each[1:]) for name, each in seconds.items()}


def report(result: dict) -> None:
    print(f"Mamba-2 block, forward and backward, batch {BATCH}, one thread, processor seconds")
    for row in result["sizes"]:
        times = ", ".join(f"{name} {value:.3f}" for name, value in row["seconds"].items())
        print(f"  width {row['d_model']}, length {row['length']}: {times}")
        print(
            f"    {row['over_transformers']:.2f}x as fast as transformers (target "
            f"{TARGETS['over_transformers']}x), {row['over_transformer_layer']:.2f}x as fast as a "
            f"Transformer layer; at length 1 {row['over_transformers_at_length_1']:.1f}x as "
            "fast as transformers"
        )


if __name__ == "__main__":
    main()
