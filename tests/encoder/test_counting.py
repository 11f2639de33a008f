"""The counter against counts by hand, and the published size."""

import configurations
import numpy as np
import pytest
import torch
from torch import nn

from brainworth.encoder.counting import count
from brainworth.encoder.mamba import Mamba2
from brainworth.encoder.stage1 import Stage1
from brainworth.encoder.stage2 import Stage2


def test_configuration_a_has_the_published_size():
    model = Stage1(768, 768, 256, 524, configurations.STAGE1)
    found = count(model, torch.randn(1, 768), torch.randn(1, 256, 768))
    assert found.parameters == 14_555_194
    assert found.parameters == pytest.approx(14.6e6, rel=0.01)
    assert found.macs == pytest.approx(2.304e9, rel=0.005)
    assert found.macs_with_scan > 1.1 * found.macs


def test_stage2_is_as_large_as_planned():
    labels = np.minimum(np.arange(15_724) // 30, 523)
    model = Stage2(768, 768, labels, configurations.STAGE2)
    assert count(
        model, torch.randn(1, 768), torch.randn(1, 768), torch.randn(1, 524)
    ).parameters == pytest.approx(7.44e6, rel=0.01)


def test_linear_and_convolution_by_hand():
    model = nn.Sequential(nn.Linear(6, 10), nn.Linear(10, 4, bias=False))
    found = count(model, torch.randn(3, 7, 6))
    assert found.kinds == {"linear": 7 * (60 + 40)}
    assert found.parameters == 60 + 10 + 40
    model = nn.Conv1d(6, 8, 3, groups=2)
    assert count(model, torch.randn(5, 6, 12)).kinds == {"convolution": 10 * 8 * 3 * 3}


def test_transformer_layer_by_hand():
    layer = nn.TransformerEncoderLayer(16, 4, 64, batch_first=True).eval()
    found = count(layer, torch.randn(2, 9, 16))
    assert found.kinds == {"linear": 9 * (4 * 16**2 + 2 * 16 * 64), "attention": 2 * 9 * 9 * 16}
    assert found.macs == found.macs_with_scan == sum(found.kinds.values())


def test_recurrent_by_hand():
    model = nn.LSTM(5, 7, num_layers=2, batch_first=True)
    gates = 4 * 7 * (5 + 7) + 4 * 7 * (7 + 7)
    assert count(model, torch.randn(3, 11, 5)).kinds == {"recurrent": 11 * gates}


def test_mamba_by_hand():
    block = Mamba2(32, d_state=6, headdim=16, expand=2, d_conv=4, chunk=8)
    found = count(block, torch.randn(2, 24, 32))
    scan = 3 * 8 * 8 * (6 + 64) + 2 * 2 * 8 * 6 * 64
    assert found.kinds == {
        "linear": 24 * (32 * (2 * 64 + 2 * 6 + 4) + 64 * 32),
        "convolution": 24 * (64 + 12) * 4,
        "scan": scan,
    }
    assert found.macs_with_scan - found.macs == scan


def test_scan_matches_the_products_that_torch_sees():
    """FlopCounterMode counts all matrix products; two operations each."""
    from torch.utils.flop_counter import FlopCounterMode

    block = Mamba2(32, d_state=6, headdim=16, chunk=8)
    x = torch.randn(1, 24, 32)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        block(x)
    found = count(block, x)
    convolution = found.kinds["convolution"]
    seen = sum(
        number
        for name, number in counter.get_flop_counts()["Global"].items()
        if "conv" not in str(name)
    )
    assert seen / 2 == found.macs_with_scan - convolution


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout()).train()
    count(model, torch.randn(1, 3))
    assert model.training
    assert not model[0]._forward_hooks
    assert torch.backends.mha.get_fastpath_enabled()
