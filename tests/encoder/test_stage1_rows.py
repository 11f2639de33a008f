"""The networks in the place of stage 1: sizes as published, and what they read."""

import configurations
import pytest
import torch

from brainworth.encoder.counting import count
from brainworth.encoder.networks import stage1_rows
from brainworth.encoder.networks.stage1_rows import Sizes, build, matched_size, n_parameters

FULL = Sizes(768, 768, 256, 524)
TINY = Sizes(10, 6, 9, 4)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(4)


def tiny(name):
    return build(name, TINY, configurations.TINY_STAGE1).eval()


def test_transformer_has_the_published_size():
    """19.8 M parameters and 4.52 G multiply-accumulates are published; counted by hand:

    5 layers of 3,152,384 (attention, feed-forward maps, norms), two projections of 393,728, 257
    positions of 512, norms 2,048, two heads of 1,062,412, gate 525,826, contrastive heads 663,296.
    """
    model = build("transformer", FULL, configurations.STAGE1)
    found = count(model, torch.randn(1, 768), torch.randn(1, 256, 768))
    assert found.parameters == 19_996_954
    by_hand = 5 * 3_152_384 + 2 * 393_728 + 257 * 512 + 2_048 + 2 * 1_062_412 + 525_826 + 663_296
    assert found.parameters == by_hand
    assert found.macs == pytest.approx(4.484e9, rel=2e-4)


@pytest.mark.parametrize(
    ("sizes", "settings", "within"),
    [(FULL, configurations.STAGE1, 0.003), (TINY, configurations.TINY_STAGE1, 0.03)],
)
def test_small_transformer_is_as_large_as_two_streams(sizes, settings, within):
    with torch.device("meta"):
        wanted = n_parameters(build("dual_mamba", sizes, settings))
        found = n_parameters(build("transformer_small", sizes, settings))
        full = n_parameters(build("transformer", sizes, settings))
    assert found == pytest.approx(wanted, rel=within)
    assert abs(full - wanted) > abs(found - wanted)
    width, hidden = matched_size(sizes, settings)
    assert width % stage1_rows.n_heads(settings) == 0
    assert hidden >= 4 * width


def test_one_stream_has_the_blocks_of_both():
    def of_blocks(model):
        return sum(p.numel() for name, p in model.named_parameters() if "mixer" in name)

    assert of_blocks(tiny("single_mamba")) == of_blocks(tiny("dual_mamba"))


@pytest.mark.parametrize("name", stage1_rows.LABELS)
def test_every_row_has_the_signature_of_stage_1(name):
    model = tiny(name)
    images = torch.randn(5, 10), torch.randn(5, 9, 6)
    out = model(*images)
    assert out.rois.shape == (5, 4)
    assert out.fused.shape[0] == 5
    image, brain = model.contrast(out.fused, out.rois)
    assert image.shape == brain.shape == (5, configurations.TINY_STAGE1["embedding"])
    torch.testing.assert_close(model(*(each[2:4] for each in images)).rois, out.rois[2:4])
    if name != "dual_mamba":
        with pytest.raises(ValueError, match="no streams"):
            model(*images, streams="local")


@pytest.mark.parametrize("name", stage1_rows.LABELS)
def test_what_a_row_reads(name):
    global_ = torch.randn(1, 10, requires_grad=True)
    tokens = torch.randn(1, 9, 6, requires_grad=True)
    rois = tiny(name)(global_, tokens).rois.square().sum()
    read_global, read_tokens = torch.autograd.grad(rois, (global_, tokens), allow_unused=True)
    assert (read_tokens.abs().sum(2) > 0).all(), "every token, or layer, counts"
    assert (read_global is None) == (name in stage1_rows.OVER_LAYERS)


def test_transformer_is_blind_to_order_but_for_positions():
    model = tiny("transformer")
    torch.nn.init.zeros_(model.sequence.positions)
    global_, tokens = torch.randn(3, 10), torch.randn(3, 9, 6)
    torch.testing.assert_close(
        model(global_, tokens).rois, model(global_, tokens.flip(1)).rois, rtol=1e-5, atol=1e-6
    )


def test_unknown_rows_are_refused():
    with pytest.raises(ValueError, match="dual_mamba"):
        build("ridge", TINY, configurations.TINY_STAGE1)
