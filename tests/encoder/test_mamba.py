"""The Mamba-2 block against transformers' and against a scan place by place."""

import sys
import types

import pytest
import torch
import torch.nn.functional as F
from transformers import Mamba2Config
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

from brainworth.encoder import mamba
from brainworth.encoder.mamba import Mamba2

LENGTHS = (1, 7, 64, 257, 590)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def pair(d_model=48, d_state=24, headdim=16, chunk=64):
    """Return our block and transformers' with the same weights, none of them at its start."""
    ours = Mamba2(d_model, d_state, headdim, 2, 4, chunk)
    with torch.no_grad():
        for name in ("D", "norm.weight", "conv1d.bias"):
            parameter = ours.get_parameter(name)
            parameter.add_(0.3 * torch.randn_like(parameter))
    config = Mamba2Config(
        hidden_size=d_model,
        state_size=d_state,
        head_dim=headdim,
        num_heads=2 * d_model // headdim,
        expand=2,
        conv_kernel=4,
        n_groups=1,
        chunk_size=chunk,
        num_hidden_layers=1,
    )
    theirs = Mamba2Mixer(config, 0)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours, theirs


def sequential(x, dt, decay, b, c):
    """Run the state place by place."""
    state = x.new_zeros(x.shape[0], x.shape[2], x.shape[3], b.shape[-1])
    out = []
    for t in range(x.shape[1]):
        state = state * torch.exp(dt[:, t] * decay)[..., None, None]
        state = state + (dt[:, t, :, None] * x[:, t])[..., None] * b[:, t, None, None]
        out.append((state * c[:, t, None, None]).sum(-1))
    return torch.stack(out, 1)


def scan_inputs(length, dtype=torch.float64, scale=1.0):
    x = torch.randn(2, length, 3, 5, dtype=dtype)
    dt = F.softplus(scale * torch.randn(2, length, 3, dtype=dtype) - 2)
    decay = -torch.tensor([0.5, 4.0, 16.0], dtype=dtype)
    b, c = torch.randn(2, 2, length, 6, dtype=dtype)
    return [each.requires_grad_() for each in (x, dt, decay, b, c)]


def gradients(function, inputs, weight):
    return torch.autograd.grad((function(*inputs) * weight).sum(), inputs)


def relative(a, b):
    return ((a - b).norm() / b.norm().clamp_min(1e-30)).item()


@pytest.mark.parametrize("length", LENGTHS)
def test_equals_mamba2mixer(length):
    ours, theirs = pair()
    x = torch.randn(3, length, 48)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [block(each) for block, each in zip((ours, theirs), inputs, strict=True)]
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-6, rtol=0)
    weight = torch.randn_like(x)
    for output in outputs:
        (output * weight).sum().backward()
    assert relative(inputs[0].grad, inputs[1].grad) < 1e-4
    for name, parameter in ours.named_parameters():
        expected = theirs.get_parameter(name).grad
        if name == "A_log" and length == 1:
            assert torch.equal(parameter.grad, torch.zeros_like(parameter))
        else:
            assert relative(parameter.grad, expected) < 1e-4, name


@pytest.mark.parametrize("length", [1, 7, 64, 150, 257])
def test_scan_equals_a_sequential_one_in_float64(length):
    inputs = scan_inputs(length)
    expected = sequential(*inputs)
    weight = torch.randn_like(expected)
    target = gradients(sequential, inputs, weight)
    single = [each.detach().float().requires_grad_() for each in inputs]

    def ours(*given):
        return mamba.scan(*given, 64)

    assert relative(ours(*single).double(), expected) < 1e-6
    found = gradients(ours, single, weight.float())
    for name, mine, theirs in zip(["x", "dt", "A", "b", "c"], found, target, strict=True):
        if name == "A" and length == 1:
            assert torch.equal(mine, torch.zeros_like(mine))
        else:
            assert relative(mine.double(), theirs) < 1e-4, name


def test_gradients_are_those_of_finite_differences():
    torch.autograd.gradcheck(lambda *given: mamba.scan(*given, 3), scan_inputs(7))


def test_the_convolution_is_that_of_torch():
    x, weight, bias = torch.randn(2, 9, 6), torch.randn(6, 1, 4), torch.randn(6)
    expected = F.conv1d(F.pad(x.transpose(1, 2), (3, 0)), weight, bias, groups=6).transpose(1, 2)
    torch.testing.assert_close(mamba.causal_conv(x, weight, bias), expected)


