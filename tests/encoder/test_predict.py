"""`brainworth predict`: from image files to responses, through a study's own files."""

from __future__ import annotations

import shutil
import subprocess
import sys

import fitting
import h5py
import numpy as np
import pytest
from PIL import Image

from brainworth import cli, results
from brainworth.encoder import images, saved, targets
from brainworth.encoder.features import backends, store
from brainworth.errors import BrainworthError

FEATURES = {
    "backend": "gabor",
    "weights": None,
    "sha256": None,
    "file": None,
    "grid": 2,
    "batch": 7,
    "gabor": {"scales": 2, "orientations": 2, "image_size": 32},
}


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (fitting.N, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def study(pixels, tmp_path_factory):
    """Results of a study whose encoder was trained a little."""
    root = tmp_path_factory.mktemp("results") / "small"
    folder = root / "encoder"
    _, responses = fitting.subject()
    block = backends.open_describer(FEATURES).describe(pixels)
    half = (each.astype(np.float16) for each in (block.global_, block.tokens))
    features = store.Features(
        responses.nsd_id, *(each.astype(np.float32) for each in half), {}, "gabor", ""
    )
    short = fitting.SETTINGS["train_stage1"] | {"epochs": 1}
    settings = fitting.SETTINGS | {"train_stage1": short, "train_stage2": short}
    found = fitting.chasm.fit_subject(
        features, responses, settings, seed=1, checkpoints=None, device="cpu"
    )
    for stage in ("stage1", "stage2"):
        saved.save(
            folder / f"{stage}_subj01.pt",
            stage,
            getattr(found, stage),
            found.data,
            settings[stage],
            backend="gabor",
            weights_sha256="",
        )
    targets.write(folder / "targets_subj01.h5", responses)
    write_features(folder, FEATURES)
    return root, found


def write_features(folder, settings):
    results.write(
        folder / "features.json",
        {"backend": settings["backend"], "weights_sha256": ""},
        study="small",
        rule="encoder_features",
        params={"encoder.features": settings},
        inputs={},
        seed=None,
    )


def run(*arguments):
    return cli.main(["predict", *map(str, arguments)])


def test_images_of_the_study_get_its_own_predictions(study, pixels, tmp_path, capsys):
    root, found = study
    rows = found.data.rows["test"]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for row in rows[::-1]:
        Image.fromarray(pixels[row]).save(folder / f"{row:03d}.png")
    assert run(root, folder, "--subject", "subj01", "--output", tmp_path / "new.h5") == 0
    assert "30 images" in capsys.readouterr().out
    with h5py.File(tmp_path / "new.h5") as file:
        expected = found.voxels["test"].numpy()
        np.testing.assert_allclose(file["predicted"][:], expected, atol=1e-3)
        np.testing.assert_allclose(file["clusters"][:], found.rois["test"].numpy(), atol=1e-3)
        assert file["image"].asstr()[0] == str(folder / f"{rows[0]:03d}.png")
        assert file["ijk"][:].tolist() == [[i, 0, 0] for i in range(fitting.V)]
        assert file["cluster"][:].tolist() == found.data.labels.tolist()
        assert file.attrs["subject"] == "subj01"
    assert np.ptp(expected, axis=0).max() > 0.01


def test_pictures_and_hdf5_are_the_same(study, pixels, tmp_path):
    root, _ = study
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["one"] = pixels[:9]
        file["numbers"] = np.arange(9)
    Image.fromarray(pixels[8]).save(tmp_path / "last.png")
    given = [tmp_path / "images.h5", tmp_path / "last.png"]
    assert run(root, *given, "--subject", "subj01", "--output", tmp_path / "new.h5") == 0
    with h5py.File(tmp_path / "new.h5") as file:
        assert file["predicted"].shape == (10, fitting.V)
        assert file["image"].asstr()[8] == f"{tmp_path / 'images.h5'}:8"
        np.testing.assert_allclose(file["predicted"][8], file["predicted"][9], atol=1e-5)
        assert np.abs(file["predicted"][7] - file["predicted"][8]).max() > 1e-3


def test_pictures_are_made_square_rgb_and_upright(tmp_path):
    wide = np.zeros((4, 8, 3), dtype=np.uint8)
    wide[:, 2:6] = [200, 100, 50]
    Image.fromarray(wide).save(tmp_path / "a.png")
    Image.fromarray(wide[..., 0]).save(tmp_path / "b.png")
    clear = np.dstack([wide, np.zeros((4, 8), dtype=np.uint8)])
    Image.fromarray(clear).save(tmp_path / "c.png")
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    tall = np.zeros((8, 4, 3), dtype=np.uint8)
    tall[:2] = 255
    tall[2:4] = 128
    Image.fromarray(tall).save(tmp_path / "d.jpg", exif=exif, quality=100)
    files = images.find([tmp_path])
    assert [path.name for path in files] == ["a.png", "b.png", "c.png", "d.jpg"]
    read = list(images.read(files, None, 3))
    assert [len(names) for names, _ in read] == [3, 1]
    first = read[0][1]
    assert first.shape == (3, 4, 4, 3)
    assert (first[0] == [200, 100, 50]).all()
    assert (first[1] == 200).all()
    assert (first[2] == 255).all()
    assert read[1][1][0, :2].max() < 20 < 100 < read[1][1][0, 2:].min()


def test_a_command_that_needs_no_network_loads_none():
    code = "import sys, brainworth.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_cannot_be_done_is_said(study, pixels, tmp_path, capsys):
    root, _ = study
    Image.fromarray(pixels[0]).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    (tmp_path / "text.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"], file["b"] = pixels[:2], pixels[:2]
    with h5py.File(tmp_path / "floats.h5", "w") as file:
        file["a"] = pixels[:2].astype(float)
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    Image.fromarray(np.full((40, 40), 3000, dtype=np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(pixels[0][:9]).save(tmp_path / "small.png")
    (tmp_path / "no").write_text("a file")

    def refused(words, *given, subject="subj01", study=root, output=tmp_path / "no.h5"):
        arguments = (study, *given, "--subject", subject, "--output", output)
        assert run(*arguments) == 1
        assert words in capsys.readouterr().err
        assert not (tmp_path / "no.h5").exists()

    good = tmp_path / "good.png"
    refused("cannot be read as an image", good, tmp_path / "bad.png")
    refused("neither PNG, JPEG nor HDF5", tmp_path / "text.txt")
    refused("no PNG or JPEG", tmp_path / "empty")
    refused("does not exist", tmp_path / "gone.png")
    refused("say which by --dataset", tmp_path / "two.h5")
    refused("cannot be read as HDF5", tmp_path / "broken.h5")
    refused("it has those of subj01", good, subject="subj02")
    refused("it has none", good, study=tmp_path)
    refused("leave it out", good, "--weights", tmp_path)
    refused("more than 8 bits a channel", tmp_path / "deep.png")
    refused("9 pixels along its shorter side", good, tmp_path / "small.png")
    refused("of that kind it has none", tmp_path / "floats.h5")
    refused("is a folder", good, output=tmp_path)
    refused("no folder", good, output=tmp_path / "no" / "no.h5")
    assert run(root, tmp_path / "two.h5", "--dataset", "b", "--subject", "subj01", "--output",
               tmp_path / "yes.h5") == 0  # fmt: skip


def test_other_features_are_refused(study, pixels, tmp_path):
    from brainworth.encoder.predict import predict

    root = tmp_path / "copy"
    shutil.copytree(study[0], root)
    Image.fromarray(pixels[0]).save(tmp_path / "good.png")
    for change, words in (
        ({"grid": 4}, "trained on"),
        ({"backend": "file", "file": "features.h5"}, "come from a file"),
    ):
        write_features(root / "encoder", FEATURES | change)
        with pytest.raises(BrainworthError, match=words):
            predict(root, "subj01", [tmp_path / "good.png"], tmp_path / "no.h5")
