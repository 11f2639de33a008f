"""The networks in the place of stage 2: diffusion, conditional VAE, variance head."""

import configurations
import numpy as np
import pytest
import torch
from scipy import stats as scipy_stats

from brainworth.encoder.networks import conditional_vae, diffusion, gaussian, stage2_rows
from brainworth.encoder.seeds import generator, seeded
from brainworth.encoder.train import fit

B, G, C, K, V = 6, 10, 6, 4, 17
LABELS = np.array([0, 0, 0, 1, 1, 3, 3, 3, 3, 3, 2, 2, 2, 2, 0, 1, 2])
DIFFUSION = {"steps": 100, "sampling_steps": 20, "samples": 5, "hidden": 32}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(4)


def build(name):
    return stage2_rows.build(name, G, C, LABELS, configurations.TINY_STAGE2, DIFFUSION)


def images(n=B):
    return torch.randn(n, G), torch.randn(n, C), torch.randn(n, K)


@pytest.mark.parametrize("name", stage2_rows.LABELS)
def test_every_row_has_the_signature_of_stage_2_and_repeats_itself(name):
    model, given = build(name).eval(), images()
    out = model(*given)
    assert out.voxels.shape == (B, V)
    assert torch.equal(out.voxels, model(*given).voxels)
    for each in given:
        assert each.shape[0] == B
    torch.testing.assert_close(model(*(each[1:3] for each in given)).voxels, out.voxels[1:3])


def test_unknown_rows_are_refused():
    with pytest.raises(ValueError, match="dual_vae"):
        build("ridge")


def test_divergence_is_that_of_pytorch():
    mu, log, prior_mu, prior_log = (torch.randn(5, 3) for _ in range(4))
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(
        normal(mu, (log / 2).exp()), normal(prior_mu, (prior_log / 2).exp())
    )
    found = conditional_vae.kl_between(mu, log, prior_mu, prior_log)
    torch.testing.assert_close(found, expected.mean())
    assert float(conditional_vae.kl_between(mu, log, mu, log)) == pytest.approx(0, abs=1e-6)


def test_posterior_sees_voxels_in_training_and_the_prior_does_not():
    model, given = build("dual_conditional_vae").eval(), images()
    voxels = torch.randn(B, V)
    one = model(*given, voxels=voxels, generator=generator(1, "z"))
    again = model(*given, voxels=voxels, generator=generator(1, "z"))
    other = model(*given, voxels=voxels + 1, generator=generator(1, "z"))
    assert torch.equal(one.voxels, again.voxels)
    assert not torch.allclose(one.mu, other.mu)
    assert torch.equal(one.prior_mu, other.prior_mu)
    alone = model(*given)
    assert alone.mu is None
    assert torch.equal(alone.prior_mu, one.prior_mu)


def test_signal_left_by_noise_is_that_of_ho_et_al():
    betas = np.linspace(1e-4, 0.02, 1000)
    expected = np.cumprod(1 - betas)
    found = diffusion.kept_variance(1000).numpy()
    np.testing.assert_allclose(np.log(found), np.log(expected), rtol=0.02, atol=1e-4)
    few = diffusion.kept_variance(50).numpy()
    assert few[-1] == pytest.approx(found[-1], rel=1e-4)
    assert np.all(np.diff(few) < 0)


class Known(torch.nn.Module):
    """The best denoiser of N(prediction, variance) in each voxel."""

    def __init__(self, kept, n_steps, variance):
        super().__init__()
        self.kept, self.n_steps, self.variance = kept, n_steps, variance

    def forward(self, noisy, prediction, share):
        kept = self.kept[(share * self.n_steps).round().long() - 1]
        spread = kept * self.variance + 1 - kept
        return (1 - kept).sqrt() * (noisy - kept.sqrt() * prediction) / spread


def test_sampler_draws_from_the_distribution_that_the_denoiser_knows():
    """A single sample of variance v adds v to the squared error; the mean of n adds v / n."""
    model = build("dual_diffusion").eval()
    model.n_sampling = 100
    model.denoiser = Known(model.kept, model.n_steps, 0.3)
    prediction = torch.randn(400, V)
    draws = generator(2, "noise")
    found = torch.stack(
        [model.sample(prediction, torch.randn(400, V, generator=draws)) for _ in range(5)]
    )
    assert float((found[0] - prediction).square().mean()) == pytest.approx(0.3, rel=0.06)
    assert float((found.mean(0) - prediction).square().mean()) == pytest.approx(0.06, rel=0.08)


def test_the_same_noise_gives_the_same_samples():
    model = build("dual_diffusion").eval()
    prediction, noise = torch.randn(B, V), torch.randn(B, V)
    found = model.sample(prediction, noise)
    assert torch.equal(found, model.sample(prediction, noise))
    assert not torch.allclose(found, model.sample(prediction, noise.flip(0)))


