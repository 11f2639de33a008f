"""A stage 1 on responses that depend on what stands where, and not on the mean of the tokens."""

import configurations
import torch

from brainworth.encoder.losses import correlation
from brainworth.encoder.seeds import seeded
from brainworth.encoder.stage1 import Stage1

P, C, K, N_TRAIN, N_TEST = 16, 4, 6, 1200, 300
SETTINGS = configurations.TINY_STAGE1 | {"local_blocks": 1, "dropout": 0.0, "token_drop": 0.0}


def images():
    """Return tokens (N, P, C), and responses (N, K): sums over places whose weights sum to 0."""
    draws = torch.Generator().manual_seed(3)
    tokens = torch.randn(N_TRAIN + N_TEST, P, C, generator=draws)
    weights = torch.randn(P, C, K, generator=draws)
    responses = torch.einsum("npc,pck->nk", tokens, weights - weights.mean(0))
    return tokens, responses / responses.std(0)


def correlation_of_new_images(scale=1.0):
    """Train the local stream for two epochs, its first positions times `scale`; return r."""
    tokens, responses = images()
    with seeded(1, "places"):
        model = Stage1(2, C, P, K, SETTINGS)
        with torch.no_grad():
            model.local_stream.positions.mul_(scale)
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
        for _ in range(2):
            for rows in torch.randperm(N_TRAIN).split(32):
                found = model(None, tokens[rows], streams="local").rois
                optimiser.zero_grad(set_to_none=True)
                torch.nn.functional.mse_loss(found, responses[rows]).backward()
                optimiser.step()
    model.eval()
    with torch.no_grad():
        found = model(None, tokens[N_TRAIN:], streams="local").rois
    return correlation(found, responses[N_TRAIN:], 0).mean().item()
