"""A study's own folder must not hold what the user wants to keep."""

import pytest

from brainworth.errors import BrainworthError
from brainworth.nsd import places


@pytest.fixture
def data(default_config):
    return default_config.data.model_copy(update={"store_dir": "data/store"})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NSD_DATA_DIR", raising=False)
    (tmp_path / "data/study/nsddata").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data/study")
    return tmp_path


@pytest.mark.parametrize("tree", ["data/study", "data/study/", "data/study/nsddata", "link"])
@pytest.mark.parametrize("by_variable", [False, True])
def test_a_tree_in_the_folder_is_refused(data, elsewhere, monkeypatch, tree, by_variable):
    change = {"source": "local", "local_dir": None if by_variable else tree}
    if by_variable:
        monkeypatch.setenv("NSD_DATA_DIR", tree)
    with pytest.raises(BrainworthError, match="lies in the study's own folder"):
        places.check(elsewhere / "data/study", data.model_copy(update=change))


def test_a_store_in_or_around_the_folder_is_refused(data, elsewhere):
    for store in ("data/study", "data/study/store", "data", "link"):
        with pytest.raises(BrainworthError, match=r"data\.store_dir: .* overlap"):
            places.check(elsewhere / "data/study", data.model_copy(update={"store_dir": store}))


def test_data_of_one_s_own_elsewhere_is_fine(data, elsewhere):
    places.check(elsewhere / "data/study", data)
    for tree in ("mine", "data", "absent"):
        change = {"source": "local", "local_dir": tree}
        places.check(elsewhere / "data/study", data.model_copy(update=change))