def test_diffusion_learns_the_variance_about_the_prediction():
    n, variance = 1000, 0.25
    given = dict(zip(stage2_rows.INPUTS, images(n), strict=True))
    signal = given["rois"][:, torch.from_numpy(LABELS).long()]
    batch = given | {"voxels": signal + variance**0.5 * torch.randn(n, V)}
    with seeded(1, "weights"):
        model = build("dual_diffusion")
    training = configurations.TRAINING | {"epochs": 12, "patience": 12, "lr": 0.01, "batch": 40}
    held = {key: each[:200] for key, each in batch.items()}
    fit(
        model,
        stage2_rows.loss("dual_diffusion", configurations.LOSS2),
        {key: each[200:] for key, each in batch.items()},
        stage2_rows.validation("dual_diffusion", held, "cpu", generator(1, "held")),
        training,
        **{"seed": 1, "name": ("d",), "checkpoint": None, "progress": False, "device": "cpu"},
    )
    with torch.no_grad():
        prediction = model(*(held[key] for key in stage2_rows.INPUTS)).voxels
        sample = model.sample(prediction, torch.randn(200, V))
    # Noise that was not there to learn: a denoiser that copies its input would give 1.
    assert float((sample - signal[:200]).var()) == pytest.approx(variance, rel=0.4)


def test_variance_head_recovers_a_planted_variance():
    """The log variance of half of the voxels follows the global vector."""
    n = 2000
    global_, mean_token, rois = images(n)
    signal = rois[:, torch.from_numpy(LABELS).long()]
    log_variance = torch.full((n, V), -1.0)
    log_variance[:, ::2] += 1.2 * global_[:, :1]
    voxels = signal + (log_variance / 2).exp() * torch.randn(n, V)
    batch = {"global": global_, "mean_token": mean_token, "rois": rois, "voxels": voxels}
    held = {key: each[:500] for key, each in batch.items()}
    with seeded(1, "weights"):
        model = build("dual_gaussian")
    training = configurations.TRAINING | {"epochs": 8, "patience": 8, "lr": 0.02, "batch": 50}
    fit(
        model,
        stage2_rows.loss("dual_gaussian", configurations.LOSS2),
        {key: each[500:] for key, each in batch.items()},
        stage2_rows.validation("dual_gaussian", held, "cpu", generator(1, "held")),
        training,
        **{"seed": 1, "name": ("g",), "checkpoint": None, "progress": False, "device": "cpu"},
    )
    with torch.no_grad():
        out = model(*(held[key] for key in stage2_rows.INPUTS))
    found, planted = out.log_noise.numpy(), log_variance[:500].numpy()
    r = [np.corrcoef(found[:, v], planted[:, v])[0, 1] for v in range(0, V, 2)]
    assert np.mean(r) > 0.9
    assert found[:, 1::2].mean() == pytest.approx(-1, abs=0.25)
    residual = (held["voxels"] - out.voxels).numpy()
    report = gaussian.calibration(
        out.voxels.numpy(), found, held["voxels"].numpy(), (residual**2).mean(axis=0)
    )
    assert report["nll"] < report["nll_constant"] - 0.05
    assert report["standardised"] == pytest.approx(1, abs=0.15)
    assert report["coverage"]["estimate"] == pytest.approx(0.95, abs=0.02)
    assert report["slope"] == pytest.approx(1, abs=0.25)
    assert report["image_r"] > 0.1


def test_calibration_of_known_variances():
    rng = np.random.default_rng(1)
    log_variance = rng.normal(-1, 1, (2000, 3))
    observed = rng.normal(0, np.exp(log_variance / 2))
    given = np.zeros((2000, 3)), log_variance, observed
    right = gaussian.calibration(*given, np.ones(3))
    assert right["standardised"] == pytest.approx(1, abs=0.06)
    assert right["slope"] == pytest.approx(1, abs=0.1)
    expected = -scipy_stats.norm.logpdf(observed, scale=np.exp(log_variance / 2)).mean()
    assert right["nll"] == pytest.approx(expected)
    wrong = gaussian.calibration(given[0], log_variance + 1, observed, np.ones(3))
    assert wrong["standardised"] == pytest.approx(np.exp(-1), rel=0.06)
    assert wrong["coverage"]["estimate"] > 0.97
    assert wrong["nll"] > right["nll"]
    constant = gaussian.calibration(given[0], np.zeros((2000, 3)), observed, np.ones(3))
    assert constant["image_r"] is None
    assert constant["reason"]


def test_variance_has_a_floor():
    raw = torch.tensor([-100.0, 0.0, 5.0])
    found = gaussian.above_floor(raw).exp()
    torch.testing.assert_close(found, raw.exp() + gaussian.FLOOR)
