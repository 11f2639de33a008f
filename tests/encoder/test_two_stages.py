"""The networks of the two stages: what flows where."""

import configurations
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from brainworth.encoder import losses
from brainworth.encoder.stage1 import Contrast, Stage1
from brainworth.encoder.stage2 import Stage2

B, G, P, C, K, V = 5, 10, 9, 6, 4, 17
LABELS = np.array([0, 0, 0, 1, 1, 3, 3, 3, 3, 3, 2, 2, 2, 2, 0, 1, 2])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(4)


@pytest.fixture
def images():
    return torch.randn(B, G), torch.randn(B, P, C)


def stage1(**changes):
    return Stage1(G, C, P, K, configurations.TINY_STAGE1 | changes)


def stage2(variational=True, **changes):
    settings = configurations.TINY_STAGE2 | changes
    return Stage2(G, C, LABELS, settings, variational)


def test_both_streams_are_weighed_by_the_gate(images):
    out = stage1().eval()(*images)
    assert out.rois.shape == (B, K)
    assert out.fused.shape == (B, 16)
    torch.testing.assert_close(out.gate.sum(1), torch.ones(B))
    assert (out.gate[:, 0] - out.gate[0, 0]).abs().max() > 1e-4, "the gate depends on the image"
    mixed = out.gate[:, :1] * out.global_rois + out.gate[:, 1:] * out.local_rois
    torch.testing.assert_close(out.rois, mixed)


def test_streams_are_cut_and_swapped_with_the_same_weights(images):
    model = stage1().eval()
    both, local, global_, swap = (model(*images, streams=s) for s in STREAMS)
    assert torch.equal(local.rois, both.local_rois)
    assert torch.equal(global_.rois, both.global_rois)
    assert torch.equal(swap.gate, both.gate.flip(1))
    torch.testing.assert_close(both.rois + swap.rois, both.local_rois + both.global_rois)
    assert local.gate.tolist() == [[0, 1]] * B
    assert global_.gate.tolist() == [[1, 0]] * B
    with pytest.raises(ValueError, match="streams must be one of"):
        model(*images, streams="neither")


STREAMS = ("both", "local", "global", "swap")


@pytest.mark.parametrize(("streams", "blind"), [("local", 0), ("global", 1)])
def test_a_single_stream_sees_its_input_only(images, streams, blind):
    model = stage1().eval()
    moved = list(images)
    moved[blind] = torch.randn_like(moved[blind])
    a, b = model(*images, streams=streams), model(*moved, streams=streams)
    assert torch.equal(a.rois, b.rois)
    assert torch.equal(a.fused, b.fused)
    assert not torch.allclose(model(*images).rois, model(*moved).rois)


def test_a_single_stream_trains_alone(images):
    model = stage1()
    model(*images, streams="local").rois.square().sum().backward()
    assert all(each.grad is None for each in model.global_stream.parameters())
    assert all(each.grad is not None for each in model.local_stream.parameters())


def test_positions_and_order_of_tokens_matter(images):
    global_, tokens = images
    model = stage1().eval()
    assert not torch.allclose(model(global_, tokens).rois, model(global_, tokens.flip(1)).rois)


@pytest.mark.parametrize("global_tokens", [1, 3, 5])
def test_the_global_vector_as_a_sequence(images, global_tokens):
    model = stage1(global_tokens=global_tokens)
    out = model(*images)
    assert out.rois.shape == (B, K)
    out.rois.sum().backward()
    gradient = model.global_stream.blocks[0].mixer.A_log.grad
    assert bool(gradient.any()) == (global_tokens > 1)


def test_bidirectional_reads_the_future(images):
    for bidirectional in (False, True):
        blocks = stage1(bidirectional=bidirectional).eval().local_stream.blocks
        x = torch.randn(1, P, 16)
        later = x.clone()
        later[:, -1] += 1
        changed = (blocks(x) - blocks(later))[:, 0].abs().max() > 1e-6
        assert changed == bidirectional
    sizes = {
        sum(each.numel() for each in stage1(bidirectional=flag).parameters())
        for flag in (False, True)
    }
    assert len(sizes) == 1


def test_tokens_are_dropped_whole_and_in_training_only():
    drop = stage1(token_drop=0.5).local_stream.drop
    tokens = torch.randn(200, P, C)
    gone = drop(tokens) == 0
    assert torch.equal(gone.any(2), gone.all(2))
    assert gone.float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert torch.equal(drop.eval()(tokens), tokens)


def stage2_inputs():
    return torch.randn(B, G), torch.randn(B, C), torch.randn(B, K)


def test_stage2_shapes_and_start():
    model = stage2().eval()
    inputs = stage2_inputs()
    out = model(*inputs)
    assert out.voxels.shape == (B, V)
    assert out.mu.shape == out.log_variance.shape == (B, 4)
    assert out.scale.shape == (B, 1)
    assert torch.equal(out.scale, torch.ones(B, 1))
    tokens = model.latent(model.encode(*inputs), None)[0]
    joint = model.holistic(tokens)
    residual = model.residual(tokens[:, 1:], inputs[2])
    torch.testing.assert_close(out.voxels, 0.5 * joint + 0.5 * residual)


