"""The encoder on a GPU: the same numbers as on a CPU, within what float32 and bfloat16 allow.

Only `make test-gpu` runs this, and without a GPU it fails. Tolerances: 1e-12 in float64, 1e-5 of
outputs and 1e-3 of gradients in float32; a training on a GPU runs its maps in bfloat16, and its
curve stays within a few percent. What is trained twice on one GPU is the same bit by bit.
"""

import json

import configurations
import fitting
import numpy as np
import planted
import pytest
import torch
from transformers import Dinov2Config, Dinov2Model

from brainworth.encoder import (
    chasm,
    checkpoints,
    cluster_table,
    comparison,
    devices,
    kfold_ridge,
    losses,
    mamba,
    replay,
    saved,
    stage1_table,
    stage2_table,
    stream_table,
    train,
    transfer,
)
from brainworth.encoder.features import dinov2
from brainworth.encoder.mamba import Mamba2
from brainworth.encoder.networks import stage1_rows, stage2_rows
from brainworth.encoder.seeds import seeded
from brainworth.encoder.stage1 import Stage1
from brainworth.encoder.stage2 import Stage2
from brainworth.errors import BrainworthError
from brainworth.results import to_plain

pytestmark = pytest.mark.cuda

LONG = configurations.TRAINING | {"epochs": 12, "patience": 12, "lr": 0.01}
B, G, P, C, K = 3, 768, 256, 768, 524
LABELS = np.minimum(np.arange(15_724) // 30, K - 1)


@pytest.fixture(scope="module", autouse=True)
def _card():
    """Record steps of short trainings too."""
    assert torch.cuda.is_available(), "these tests need a GPU, and PyTorch finds none"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "FEWEST", 3)
        yield


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def relative(found, expected):
    return ((found.cpu() - expected).norm() / expected.norm().clamp_min(1e-30)).item()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def plain(value):
    return json.dumps(to_plain(value, "data"), sort_keys=True)


# ---- forward and backward


def scan_inputs(length, dtype):
    x = torch.randn(2, length, 3, 5, dtype=dtype)
    dt = torch.nn.functional.softplus(torch.randn(2, length, 3, dtype=dtype) - 2)
    decay = -torch.tensor([0.5, 4.0, 16.0], dtype=dtype)
    b, c = torch.randn(2, 2, length, 6, dtype=dtype)
    return [x, dt, decay, b, c]


def scanned(inputs, device):
    given = [each.to(device).requires_grad_() for each in inputs]
    y = mamba.scan(*given, 64)
    weight = torch.cos(torch.arange(y.numel(), dtype=y.dtype, device=device)).view_as(y)
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), given)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
@pytest.mark.parametrize("length", [1, 7, 64, 257, 590])
def test_the_scan(length, dtype, tolerance):
    inputs = scan_inputs(length, dtype)
    for found, expected in zip(scanned(inputs, "cuda"), scanned(inputs, "cpu"), strict=True):
        assert found.is_cuda
        assert relative(found, expected) < tolerance


def gradients(model, call, device):
    """Return the output of a model and the gradients of its parameters, on the CPU."""
    model = model.to(device).eval()
    model.zero_grad(set_to_none=True)
    y = call(model, device)
    weight = torch.cos(torch.arange(y.numel(), dtype=y.dtype, device=device)).view_as(y)
    with devices.deterministic(torch.device(device)):
        (y * weight).sum().backward()
    found = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    return y.detach().cpu(), {name: each.cpu().clone() for name, each in found.items()}


def block():
    x = torch.randn(2, 300, 64)
    return Mamba2(64, 32, 16), lambda model, device: model(x.to(device))


def first_stage():
    images = torch.randn(B, G), torch.randn(B, P, C)
    model = Stage1(G, C, P, K, configurations.STAGE1)
    return model, lambda model, device: model(*(each.to(device) for each in images)).rois


def second_stage():
    images = torch.randn(B, G), torch.randn(B, C), torch.randn(B, K)
    model = Stage2(G, C, LABELS, configurations.STAGE2)
    return model, lambda model, device: model(*(each.to(device) for each in images)).voxels


@pytest.mark.parametrize("make", [block, first_stage, second_stage])
def test_a_network_at_its_published_size(make):
    """Gradients are held against the largest of their kind: some are nearly nothing."""
    model, call = make()
    expected, wanted = gradients(model, call, "cpu")
    found, given = gradients(model, call, "cuda")
    assert relative(found, expected) < 1e-5
    assert given.keys() == wanted.keys()
    largest = max(each.norm() for each in wanted.values())
    for name, each in wanted.items():
        assert (given[name] - each).norm() < 1e-3 * max(each.norm(), 1e-3 * largest), name
    with devices.half_precision(torch.device("cuda")), torch.no_grad():
        assert relative(call(model, "cuda").float(), expected) < 3e-2