@pytest.mark.parametrize("chunk", [1, 5, 16, 100, 256])
def test_the_chunk_changes_nothing(chunk):
    inputs = [each.detach().float() for each in scan_inputs(100)]
    torch.testing.assert_close(
        mamba.scan(*inputs, chunk), mamba.scan(*inputs, 64), atol=2e-5, rtol=2e-5
    )


def test_small_decays_after_a_huge_one_are_not_lost():
    x, dt, decay, b, c = (each.detach() for each in scan_inputs(64))
    dt[:, 3] = 5e5
    expected = sequential(x, dt, decay, b, c)
    found = mamba.scan(*(each.float() for each in (x, dt, decay, b, c)), 64)
    after = slice(4, None)
    assert relative(found[:, after].double(), expected[:, after]) < 1e-5


@pytest.mark.parametrize("length", [1, 7, 130])
def test_finite_under_bfloat16_with_large_decays(length):
    block = Mamba2(32, 16, 16)
    with torch.no_grad():
        block.A_log.fill_(8.0)
        block.dt_bias.fill_(5.0)
    x = torch.randn(2, length, 32, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = block(x)
        loss = y.float().square().sum()
    loss.backward()
    assert y.isfinite().all()
    assert all(each.grad.isfinite().all() for each in (x, *block.parameters()))


def test_bfloat16_stays_near_float32():
    torch.manual_seed(0)
    block = Mamba2(32, 16, 16)
    x = torch.randn(4, 200, 32)
    exact = torch.autograd.grad(block(x).square().sum(), block.A_log)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = block(x)
    rough = torch.autograd.grad(y.float().square().sum(), block.A_log)[0]
    assert relative(y.float(), block(x)) < 2e-2
    assert relative(rough, exact) < 5e-2


def test_places_see_their_past_only():
    block = Mamba2(16, 8, 8, chunk=8)
    x = torch.randn(1, 40, 16)
    later = x.clone()
    later[:, 21:] += 1
    y, moved = block(x), block(later)
    torch.testing.assert_close(y[:, :21], moved[:, :21])
    assert (y[:, 21:] - moved[:, 21:]).abs().amax() > 1e-3


def test_running_sum():
    x = torch.randn(3, 13, dtype=torch.float64)
    torch.testing.assert_close(mamba.running_sum(x), x.cumsum(-1))
    assert torch.equal(mamba.running_sum(x[:, :1]), x[:, :1])


def test_nothing_is_padded_at_length_one():
    """A padded scan would cost as much as a whole chunk."""
    block = Mamba2(16, 8, 8, chunk=64)
    shapes = []

    def look(tensor, dtype):
        shapes.append(tuple(tensor.shape))
        return plain(tensor, dtype)

    plain = mamba.decays
    try:
        mamba.decays = look
        block(torch.randn(2, 1, 16))
        block(torch.randn(2, 257, 16))
    finally:
        mamba.decays = plain
    assert shapes == [(2, 1, 4, 1), (2, 5, 4, 52)]


def test_the_fused_kernel_is_used_where_it_is(monkeypatch):
    """A stand-in with the kernel's signature, since the kernel needs a GPU."""
    calls = []

    def mamba_chunk_scan_combined(x, dt, A, B, C, chunk_size, D=None):
        calls.append(chunk_size)
        assert B.shape[2] == C.shape[2] == 1
        return mamba.scan(x, dt, A, B[:, :, 0], C[:, :, 0], chunk_size) + D[:, None] * x

    def module(name, **content):
        found = types.ModuleType(name)
        vars(found).update(content)
        monkeypatch.setitem(sys.modules, name, found)

    assert mamba.fused_scan("cuda") is None
    for name in ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.triton", "mamba_ssm.utils"):
        module(name, __path__=[])
    scans = "mamba_ssm.ops.triton.ssd_combined"
    module(scans, mamba_chunk_scan_combined=mamba_chunk_scan_combined)
    # An old release, which is not deterministic.
    assert mamba.fused_scan("cuda") is None
    module("mamba_ssm.utils.determinism")
    assert mamba.fused_scan("cuda") is mamba_chunk_scan_combined
    assert mamba.fused_scan("cpu") is None

    block = Mamba2(16, 8, 8, chunk=8)
    x = torch.randn(2, 20, 16)
    expected = block(x)
    monkeypatch.setattr(mamba, "fused_scan", lambda device: mamba_chunk_scan_combined)
    torch.testing.assert_close(block(x), expected)
    assert calls == [8]
