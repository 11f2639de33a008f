"""DINOv2 from files: the three layouts, and everything that must be refused.

The networks are tiny and random: what is tested is how they are read and used.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model

from brainworth import files
from brainworth.encoder.features import backends, dinov2, weights
from brainworth.errors import BrainworthError

TINY = {
    "hidden_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "image_size": 70,
    "patch_size": 14,
}
LAYERS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Dinov2Model(Dinov2Config(**TINY)).eval()
        for parameter in made.parameters():  # biases and scales are not random at first
            parameter.data.normal_(0, 0.2)
    return made


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("dinov2")
    network.save_pretrained(path)
    return path


def original_names(tensors):
    """Give tensors the names of the original code; written from its model, not from ours."""
    renamed = {
        "cls_token": tensors["embeddings.cls_token"],
        "pos_embed": tensors["embeddings.position_embeddings"],
        "mask_token": tensors["embeddings.mask_token"],
        "patch_embed.proj.weight": tensors["embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": tensors["embeddings.patch_embeddings.projection.bias"],
        "norm.weight": tensors["layernorm.weight"],
        "norm.bias": tensors["layernorm.bias"],
    }
    for number in range(TINY["num_hidden_layers"]):
        old, new = f"encoder.layer.{number}.", f"blocks.{number}."
        for kind in ("weight", "bias"):
            renamed[f"{new}attn.qkv.{kind}"] = torch.cat(
                [
                    tensors[f"{old}attention.attention.{part}.{kind}"]
                    for part in ("query", "key", "value")
                ]
            )
            renamed[f"{new}attn.proj.{kind}"] = tensors[f"{old}attention.output.dense.{kind}"]
            for name in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                renamed[f"{new}{name}.{kind}"] = tensors[f"{old}{name}.{kind}"]
        for scale in (1, 2):
            renamed[f"{new}ls{scale}.gamma"] = tensors[f"{old}layer_scale{scale}.lambda1"]
    return renamed


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)


def layouts(folder, tmp_path):
    tensors = load_file(folder / "model.safetensors")
    shutil.copy(folder / "model.safetensors", tmp_path / "plain.safetensors")
    torch.save(original_names(tensors), tmp_path / "original.pth")
    return folder, tmp_path / "plain.safetensors", tmp_path / "original.pth"


def load(path, **changes):
    return dinov2.load(path, config=TINY, layers=LAYERS, **changes)


def test_the_three_layouts_give_the_same_features(folder, images, tmp_path):
    blocks = [
        dinov2.describe(images, model=load(path), grid=4) for path in layouts(folder, tmp_path)
    ]
    for other in blocks[1:]:
        np.testing.assert_array_equal(other.tokens, blocks[0].tokens)
        np.testing.assert_array_equal(other.global_, blocks[0].global_)
        for name, values in blocks[0].layers.items():
            np.testing.assert_array_equal(other.layers[name][1], values[1])


def test_features_are_those_of_the_model(network, folder, images):
    """Against a plain forward pass: last layer as the model returns it, others normalised too."""
    block = dinov2.describe(images, model=load(folder), grid=16)
    pixels = []
    for image in images:
        large = np.asarray(Image.fromarray(image).resize((224, 224), Image.BICUBIC)) / 255
        pixels.append((large - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225])
    with torch.no_grad():
        given = torch.tensor(np.stack(pixels).transpose(0, 3, 1, 2), dtype=torch.float32)
        found = network(given, output_hidden_states=True)
        third = network.layernorm(found.hidden_states[3])
    last = found.last_hidden_state.numpy()
    np.testing.assert_allclose(block.global_, last[:, 0], atol=1e-5)
    np.testing.assert_allclose(block.tokens, last[:, 1:], atol=1e-5)
    assert list(block.layers) == ["layer 1", "layer 2", "layer 3", "layer 4"]
    np.testing.assert_allclose(block.layers["layer 3"][0], third[:, 0], atol=1e-5)
    np.testing.assert_allclose(block.layers["layer 3"][1], third[:, 1:].mean(dim=1), atol=1e-5)
    pooled = dinov2.describe(images, model=load(folder), grid=2).tokens
    tiles = last[:, 1:].reshape(3, 2, 8, 2, 8, 24).mean(axis=(2, 4)).reshape(3, 4, 24)
    np.testing.assert_allclose(pooled, tiles, atol=1e-5)


def saved(tensors, path):
    if path.suffix == ".pth":
        torch.save(original_names(tensors), path)
    else:
        save_file(tensors, path, metadata={"format": "pt"})
    return path


@pytest.mark.parametrize("layout", ["model.safetensors", "plain.safetensors"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("missing", "1 tensors are missing, the first is encoder.layer.2.norm1.bias"),
        ("unexpected", "1 tensors are unexpected, the first is register_tokens"),
        ("mismatched", "1 tensors are mismatched, the first is layernorm.weight"),
    ],
)
def test_other_tensors_are_refused(folder, tmp_path, layout, change, sentence):
    tensors = load_file(folder / "model.safetensors")
    if change == "missing":
        del tensors["encoder.layer.2.norm1.bias"]
    elif change == "unexpected":
        tensors["register_tokens"] = torch.zeros(1, 4, 24)
    else:
        tensors["layernorm.weight"] = torch.zeros(25)
    path = tmp_path / "other"
    path.mkdir()
    shutil.copy(folder / "config.json", path)
    saved(tensors, path / layout)
    with pytest.raises(BrainworthError, match=sentence):
        load(path if layout == "model.safetensors" else path / layout)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tensors: tensors.pop("blocks.1.ls1.gamma"), "missing.*layer_scale1"),
        (lambda tensors: tensors.update({"blocks.1.ls3.gamma": torch.zeros(2)}), "unexpected"),
        (
            lambda tensors: tensors.update({"head.bias": torch.zeros(2)}),
            "unexpected.*head.bias",
        ),
        (lambda tensors: tensors.update({"norm.bias": torch.zeros(2)}), "mismatch"),
    ],
)
def test_other_tensors_of_an_original_file(folder, tmp_path, change, sentence):
    tensors = original_names(load_file(folder / "model.safetensors"))
    change(tensors)
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(BrainworthError, match=sentence):
        load(tmp_path / "other.pth")


def test_a_published_file_of_another_size_is_refused(folder, tmp_path):
    """Without a config, a file must be ViT-B/14."""
    path = layouts(folder, tmp_path)[1]
    with pytest.raises(BrainworthError, match="tensors are missing"):
        dinov2.load(path)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.9])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_truncated_weights_are_refused(folder, tmp_path, share, number):
    path = layouts(folder, tmp_path)[number]
    if path.is_dir():
        path = shutil.copytree(path, tmp_path / "copy")
    file = weights.locate(path)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(BrainworthError, match="cannot be read as DINOv2"):
        load(path)


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_file_that_would_run_code_is_not_loaded(tmp_path, capsys):
    torch.save({"cls_token": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(BrainworthError, match="is not loaded, since that could run code"):
        load(tmp_path / "evil.pth")
    assert "code ran" not in capsys.readouterr().out


def test_a_table_of_something_else(tmp_path):
    torch.save({"model": {"cls_token": torch.zeros(1)}}, tmp_path / "nested.pth")
    with pytest.raises(BrainworthError, match="is no table of tensors"):
        load(tmp_path / "nested.pth")


def test_too_few_layers(folder):
    with pytest.raises(BrainworthError, match="has 4 layers, expected at least 12"):
        dinov2.load(folder)


def section(path, sha256=None):
    return {"backend": "dinov2", "weights": str(path), "sha256": sha256, "grid": 8}


@pytest.mark.parametrize("name", ["nowhere", "empty", "text.safetensors/", "weights.bin"])
def test_absent_weights_are_one_clear_sentence(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "weights.bin").write_text("")
    with pytest.raises(BrainworthError) as told:
        backends.open_describer(section(tmp_path / name))
    sentence = str(told.value)
    for part in ("encoder.features.weights", "config.json", ".safetensors", ".pth", "346 MB"):
        assert part in sentence
    assert ("set encoder.features.backend to gabor" in sentence) is (name != "weights.bin")


def test_weights_with_another_digest_are_refused(folder):
    right = files.sha256(folder / "model.safetensors")
    assert weights.check(folder, right) == weights.check(folder, None) == right
    with pytest.raises(BrainworthError, match=f"has SHA-256 {right}, expected {'0' * 64}"):
        backends.open_describer(section(folder, "0" * 64))


def test_a_checked_in_environment_without_transformers_still_has_gabor():
    """Only dinov2 itself imports transformers."""
    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "from brainworth.encoder.features import backends, extraction, weights\n"
        "from brainworth.errors import BrainworthError\n"
        "bank = {'scales': 1, 'orientations': 2, 'image_size': 16}\n"
        "backends.open_describer({'backend': 'gabor', 'grid': 1, 'gabor': bank})\n"
        "from brainworth.encoder.features import dinov2\n"
        "from pathlib import Path\n"
        "weights.locate = lambda path: path\n"
        "try:\n"
        "    dinov2.load(Path('x.pth'))\n"
        "except BrainworthError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'brainworth[dinov2]'" in done.stdout