def test_dinov2():
    small = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 3}
    network = Dinov2Model(Dinov2Config(**small, image_size=70, patch_size=14)).eval()
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.2)
    images = np.random.default_rng(1).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    blocks = [
        dinov2.describe(
            images, model=dinov2.Model(network.to(device), (1, 2, 3, 4), device), grid=16
        )
        for device in ("cpu", "cuda")
    ]
    for name in ("global_", "tokens"):
        expected, found = (torch.from_numpy(getattr(each, name)) for each in blocks)
        assert relative(found, expected) < 1e-5


def test_ridge():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(60, 12)), rng.normal(size=(60, 9))
    given = (x, y, np.arange(60) % 3, np.geomspace(1e-2, 1e2, 5) * 60)
    found = [kfold_ridge.fit(*given, device=device) for device in ("cpu", "cuda")]
    np.testing.assert_array_equal(found[0].penalty, found[1].penalty)
    np.testing.assert_allclose(found[0].weights, found[1].weights, rtol=1e-4, atol=1e-6)


# ---- training


def curve(history, what="validation"):
    return np.array([row[what] for row in history.epochs])


@pytest.fixture(scope="module")
def on_cpu():
    return fitting.fit(train_stage1=LONG, train_stage2=LONG)


@pytest.fixture(scope="module")
def on_card():
    return fitting.fit(device="cuda", train_stage1=LONG, train_stage2=LONG)


def r2(found, part, what):
    observed = found.data.parts[part]["rois" if what == "rois" else "voxels"]
    error = (getattr(found, what)[part] - observed).square().mean()
    return 1 - (error / observed.var(0).mean()).item()


def test_a_training_without_chance_has_the_same_curve():
    """Weights and order of images are the same; drop-out has other random numbers on a GPU."""
    still = fitting.SETTINGS["stage1"] | {"dropout": 0.0, "token_drop": 0.0}
    curves = []
    for device in ("cpu", "cuda"):
        found = fitting.fit(device=device, stage1=still, train_stage1=LONG)
        curves.append(curve(found.histories["stage1"]))
    print("relative differences of the curves:", curves[1] / curves[0] - 1)
    np.testing.assert_allclose(curves[1], curves[0], rtol=0.05)
    assert curves[0][-1] < 0.9 * curves[0][0], "it learns"


def test_replayed_steps_are_the_steps(on_card, monkeypatch):
    recorded = []
    plain_record = replay._Recorded.__init__

    def counted(self, *given):
        recorded.append(1)
        plain_record(self, *given)

    monkeypatch.setattr(replay._Recorded, "__init__", counted)
    again = fitting.fit(device="cuda", train_stage1=LONG, train_stage2=LONG)
    assert len(recorded) == 2 * LONG["epochs"], "a size of batch an epoch is worth it"
    assert same(again.voxels, on_card.voxels)
    monkeypatch.setattr(replay, "FEWEST", 10**9)
    launched = fitting.fit(device="cuda", train_stage1=LONG, train_stage2=LONG)
    assert len(recorded) == 2 * LONG["epochs"]
    for stage, history in on_card.histories.items():
        assert launched.histories[stage].data() == history.data()
    assert same(launched.voxels, on_card.voxels)


def test_a_network_that_looks_at_numbers_cannot_be_replayed():
    data = planted_data()
    settings = planted.SETTINGS | {"train_stage1": configurations.TRAINING}
    given = {"seed": 1, "name": ("a",), "checkpoint": None, "device": "cuda"}

    def looking():
        model = chasm.new_stage1(data, planted.SETTINGS["stage1"])
        forward = model.forward

        def forward_and_look(*images, **named):
            output = forward(*images, **named)
            assert output.rois.mean().item() < 1e9
            return output

        model.forward = forward_and_look
        return model

    with pytest.raises(BrainworthError, match=r"cannot be replayed on a GPU .*replayed = False"):
        chasm.fit_stage1(looking(), data, settings, **given)
    model = looking()
    model.replayed = False
    assert chasm.fit_stage1(model, data, settings, **given).epochs


@pytest.mark.parametrize("what", ["rois", "voxels"])
def test_a_training_with_chance_is_as_good(on_cpu, on_card, what):
    assert r2(on_cpu, "validation", what) > 0.1
    for part in ("validation", "test"):
        assert r2(on_card, part, what) == pytest.approx(r2(on_cpu, part, what), abs=0.1)