def test_the_latent_vector_is_a_sample_in_training_and_the_mean_else():
    model = stage2(dropout=0.0)
    inputs = stage2_inputs()
    draws = [model(*inputs, generator=torch.Generator().manual_seed(s)).voxels for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.allclose(draws[0], draws[2])
    model.eval()
    assert torch.equal(model(*inputs).voxels, model(*inputs).voxels)
    plain = stage2(variational=False)(*inputs)
    assert plain.mu is None
    assert plain.log_variance is None


def test_residuals_are_added_to_the_clusters_of_the_voxels():
    model = stage2()
    decoder = model.residual
    torch.nn.init.zeros_(decoder.map[-1].weight)
    with torch.no_grad():
        decoder.map[-1].bias.copy_(torch.arange(5.0))
    rois = torch.randn(B, K)
    found = decoder(torch.randn(B, K, 16), rois)
    within = torch.tensor([0, 1, 2, 0, 1, 0, 1, 2, 3, 4, 0, 1, 2, 3, 3, 2, 4]).float()
    torch.testing.assert_close(found, rois[:, LABELS] + within)


def test_each_query_reads_its_own_voxels():
    readout = stage2().holistic.readout
    queries = torch.randn(1, 3, 16)
    moved = queries.clone()
    moved[:, 1] += 1
    changed = (readout(queries) != readout(moved))[0]
    assert changed.tolist() == [False] * 6 + [True] * 6 + [False] * 5
    single = [F.linear(queries[0, q], readout.weight[q].T, readout.bias[q]) for q in range(3)]
    torch.testing.assert_close(readout(queries)[0], torch.cat(single)[:V])


def test_the_scale_is_bounded_and_depends_on_the_image():
    model = stage2()
    torch.nn.init.normal_(model.scale.map.weight, std=100.0)
    scale = model.eval()(*stage2_inputs()).scale
    assert scale.min() >= 0.9 - 1e-6
    assert scale.max() <= 1.1 + 1e-6
    assert scale.std() > 0.01


def test_every_parameter_of_the_stages_learns(images):
    first, second = stage1(global_tokens=2), stage2()
    torch.nn.init.normal_(second.scale.map.weight)
    rois = torch.randn(B, K)
    loss, _ = losses.stage1_terms(first(*images), rois, first.contrast, configurations.LOSS1)
    loss.backward()
    loss, _ = losses.stage2_terms(
        second(*stage2_inputs()), torch.randn(B, V), 5, configurations.LOSS2
    )
    loss.backward()
    for model in (first, second):
        still = [name for name, each in model.named_parameters() if not each.grad.any()]
        assert not still


def test_pearson_against_numpy():
    a, b = torch.randn(2, 12, 7)
    rows = np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)])
    columns = np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(a.T, b.T, strict=True)])
    assert losses.pearson(a, b).item() == pytest.approx(1 - (rows + columns) / 2, abs=1e-6)
    assert losses.pearson(3 * a + 1, a).item() == pytest.approx(0, abs=1e-6)
    assert losses.pearson(a[:1], b[:1]).item() == pytest.approx(
        1 - np.corrcoef(a[0], b[0])[0, 1], abs=1e-6
    )


def test_pearson_of_what_does_not_vary_has_a_finite_gradient():
    a = torch.zeros(6, 3, requires_grad=True)
    losses.pearson(a, torch.randn(6, 3)).backward()
    assert a.grad.isfinite().all()
    single = torch.zeros(1, 1, requires_grad=True)
    losses.pearson(single, torch.ones(1, 1)).backward()
    assert single.grad.item() == 0


def test_info_nce_by_hand():
    image, brain = (F.normalize(each, dim=1) for each in torch.randn(2, 4, 3))
    similar = (image @ brain.T / 0.5).numpy().astype(float)
    rows = -np.log(np.exp(similar.diagonal()) / np.exp(similar).sum(1)).mean()
    columns = -np.log(np.exp(similar.diagonal()) / np.exp(similar).sum(0)).mean()
    found = losses.info_nce(image, brain, 0.5).item()
    assert found == pytest.approx((rows + columns) / 2, rel=1e-5)


def test_kl_against_torch_distributions():
    mu, log_variance = torch.randn(2, 5, 3)
    posterior = torch.distributions.Normal(mu, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(torch.zeros(5, 3), torch.ones(5, 3))
    expected = torch.distributions.kl_divergence(posterior, prior).mean()
    torch.testing.assert_close(losses.kl_divergence(mu, log_variance), expected)


def test_gaussian_nll_against_torch():
    predicted, observed, log_noise = torch.randn(3, 5, 4)
    expected = F.gaussian_nll_loss(predicted, observed, log_noise.exp())
    torch.testing.assert_close(losses.gaussian_nll(predicted, observed, log_noise), expected)


def test_the_divergence_is_phased_in():
    settings = {"kl": 0.1, "kl_warmup": 4}
    weights = [losses.kl_weight(epoch, settings) for epoch in range(6)]
    assert weights == pytest.approx([0, 0.025, 0.05, 0.075, 0.1, 0.1])
    assert losses.kl_weight(0, {"kl": 0.1, "kl_warmup": 0}) == 0.1


def test_terms_add_up(images):
    model = stage1().eval()
    rois = torch.randn(B, K)
    out = model(*images)
    loss, terms = losses.stage1_terms(out, rois, model.contrast, configurations.LOSS1)
    expected = terms["mse"] + 0.5 * terms["pearson"] + 0.1 * terms["contrastive"]
    torch.testing.assert_close(loss, expected)
    _, without = losses.stage1_terms(out, rois, None, configurations.LOSS1)
    assert without.keys() == {"mse", "pearson"}
    second = stage2().eval()(*stage2_inputs())
    loss, terms = losses.stage2_terms(second, torch.randn(B, V), 1, configurations.LOSS2)
    torch.testing.assert_close(loss, terms["mse"] + 0.0005 * terms["kl"])


def test_contrast_gives_vectors_of_length_one():
    contrast = Contrast(16, K, configurations.TINY_STAGE1)
    for each in contrast(torch.randn(B, 16), torch.randn(B, K)):
        torch.testing.assert_close(each.norm(dim=1), torch.ones(B))
