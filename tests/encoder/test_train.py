"""Training: killed and taken up again, stopped early, stopped by NaN."""

import math
import shutil
import signal
import subprocess
import sys

import pytest
import torch
import training
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from brainworth.encoder import devices, optimiser, replay, train
from brainworth.encoder.mamba import Mamba2
from brainworth.errors import BrainworthError


def start(*arguments):
    """Run a training in a process of its own."""
    command = [sys.executable, training.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a) and a.keys() == b.keys()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    done = start(folder / "a.pt", folder / "whole.pt", -1, -1)
    assert done.returncode == 0
    return done, torch.load(folder / "whole.pt")


@pytest.mark.parametrize("at", [(0, 1), (3, 2)])
def test_killed_and_resumed_is_bit_identical(tmp_path, at, uninterrupted):
    checkpoint, output = tmp_path / "b.pt", tmp_path / "killed.pt"
    killed = start(checkpoint, output, *at)
    assert killed.returncode == -signal.SIGKILL
    assert not output.exists()
    assert checkpoint.exists() == (at[0] > 0)
    assert start(checkpoint, output, -1, -1).returncode == 0
    expected, found = uninterrupted[1], torch.load(output)
    assert same(found["model"], expected["model"])
    assert found["history"] == expected["history"]
    assert len(found["history"]["epochs"]) == 6
    assert not same(found["model"], training.network().state_dict())


def test_the_bar_is_quiet_when_this_is_no_terminal(uninterrupted):
    done, _ = uninterrupted
    assert (done.stdout, done.stderr) == ("", "")


def test_resumed_does_not_repeat_epochs(tmp_path):
    path = tmp_path / "c.pt"

    def interrupted(model, batch, epoch, draws):
        if epoch == 4:
            raise KeyboardInterrupt
        return training.loss(model, batch, epoch, draws)

    with pytest.raises(KeyboardInterrupt):
        training.run(path, interrupted)
    seen = []

    def counted(model, batch, epoch, draws):
        seen.append(epoch)
        return training.loss(model, batch, epoch, draws)

    training.run(path, counted)
    assert set(seen) == {4, 5}
    training.run(path, counted)
    assert len(seen) == 10, "a finished training is not run again"


def test_a_checkpoint_of_another_training_is_not_taken_up(tmp_path):
    path = tmp_path / "c.pt"
    model, _ = training.run(path)
    other = training.data()
    other["y"] = -other["y"]
    fresh, history = training.run(path, batches=other)
    assert not same(fresh.state_dict(), model.state_dict())
    expected, wanted = training.run(batches=other)
    assert same(fresh.state_dict(), expected.state_dict())
    assert history.data() == wanted.data()
    for changes in ({"lr": 0.02}, {"epochs": 7}):
        again, _ = training.run(path, **changes)
        expected, _ = training.run(**changes)
        assert same(again.state_dict(), expected.state_dict())


def test_a_file_that_is_no_checkpoint_is_an_error(tmp_path):
    path = tmp_path / "c.pt"
    for content in (b"not a checkpoint", b"bad", b""):
        path.write_bytes(content)
        with pytest.raises(
            BrainworthError, match=r"c\.pt is damaged, or no file of PyTorch .*delete it"
        ):
            training.run(path)
    torch.save({"schema": "other"}, path)
    with pytest.raises(BrainworthError, match="has not the schema brainworth-checkpoint/1"):
        training.run(path)


@pytest.mark.parametrize("function", ["save", "load"])
def test_a_folder_that_a_job_which_lives_on_removes(tmp_path, monkeypatch, function):
    """Its main process was killed, the job was started again, and ends while the second works."""
    path = tmp_path / "checkpoints/c.pt"
    path.parent.mkdir()
    training.run(path, epochs=2)
    real, calls = getattr(torch, function), []

    def removed_meanwhile(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            shutil.rmtree(path.parent)
        return real(*arguments, **options)

    monkeypatch.setattr(torch, function, removed_meanwhile)
    model, history = training.run(path)
    expected, wanted = training.run()
    assert calls
    assert same(model.state_dict(), expected.state_dict())
    assert history.data() == wanted.data()
    assert path.exists()


def test_a_checkpoint_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    def full(*arguments):
        raise RuntimeError("no space left")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RuntimeError, match="no space left"):
        training.run(tmp_path / "c.pt")


def test_it_learns_and_keeps_the_best_epoch():
    before = training.validation(training.network())
    model, history = training.run(epochs=40, patience=40, lr=0.03)
    values = [row["validation"] for row in history.epochs]
    assert values[history.best_epoch] == min(values) < 0.2 * before
    assert not model.training
    assert training.validation(model) == min(values)
    assert not history.stopped
    assert all(row["terms"]["mse"] == row["train_loss"] for row in history.epochs)
    assert "seconds" not in history.data()["epochs"][0]


def test_it_stops_when_validation_no_longer_improves():
    values = iter([3.0, 2.0, 2.5, 2.0, 2.1, 0.1])
    _, history = training.run(validation=lambda model: next(values), patience=3)
    assert [row["validation"] for row in history.epochs] == [3.0, 2.0, 2.5, 2.0, 2.1]
    assert history.best_epoch == 1
    assert history.stopped


def test_nan_stops_with_the_batch_saved(tmp_path):
    def broken(model, batch, epoch, draws):
        error, terms = training.loss(model, batch, epoch, draws)
        return (error * math.nan if epoch == 2 else error), terms

    with pytest.raises(BrainworthError, match="loss is nan in epoch 2, step 0") as caught:
        training.run(tmp_path / "c.pt", broken)
    path = tmp_path / "c.epoch2-step0.pt"
    assert str(path) in str(caught.value)
    saved = torch.load(path)
    assert saved["batch"]["x"].shape[1] == 5
    assert saved["model"].keys() == training.network().state_dict().keys()