def test_the_same_training_twice_is_the_same(on_card):
    again = fitting.fit(device="cuda", train_stage1=LONG, train_stage2=LONG)
    for stage, history in on_card.histories.items():
        assert again.histories[stage].data() == history.data()
        assert same(getattr(again, stage).state_dict(), getattr(on_card, stage).state_dict())
    assert same(again.voxels, on_card.voxels)
    assert same(again.rois, on_card.rois)


def test_data_that_do_not_fit_on_the_card_change_nothing(on_card, monkeypatch):
    given = {"x": torch.randn(4, 3)}
    assert devices.resident(given, "cuda")["x"].is_cuda
    monkeypatch.setattr(devices, "SHARE_OF_CARD", 0.0)
    assert not devices.resident(given, "cuda")["x"].is_cuda
    again = fitting.fit(device="cuda", train_stage1=LONG, train_stage2=LONG)
    assert same(again.voxels, on_card.voxels)


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_interrupted_and_resumed_is_the_same(on_card, stage, tmp_path, monkeypatch):
    plain_step, steps = train._Training._step, []

    def interrupted(self, epoch, step, *given):
        if stage in self.name:
            steps.append(1)
            if (epoch, step) == (5, 4) and len(steps) == 5 * 7 + 5:
                raise KeyboardInterrupt
        return plain_step(self, epoch, step, *given)

    monkeypatch.setattr(train._Training, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitting.fit(tmp_path, device="cuda", train_stage1=LONG, train_stage2=LONG)
    resumed = fitting.fit(tmp_path, device="cuda", train_stage1=LONG, train_stage2=LONG)
    assert len(steps) == 7 * LONG["epochs"] + 5, "epochs that were done are not done again"
    assert resumed.histories[stage].data() == on_card.histories[stage].data()
    assert same(resumed.voxels, on_card.voxels)


def test_what_a_card_wrote_is_read_on_a_cpu(on_card, tmp_path):
    """Checkpoints open there; a training on a CPU does not go on from them, it begins anew."""
    fitting.fit(tmp_path, device="cuda")
    path = tmp_path / "stage2.pt"
    state = torch.load(path, map_location="cpu", weights_only=True)
    found = checkpoints.load(path, state["identity"], "cpu")
    tensors = [*found["model"].values(), *found["best"].values()]
    tensors += [each for row in found["optimiser"]["state"].values() for each in row.values()]
    assert {each.device.type for each in tensors} == {"cpu"}
    begun = fitting.fit(tmp_path)
    assert same(begun.voxels, fitting.fit().voxels)

    origin = {"backend": "gabor", "weights_sha256": ""}
    stages = []
    for stage in ("stage1", "stage2"):
        path = tmp_path / f"{stage}_subj01.pt"
        network = getattr(on_card, stage).to("cuda")
        saved.save(path, stage, network, on_card.data, fitting.SETTINGS[stage], **origin)
        raw = torch.load(path, weights_only=True)
        assert {each.device.type for each in raw["state"].values()} == {"cpu"}
        stages.append(saved.load(path, stage))
        network.cpu()
    features, responses = fitting.subject()
    test = responses.rows(2)
    rois, voxels = saved.predict_new(*stages, features.global_[test], features.tokens[test])
    assert relative(torch.from_numpy(rois), on_card.rois["test"]) < 1e-4
    assert relative(torch.from_numpy(voxels), on_card.voxels["test"]) < 1e-4


def test_auto_takes_the_card():
    device = devices.pick("auto")
    assert device.type == devices.pick("cuda").type == "cuda"
    seen = set()
    data = planted_data()
    model = chasm.new_stage1(data, planted.SETTINGS["stage1"])
    model.register_forward_hook(lambda *given: seen.add(given[2].rois.device.type))
    settings = planted.SETTINGS | {"train_stage1": configurations.TRAINING}
    chasm.fit_stage1(model, data, settings, seed=1, name=("a",), checkpoint=None, device=device)
    assert seen == {"cuda"}


def test_a_full_card_is_one_sentence():
    """The published network and its optimiser take 233 MB, and a batch more."""
    batches = {
        "global": torch.randn(8, G),
        "tokens": torch.randn(8, P, C),
        "rois": torch.randn(8, K),
    }
    _, total = torch.cuda.mem_get_info()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(300e6 / total)
    try:
        with pytest.raises(BrainworthError) as caught:
            train.fit(
                Stage1(G, C, P, K, configurations.STAGE1),
                losses.stage1_loss(configurations.LOSS1),
                batches,
                lambda model: 0.0,
                configurations.TRAINING | {"batch": 8},
                seed=1,
                name=("a", "b"),
                checkpoint=None,
                progress=False,
                device="cuda",
            )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    text = str(caught.value)
    assert text.startswith("training a b, 8 images at a time: the GPU has not enough memory (")
    assert "lower its `batch`" in text
    assert "GB are free" in text


@pytest.mark.filterwarnings("ignore")  # of the compiler, about its own code
def test_compiled_is_the_same_training():
    still = fitting.SETTINGS["stage1"] | {"dropout": 0.0, "token_drop": 0.0}
    curves = {}
    for compiled in (False, True):
        found = [
            fitting.fit(device="cuda", stage1=still, train_stage1=LONG, compile=compiled)
            for _ in range(1 + compiled)
        ]
        curves[compiled] = [curve(each.histories["stage1"]) for each in found]
    np.testing.assert_allclose(curves[True][0], curves[False][0], rtol=0.05)
    # the compiler picks kernels by how fast they are, so that digits may differ from run to run
    np.testing.assert_allclose(curves[True][1], curves[True][0], rtol=0.05)


# ---- the tables: every network, twice


def planted_data():
    features, targets = planted.subject()
    return chasm.prepare(features, targets, planted.SETTINGS["clusters"], seed=3)


def on(device):
    return comparison.Plan(planted.SETTINGS, 0.95, 3, torch.device(device))


def first_stages(device):
    features, targets = planted.subject()
    names = list(stage1_rows.LABELS)
    return stage1_table.table(features, targets, planted_data(), names, on(device))


def trained_stage1(device):
    data, plan = planted_data(), on(device)
    model = plan.new(lambda: chasm.new_stage1(data, plan.settings["stage1"]), "a")
    comparison.fit_stage1(plan, data, model, "a")
    return data, model


def second_stages(device):
    data, model = trained_stage1(device)
    names = list(stage2_rows.LABELS)
    return stage2_table.table(planted.subject()[1], data, model, names, on(device))


def streams(device):
    data, model = trained_stage1(device)
    return stream_table.table(planted.subject()[1], data, model, True, on(device))


def kinds_of_clusters(device):
    features, targets = planted.subject()
    return cluster_table.table(
        targets,
        lambda settings: chasm.prepare(features, targets, settings, seed=3),
        *(["sequential", "compact"], [5, 10], [0.7, 1.0]),
        on(device),
    )


def transferred(device):
    plan = on(device)
    head = configurations.TRAINING | {"epochs": 10, "lr": 0.01}
    settings = {"target": "subj02", "sources": [["subj01"]], "fractions": [0.5, 1.0], "head": head}
    plan = comparison.Plan(plan.settings | {"transfer": settings}, 0.95, 3, plan.device)
    subjects = {f"subj0{n}": planted.subject(f"subj0{n}", n)[1] for n in (1, 2)}
    labels = {name: np.arange(planted.V) // 5 for name in subjects}
    return transfer.table(planted.read, subjects, labels, None, plan)


@pytest.mark.parametrize(
    ("table", "score"),
    [
        (first_stages, "stage1"),
        (second_stages, "voxels"),
        (kinds_of_clusters, "voxels"),
        (transferred, "voxels"),
    ],
)
def test_a_table_is_the_same_twice_and_as_good_as_on_a_cpu(table, score):
    found, again, expected = table("cuda"), table("cuda"), table("cpu")
    assert plain(found) == plain(again)
    for mine, theirs in zip(found["rows"], expected["rows"], strict=True):
        assert mine["row"] == theirs["row"]
        r, wanted = (each[score]["r_mean"]["estimate"] for each in (mine, theirs))
        assert r == pytest.approx(wanted, abs=0.1), mine["row"]


def test_streams_are_the_same_twice_and_as_good_as_on_a_cpu():
    found, again, expected = streams("cuda"), streams("cuda"), streams("cpu")
    assert plain(found) == plain(again)
    for mine, theirs in zip(found["rows"], expected["rows"], strict=True):
        r, wanted = (each["groups"]["overall"]["r_mean"]["estimate"] for each in (mine, theirs))
        assert r == pytest.approx(wanted, abs=0.1), mine["row"]


def test_the_random_streams_of_the_card_are_named_too():
    """Drop-out of an epoch is the same whatever ran before."""

    def draw():
        with seeded(1, "a", device="cuda"):
            return torch.rand(4, device="cuda")

    first = draw()
    torch.rand(100, device="cuda")
    assert torch.equal(draw(), first)


def test_predictions_come_back_in_order():
    data = planted_data()
    model = chasm.new_stage1(data, planted.SETTINGS["stage1"]).eval()
    given = {name: data.parts["train"][name] for name in ("global", "tokens")}

    def call(network, batch):
        return network(batch["global"], batch["tokens"]).rois

    expected = train.predict(model, call, given, device="cpu", batch=64)
    found = train.predict(model.to("cuda"), call, given, device="cuda", batch=50)
    assert not found.is_cuda
    assert relative(found, expected) < 1e-5
