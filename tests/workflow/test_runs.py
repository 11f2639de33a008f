"""The workflow, run: products, repeatability, sources of data."""

import hashlib
import json
import os
import shutil

import h5py
import numpy as np
import pytest
from project import TINY, copy_project

pytestmark = pytest.mark.workflow


def overlay(**changes) -> dict:
    return TINY | changes


def test_products_of_a_run(finished):
    folder = finished.folder
    for product in (
        "paper/tiny.pdf",
        "paper/tiny.html",
        "figures/tiny/rsa.png",
        "figures/tiny/rsa.pdf",
        "figures/tiny/fingerprinting.png",
        "figures/tiny/heteroscedasticity.png",
        "results/tiny/erosion/rsa.json",
        "results/tiny/erosion/planted.json",
        "results/tiny/data/stimuli.parquet",
    ):
        assert (folder / product).stat().st_size > 0, product
    left = [path for path in folder.rglob("*.part") if ".snakemake" not in path.parts]
    assert not left, "temporary files were left behind"


def test_a_second_run_does_nothing(finished):
    assert finished.planned() == set()


def test_results_do_not_depend_on_the_number_of_cores(finished, project):
    project.snakemake("--cores", "1")
    assert project.data() == finished.data()


def test_figures_and_paper_are_the_same_bytes_when_made_again(editable):
    papers = [editable.folder / "paper" / f"tiny.{kind}" for kind in ("pdf", "html")]
    products = [*editable.folder.glob("figures/tiny/*"), *papers]
    assert len(products) == 22
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in products}
    for path in products:
        path.unlink()
    editable.snakemake("--cores", "2")
    after = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in products}
    assert after == before


def test_every_result_says_what_it_came_from(finished):
    folder = finished.folder / "results/tiny"
    rsa = json.loads((folder / "erosion/rsa.json").read_text())
    digest = hashlib.sha256((folder / "erosion/rdms.h5").read_bytes()).hexdigest()
    assert rsa["inputs"] == {"rdms": digest}
    assert rsa["params"]["erosion.rsa"]["n_permutations"] == 100
    assert rsa["seed"] == 5
    extract = json.loads((folder / "data/betas_subj01.json").read_text())
    assert "nsd/betas_session01.hdf5" in extract["inputs"]
    assert set(extract["params"]) == {"rois"}


def without_acquisition(data: dict) -> dict:
    return {key: value for key, value in data.items() if key != "acquisition"}


def test_a_local_tree_gives_the_same_results(finished, project):
    """The files of one study, read as somebody's existing NSD tree."""
    tree = project.folder / "somewhere"
    shutil.copytree(finished.folder / "data/tiny", tree)
    # all subjects here have as many sessions as the design asks of `local`
    sessions = 2
    local = {"source": "local", "local_dir": str(tree), "accept_nsd_terms": True}
    project.write_study(overlay(data=local | {"sessions": sessions}))
    project.snakemake("--cores", "2", "results")
    other = copy_project(project.folder / "other")
    other.write_study(overlay(data={"sessions": sessions}))
    other.snakemake("--cores", "2", "results")
    found = {name: without_acquisition(data) for name, data in project.data().items()}
    assert found == {
        name: without_acquisition(data)
        for name, data in other.data().items()
        if "planted" not in name
    }
    assert (project.folder / "data/tiny/nsddata").is_dir()
    link = next((project.folder / "data/tiny").rglob("betas_session01.hdf5"))
    assert link.is_symlink()


def test_a_bucket_gives_the_same_results(finished, project, tmp_path_factory):
    boto3 = pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.create_bucket(Bucket="natural-scenes-dataset", ACL="public-read")
        tree = finished.folder / "data/tiny"
        for path in tree.rglob("*"):
            number = path.stem[-2:]
            if path.is_file() and not (path.stem.startswith("betas_") and number == "03"):
                key = str(path.relative_to(tree))
                public = {"ACL": "public-read"}
                client.upload_file(str(path), "natural-scenes-dataset", key, ExtraArgs=public)
        project.write_study(
            overlay(
                data={
                    "source": "s3",
                    "endpoint_url": url,
                    "accept_nsd_terms": True,
                    "download": "files",
                    "sessions": 2,
                    "backoff_s": 0.01,
                }
            )
        )
        project.snakemake("--cores", "2", "results")
    finally:
        server.stop()
    store = project.folder / "data/store"
    assert len(list(store.glob("nsddata_betas/**/betas_session*.hdf5"))) == 6
    assert project.data()["erosion/rsa.json"]["n_stimuli"] > 10


def test_measured_rdms(project):
    rng = np.random.default_rng(1)
    common = rng.random((1, 1, 190))
    rdms = common + 0.5 * rng.random((2, 4, 190))
    np.savez(project.folder / "measured.npz", rdms=rdms, subjects=["a", "b", "c", "d"])
    project.write_study(
        {
            "study": "measured",
            "rdms": {"file": "measured.npz", "label": "somewhere"},
            "erosion": {
                "tests": ["rsa", "rdm_gap"],
                "rsa": {"n_permutations": 100, "n_bootstrap": 100},
                "rdm_gap": {"n_permutations": 100, "n_labellings": 100, "n_bootstrap": 100},
            },
        }
    )
    project.snakemake("--cores", "2")
    region = project.data("measured")["erosion/rsa.json"]["regions"][0]
    assert region["label"] == "somewhere"
    assert region["subjects"] == ["a", "b", "c", "d"]
    assert region["similarity"]["p"] == pytest.approx(1 / 101)
    gap = project.data("measured")["erosion/rdm_gap.json"]["regions"][0]
    assert gap["published"]["population"]["p"] == pytest.approx(1 / 101)
    assert gap["noise_free"]["n_subjects"] == 4
    for kind in ("pdf", "html"):
        assert (project.folder / f"paper/measured.{kind}").stat().st_size > 0


def test_another_library_on_the_path_is_passed_over(project, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "brainworth").mkdir()
    (other / "brainworth/__init__.py").write_text("raise ImportError('the other library')")
    path = os.pathsep.join([str(other), str(project.folder / "src")])
    target = "results/tiny/data/matching.json"
    project.snakemake("--cores", "1", target, environment={"PYTHONPATH": path})
    assert (project.folder / target).is_file()


def test_the_frozen_configuration_is_kept(finished):
    kept = list((finished.folder / "results/tiny/.run").glob("config.*.yaml"))
    assert kept
    assert "n_permutations: 100" in kept[0].read_text()


def test_extract_agrees_with_the_betas_files(finished):
    """An independent way from the session file to the extract, for one voxel."""
    root = finished.folder / "data/tiny"
    with h5py.File(finished.folder / "results/tiny/data/betas_subj03.h5") as file:
        x, y, z = file["voxels/ijk"][7]
        found = file["betas"][750:1500, 7]
    path = "nsddata_betas/ppdata/subj03/func1pt8mm/betas_fithrf_GLMdenoise_RR/betas_session02.hdf5"
    with h5py.File(root / path) as file:
        percent = file["betas"][:, z, y, x] / 300
    expected = (percent - percent.mean()) / percent.std(ddof=1)
    np.testing.assert_allclose(found, expected, atol=2e-5)