def test_an_infinite_gradient_and_a_nan_validation_stop_too(tmp_path):
    def steep(model, batch, epoch, draws):
        error, terms = training.loss(model, batch, epoch, draws)
        return error + (model(batch["x"]) * 0).abs().sum().sqrt(), terms

    with pytest.raises(BrainworthError, match="norm of the gradient is nan in epoch 0"):
        training.run(loss=steep)
    with pytest.raises(BrainworthError, match="validation after epoch 0 is nan"):
        training.run(validation=lambda model: math.nan)


def test_gradients_are_clipped():
    """AdamW hides the scale of gradients, so the norm is taken before its step."""
    norms = []

    def record(optimiser, *_):
        group = [each for part in optimiser.param_groups for each in part["params"]]
        norms.append(torch.cat([each.grad.flatten() for each in group]).norm().item())

    hook = register_optimizer_step_pre_hook(record)
    try:
        training.run(clip=0.01, epochs=1)
    finally:
        hook.remove()
    assert max(norms) <= 0.01 * (1 + 1e-4)
    assert len(norms) == 5


def test_frozen_parameters_stay():
    model = training.network()
    model.layers[0].requires_grad_(False)
    before = model.layers[0].weight.clone()
    training.run(model=model)
    assert torch.equal(model.layers[0].weight, before)


def test_batches_cover_all_images_evenly():
    seen = []

    def record(model, batch, epoch, draws):
        seen.append((epoch, batch["x"][:, 0].tolist()))
        return training.loss(model, batch, epoch, draws)

    training.run(loss=record, epochs=2)
    assert [len(rows) for _, rows in seen] == [8, 8, 7, 7, 7] * 2
    epochs = [[each for e, rows in seen if e == epoch for each in rows] for epoch in (0, 1)]
    everything = sorted(training.data()["x"][:, 0].tolist())
    assert [sorted(each) for each in epochs] == [everything] * 2
    assert epochs[0] != epochs[1]


def test_global_random_state_is_left_alone():
    torch.manual_seed(8)
    expected = torch.rand(3)
    torch.manual_seed(8)
    training.run(epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_only_weights_of_maps_decay():
    model = nn.Sequential(Mamba2(16, 8, 8), nn.LayerNorm(16), nn.Linear(16, 3))
    decayed, others = optimiser.adamw(model, 1e-3, 0.1).param_groups
    names = {id(each): name for name, each in model.named_parameters()}
    assert {names[id(each)] for each in decayed["params"]} == {
        *("0.in_proj.weight", "0.conv1d.weight", "0.out_proj.weight", "2.weight")
    }
    assert {"0.A_log", "0.D", "0.dt_bias", "0.norm.weight", "1.weight", "2.bias"} < {
        names[id(each)] for each in others["params"]
    }
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert len(names) == len(decayed["params"]) + len(others["params"])


def test_the_rate_rises_and_falls():
    rates = [optimiser.rate(step, 100, 0.05) for step in range(100)]
    assert rates[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[52] == pytest.approx(0.5 * (1 + math.cos(math.pi * 47 / 95)))
    assert 0 < rates[-1] < 1e-3
    assert optimiser.rate(0, 10, 0.0) == 1.0


def test_predict_is_in_order_and_deterministic():
    model = training.network().train()
    inputs = {"x": training.data()["x"]}

    def call(net, batch):
        return net(batch["x"])

    found = train.predict(model, call, inputs, device="cpu", batch=10)
    assert model.training
    torch.testing.assert_close(found, model.eval()(inputs["x"]))
    both = train.predict(model, lambda net, b: (b["x"], net(b["x"])), inputs, device="cpu", batch=9)
    assert torch.equal(both[0], inputs["x"])


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.pick("auto").type == "cpu"
    with pytest.raises(BrainworthError, match=r"encoder\.device is cuda"):
        devices.pick("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [devices.pick(name).type for name in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]


def test_a_gpu_without_memory_is_one_sentence():
    def full(model, batch, epoch, draws):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with pytest.raises(
        BrainworthError,
        match=r"test training, 8 images at a time: the GPU has not .*lower its `batch`",
    ):
        training.run(loss=full)
    with pytest.raises(BrainworthError, match="predicting 9 images at a time: the GPU has not"):
        train.predict(
            training.network(), full_card, {"x": training.data()["x"]}, device="cpu", batch=9
        )
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        training.run(loss=lambda model, batch, *_: (model(batch["y"]).sum(), {}))


def full_card(net, batch):
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate")


def test_batches_of_one_size_are_recorded_once():
    """What a GPU records and replays, with a stand-in for the recording."""
    calls = []

    class Recorded:
        def __init__(self, of, batch):
            calls.append("record")

        def replay(self, batch):
            calls.append("replay")

    sizes = [8] * 2 + [7] * 20
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "_Recorded", Recorded)
        for replayed, wanted in (
            (True, ["compute"] * 3 + ["record"] + ["replay"] * 19),
            (False, ["compute"] * 22),
        ):
            calls.clear()
            gradients = replay.Gradients(
                lambda batch: calls.append("compute"), [], sizes, torch.Generator(), replayed
            )
            for n in sizes:
                gradients({"x": torch.zeros(n)})
            assert calls == wanted
