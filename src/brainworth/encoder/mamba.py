"""The Mamba-2 block, with its scan computed chunk by chunk.

A state of shape (head width P, d_state N) a head runs along the sequence,

    h_t = exp(dt_t A) h_{t-1} + dt_t x_t b_t',     y_t = h_t c_t + D x_t,

with step sizes dt > 0, input maps b and output maps c that depend on the input ("selective"), and a
decay A < 0 a head (Dao & Gu 2024, "Transformers are SSMs", ICML). Within a chunk the map from x to
y is a lower triangular matrix, and matrix products compute it; a state is carried only from chunk
to chunk. Parameters have the names and shapes of `Mamba2Mixer` of the library transformers, with
one group; tests compare the two.

The scan is float32 whatever autocast says: decays are exponentials of sums of many small numbers,
and bfloat16 loses them (relative error of the gradient of A above 1).
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Step sizes at the start are log-uniform in between.
DT_RANGE = (1e-3, 1e-1)
EPSILON = 1e-5


class GatedNorm(nn.Module):
    """Root-mean-square norm of x silu(z), with a weight a channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the norm; x, z and it of shape (B, L, width)."""
        gated = x.float() * F.silu(z.float())
        return F.rms_norm(gated, self.weight.shape, self.weight, EPSILON)


class Mamba2(nn.Module):
    """One block, without the residual connection and the norm before it.

    Parameters
    ----------
    d_model : int
        Width of input and output.
    d_state : int
        Width of a head's state.
    headdim : int
        Width of a head; it divides `expand` x `d_model`.
    expand : int
        Width inside, in multiples of `d_model`.
    d_conv : int
        Taps of the causal convolution.
    chunk : int
        Longest chunk; it changes the time that the block takes, not its output.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 128,
        headdim: int = 64,
        expand: int = 2,
        d_conv: int = 4,
        chunk: int = 64,
    ) -> None:
        super().__init__()
        inner = expand * d_model
        if inner % headdim:
            raise ValueError(f"expand x d_model = {inner} is no multiple of headdim = {headdim}")
        self.headdim, self.chunk = headdim, chunk
        self.n_heads = inner // headdim
        self.widths = (inner, inner + 2 * d_state, self.n_heads)
        self.inner = (inner, d_state, d_state)
        self.state_shape = (headdim, d_state)
        self.in_proj = nn.Linear(d_model, sum(self.widths), bias=False)
        self.conv1d = nn.Conv1d(
            self.widths[1], self.widths[1], d_conv, groups=self.widths[1], padding=d_conv - 1
        )
        dt = torch.exp(torch.empty(self.n_heads).uniform_(*map(math.log, DT_RANGE)))
        # The inverse of softplus.
        self.dt_bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, self.n_heads + 1)))
        self.D = nn.Parameter(torch.ones(self.n_heads))
        self.norm = GatedNorm(inner)
        self.out_proj = nn.Linear(inner, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map sequences (B, L, d_model) to such sequences; each place sees its past."""
        z, xbc, dt = self.in_proj(x).split(self.widths, dim=-1)
        xbc = F.silu(causal_conv(xbc, self.conv1d.weight, self.conv1d.bias))
        with torch.autocast(x.device.type, enabled=False):
            values, b, c = (each.float() for each in xbc.split(self.inner, dim=-1))
            values = values.unflatten(-1, (self.n_heads, self.headdim))
            dt = F.softplus(dt.float() + self.dt_bias.float())
            decay, skip = -torch.exp(self.A_log.float()), self.D.float()
            fused = fused_scan(x.device.type)
            if fused is not None:
                y = fused(values, dt, decay, b[:, :, None], c[:, :, None], self.chunk, D=skip)
            else:
                y = scan(values, dt, decay, b, c, self.chunk) + skip[:, None] * values
            y = self.norm(y.flatten(2), z)
        return self.out_proj(y.to(x.dtype))


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve each channel with its past.

    Parameters
    ----------
    x : tensor of shape (B, L, C)
    weight : tensor of shape (C, 1, T)
        The last tap meets the present.
    bias : tensor of shape (C,)

    Returns
    -------
    tensor of shape (B, L, C)
    """
    # Sums of shifted copies: on a CPU several times as fast as a grouped convolution.
    length, taps = x.shape[1], weight.shape[-1]
    padded = F.pad(x, (0, 0, taps - 1, 0))
    y = bias
    for tap in range(taps):
        y = torch.addcmul(y, padded[:, tap : tap + length], weight[:, 0, tap])
    return y


def scan(x: Tensor, dt: Tensor, decay: Tensor, b: Tensor, c: Tensor, chunk: int) -> Tensor:
    """Run the state along the sequence, without the skip connection.

    Parameters
    ----------
    x : tensor of shape (B, L, H, P)
    dt : tensor of shape (B, L, H)
        Step sizes, positive.
    decay : tensor of shape (H,)
        A, negative.
    b, c : tensors of shape (B, L, N)
        Input and output maps, the same for all heads.
    chunk : int
        Longest chunk. Chunks are equally long, so that little is padded, and nothing where L is at
        most `chunk`.

    Returns
    -------
    tensor of shape (B, L, H, P)
    """
    length = x.shape[1]
    n_chunks = math.ceil(length / chunk)
    size = math.ceil(length / n_chunks)
    extra = n_chunks * size - length
    x, log_decay = x * dt[..., None], dt * decay
    if extra:
        x, log_decay, b, c = (
            F.pad(each, (0, 0) * (each.ndim - 2) + (0, extra)) for each in (x, log_decay, b, c)
        )
    x, log_decay, b, c = (each.unflatten(1, (n_chunks, size)) for each in (x, log_decay, b, c))
    total = running_sum(log_decay.double().transpose(2, 3))  # (B, chunks, H, size)
    y = _Within.apply(x, total, b, c)
    if n_chunks > 1:
        y = y + carried(x, total, b, c)
    return y.flatten(1, 2)[:, :length]


def scan_macs(length: int, chunk: int, n_heads: int, headdim: int, d_state: int) -> int:
    """Return the multiply-accumulates of the matrix products of `scan` for one sequence."""
    n_chunks = math.ceil(length / chunk)
    size = math.ceil(length / n_chunks)
    inner = n_heads * headdim
    within = n_chunks * size**2 * (d_state + inner)
    return within + 2 * (n_chunks - 1) * size * d_state * inner


def carried(x: Tensor, total: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Return what places take from earlier chunks.

    Parameters
    ----------
    x : tensor of shape (B, chunks, size, H, P)
    total : tensor of shape (B, chunks, H, size), float64
        Running sums of the log decays of a chunk.
    b, c : tensors of shape (B, chunks, size, N)

    Returns
    -------
    tensor of shape (B, chunks, size, H, P)
    """
    n_heads, width = x.shape[3:]
    last = total[..., -1:]
    to_end = torch.exp(last - total).to(x.dtype).transpose(2, 3)[..., None]
    added = b.transpose(-1, -2)[:, :-1] @ (x * to_end)[:, :-1].flatten(3)  # (B, chunks - 1, N, HP)
    kept = torch.exp(last).to(x.dtype).transpose(2, 3).repeat_interleave(width, dim=-1)
    states = [added[:, 0]]
    for number in range(1, added.shape[1]):
        states.append(states[-1] * kept[:, number] + added[:, number])
    later = (c[:, 1:] @ torch.stack(states, 1)).unflatten(-1, (n_heads, width))
    later = later * torch.exp(total[:, 1:]).to(x.dtype).transpose(2, 3)[..., None]
    return F.pad(later, (0, 0) * 3 + (1, 0))


def running_sum(x: Tensor) -> Tensor:
    """Sum along the last axis, up to and with each place.

    torch.cumsum is not deterministic on a GPU. There it is one product of matrices, and elsewhere
    done by doubling.
    """
    if x.is_cuda:
        size = x.shape[-1]
        return x @ torch.ones(size, size, dtype=x.dtype, device=x.device).triu()
    reach = 1
    while reach < x.shape[-1]:
        x = x + F.pad(x[..., :-reach], (reach, 0))
        reach *= 2
    return x


class _Within(torch.autograd.Function):
    """What places take from their own chunk, with a backward pass that reads each matrix once.

    Of x (B, chunks, size, H, P), the running sums of log decays (B, chunks, H, size) and b, c (B,
    chunks, size, N), it returns a tensor of the shape of x.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, total: Tensor, b: Tensor, c: Tensor) -> Tensor:
        x = x.transpose(2, 3).contiguous()
        decay = decays(total, x.dtype)
        match = c @ b.transpose(-1, -2)  # (B, chunks, size, size), the same for all heads
        weights = match[:, :, None] * decay
        ctx.save_for_backward(x, b, c, decay, weights)
        return (weights @ x).transpose(2, 3)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, b, c, decay, weights = ctx.saved_tensors
        gradient = gradient.transpose(2, 3)
        of_weights = gradient @ x.transpose(-1, -2)
        of_x = (weights.transpose(-1, -2) @ gradient).transpose(2, 3)
        if of_weights.is_cuda:  # where an einsum of this kind becomes many small products
            of_match = (of_weights * decay).sum(2)
        else:
            of_match = torch.einsum("bchij,bchij->bcij", of_weights, decay)
        # A decay's exponent is the sum at its end minus that at its start.
        of_exponent = of_weights.mul_(weights)
        of_total = of_exponent.sum(-1, dtype=torch.float64)
        of_total = of_total - of_exponent.sum(-2, dtype=torch.float64)
        return of_x, of_total, of_match.transpose(-1, -2) @ c, of_match @ b


def decays(total: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the decay from each place of a chunk to each later one, and 0 to earlier ones.

    Parameters
    ----------
    total : tensor of shape (..., size), float64
        Running sums of the log decays. Double, since differences of large sums are taken; there
        are size times fewer of them than decays.
    dtype : dtype
        Of the result.

    Returns
    -------
    tensor of shape (..., size, size)
        Rows are where it ends.
    """
    size = total.shape[-1]
    future = torch.ones(size, size, dtype=torch.bool, device=total.device).triu(1)
    difference = (total[..., :, None] - total[..., None, :]).to(dtype)
    return difference.masked_fill_(future, -math.inf).exp_()


def fused_scan(device: str) -> Callable[..., Tensor] | None:
    """Return the chunk scan of the library mamba_ssm, on a GPU where it is installed.

    Only releases that obey torch.use_deterministic_algorithms are taken.
    """
    if device != "cuda":
        return None
    with contextlib.suppress(ImportError):
        importlib.import_module("mamba_ssm.utils.determinism")
        module = importlib.import_module("mamba_ssm.ops.triton.ssd_combined")
        return module.mamba_chunk_scan_combined
    return None
