"""config.yaml, its schema, and what happens to a study that is wrong."""

from __future__ import annotations

import copy
import json
import random

import pytest
import yaml

from brainworth import config
from brainworth.errors import BrainworthError


@pytest.fixture
def default(repository):
    """The content of config.yaml, to be changed by a test."""
    return yaml.safe_load((repository / "config.yaml").read_text())


def changed(default, key, value):
    """Return the default study with one dotted key set."""
    study = copy.deepcopy(default)
    *sections, last = key.split(".")
    section = study
    for name in sections:
        section = section[name]
    section[last] = value
    return study


def complaint(study, origin="study.yaml"):
    """Return what `validate` says about a study, which must not be valid."""
    with pytest.raises(BrainworthError) as caught:
        config.validate(study, origin)
    return str(caught.value)


def test_default_study_is_valid(repository, default):
    loaded = config.load(repository / "config.yaml")
    assert loaded.model_dump() == default


def test_schema_in_the_repository_is_the_generated_one(repository):
    assert (repository / "config.schema.json").read_text() == config.schema()


def test_config_yaml_names_the_schema_for_editors(repository):
    first = (repository / "config.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=config.schema.json"


def test_classes_hold_no_defaults():
    def fields(section):
        for name, field in section.model_fields.items():
            yield f"{section.__name__}.{name}", field
            if isinstance(field.annotation, type) and issubclass(field.annotation, config.Section):
                yield from fields(field.annotation)

    found = dict(fields(config.Config))
    assert len(found) > 40
    assert [name for name, field in found.items() if not field.is_required()] == []


def unexplained_keys(text):
    """List the keys without a comment: in the line above, or above a neighbour in the same block.

    A block is a run of lines without a blank one and of one indentation; its first key must be
    explained, and one comment may explain the keys that follow it.
    """
    missing, commented, indentation = [], False, 0
    lines = text.splitlines()
    for number, line in enumerate(lines):
        stripped = line.lstrip()
        indent = len(line) - len(stripped)
        if not stripped:
            commented = False
        elif stripped.startswith("#"):
            commented, indentation = True, indent
        elif not stripped.startswith("- "):  # an item of a list is explained with its list
            following = lines[number + 1] if number + 1 < len(lines) else ""
            opens_section = len(following) - len(following.lstrip()) > indent
            if indent != indentation and not opens_section:
                commented = commented and indent < indentation
                indentation = indent
            if not commented and not opens_section:
                missing.append(stripped.split(":")[0])
    return missing


# Their names say all that a comment could.
SELF_EXPLANATORY = {"n_permutations", "n_bootstrap", "title"}


def test_every_key_of_config_yaml_is_explained(repository):
    text = (repository / "config.yaml").read_text()
    assert set(unexplained_keys(text)) <= SELF_EXPLANATORY


def test_an_unexplained_key_is_noticed():
    assert unexplained_keys("# Yes.\na: 1\n\nb: 2\n") == ["b"]
    assert unexplained_keys("s:\n  # Yes.\n  a: 1\n  b: 2\n\n  c: 3\n") == ["c"]
    assert unexplained_keys("# Section.\ns:\n  a: 1\n") == ["a"]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("sed", "seed"),
        ("data.session", "sessions"),
        ("erosion.rsa.n_permutation", "n_permutations"),
        ("simulation.scales", "scale"),
        ("design.min_repetition", "min_repetitions"),
    ],
)
def test_mistyped_key_is_answered_with_the_right_one(default, key, meant):
    message = complaint(changed(default, key, 1))
    assert message.startswith("study.yaml is not valid:\n")
    assert f"{key}: unknown key; did you mean '{meant}'?" in message


def test_unknown_key_like_no_other_is_answered_with_all(default):
    message = complaint(changed(default, "design.zzzzzz", 1))
    assert "design.zzzzzz: unknown key; known keys here: min_repetitions" in message


def test_missing_key_is_named(default):
    del default["erosion"]["rsa"]["n_bootstrap"]
    assert "erosion.rsa.n_bootstrap: missing; take it from config.yaml" in complaint(default)


def test_all_problems_are_told_at_once(default):
    study = changed(changed(default, "seed", -1), "interval", 2)
    assert complaint(study).count("\n") == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "20260101"),  # a string is not a number
        ("seed", 1.5),
        ("seed", True),
        ("seed", -1),
        ("study", 2026),
        ("study", "../elsewhere"),
        ("study", ""),
        ("interval", "0.95"),
        ("interval", 1.0),
        ("interval", 0.5),
        ("interval", float("nan")),
        ("subjects", "subj01"),
        ("subjects", []),
        ("subjects", ["subj09"]),
        ("subjects", [1, 2]),
        ("rois", ["V9"]),
        ("rois", []),
        ("data.accept_nsd_terms", "yes"),
        ("data.accept_nsd_terms", 1),
        ("data.source", "bucket"),
        ("data.attempts", 0),
        ("data.parallel", 65),
        ("data.sessions", 0),
        ("data.sessions", 41),
        ("data.sessions", "most"),
        ("data.sessions", True),
        ("data.sessions", "10"),
        ("data.backoff_s", -1),
        ("data.backoff_s", float("inf")),
        ("simulation.scale", "medium"),
        ("simulation.shared_fraction", [0.5] * 7),
        ("simulation.shared_fraction", [0.5] * 7 + [1.1]),
        ("simulation.ncsnr", [0.5] * 7 + [0]),
        ("simulation.ncsnr", [0.5] * 7 + [float("inf")]),
        ("simulation.ncsnr_log_sd", float("nan")),
        ("simulation.ncsnr_log_sd", float("inf")),
        ("design.min_repetitions", 4),
        ("design.min_repetitions", 2.0),
        ("erosion", None),
        ("erosion.tests", ["anova"]),
        ("erosion.rsa.comparison", "kendall"),
        ("erosion.rsa.n_permutations", 99),
        ("erosion.fingerprinting.n_subsamples", 0),
        ("report.title", None),
    ],
)
def test_wrong_value_is_refused_and_named(default, key, value):
    message = complaint(changed(default, key, value))
    problems = message.splitlines()[1:]
    assert problems
    assert all(line.startswith(f"  {key}") for line in problems)
    assert "literal[" not in message  # no names of the machinery


def test_value_of_a_key_of_two_kinds_is_explained_by_the_key(default):
    message = complaint(changed(default, "data.sessions", 41))
    assert "data.sessions: Input should be less than or equal to 40 (got 41)" in message


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("subjects", ["subj01", "subj02", "subj01"]),
        ("rois", ["V1", "V1"]),
        ("erosion.tests", ["rsa", "rsa"]),
    ],
)
def test_what_is_named_twice_is_refused(default, key, values):
    assert f"{key} names something twice" in complaint(changed(default, key, values))


def test_measured_rdms_support_tests_of_rdms_only(default):
    study = changed(default, "rdms.file", "mine.mat")
    assert "set erosion.tests to [rsa, rdm_gap] or one of them" in complaint(study)
    for tests in (["rsa"], ["rdm_gap"], ["rdm_gap", "rsa"]):
        assert config.validate(changed(study, "erosion.tests", tests)).rdms.file == "mine.mat"


def test_regions_are_free_only_in_files_of_means(default):
    study = changed(default, "rois", ["V1", "PPA"])
    assert "rois: PPA is not known; choose from V1, V2" in complaint(study)
    study["roi_means"]["dir"] = "means"
    assert config.validate(study).rois == ["V1", "PPA"]
    study["rdms"]["file"] = "mine.mat"
    study["erosion"]["tests"] = ["rsa"]
    assert "roi_means.dir and rdms.file are both set" in complaint(study)


def test_shares_of_noise_must_not_exceed_one(default):
    study = changed(default, "simulation.noise_global_fraction", 0.75)
    assert config.validate(study).simulation.noise_global_fraction == 0.75  # 0.75 + 0.25 = 1
    message = complaint(changed(study, "simulation.noise_spatial_fraction", 0.26))
    problem = message.splitlines()[1]
    assert problem == (
        "  simulation: noise_global_fraction + noise_spatial_fraction must not exceed 1"
    )


def test_missing_file_is_named(tmp_path):
    path = tmp_path / "none.yaml"
    with pytest.raises(BrainworthError, match=r"none\.yaml does not exist"):
        config.load(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"seed: [1, 2", "not readable as YAML"),
        (b"a: b: c\n", "not readable as YAML"),
        (b"\xff\xfe\x00seed", "not readable as YAML"),
        (b"\tseed: 1\n", "not readable as YAML"),
        (b"- seed\n- 1\n", "must hold keys and values, not a list"),
        (b"seed\n", "must hold keys and values, not a str"),
    ],
)
def test_damaged_file_is_named(content, said, tmp_path, repository):
    path = tmp_path / "damaged.yaml"
    path.write_bytes(content)
    with pytest.raises(BrainworthError, match=said) as caught:
        config.load(repository / "config.yaml", path)
    assert str(path) in str(caught.value)


def test_folder_instead_of_a_file_is_named(tmp_path):
    with pytest.raises(BrainworthError, match="not readable as YAML") as caught:
        config.load(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_truncated_config_is_refused(repository, tmp_path):
    text = (repository / "config.yaml").read_text()
    path = tmp_path / "config.yaml"
    path.write_text(text[: text.index("\ndesign:")])
    with pytest.raises(BrainworthError, match="design: missing; take it from") as caught:
        config.load(path)
    assert str(path) in str(caught.value)


def test_overlays_merge_sections_and_replace_lists(repository, tmp_path):
    first, second, empty = (tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml"))
    first.write_text("rois: [V1, V2]\nerosion: {rsa: {n_bootstrap: 111}}\nseed: 1\n")
    second.write_text("rois: [hV4]\nerosion: {rsa: {n_permutations: 222}}\n")
    empty.write_text("# nothing\n")
    loaded = config.load(repository / "config.yaml", first, second, empty)
    assert loaded.rois == ["hV4"]
    assert loaded.seed == 1
    assert (loaded.erosion.rsa.n_bootstrap, loaded.erosion.rsa.n_permutations) == (111, 222)
    default = config.load(repository / "config.yaml")
    assert loaded.erosion.rsa.comparison == default.erosion.rsa.comparison
    assert loaded.data == default.data


def test_origin_of_a_merged_study_names_all_files(repository, tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("sede: 1\n")
    with pytest.raises(BrainworthError, match="did you mean 'seed'") as caught:
        config.load(repository / "config.yaml", overlay)
    assert f"config.yaml + {overlay} is not valid" in str(caught.value)


def test_merge_changes_neither_side():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    overlay = {"a": {"b": 2}, "d": {"e": 1}}
    before = copy.deepcopy((base, overlay))
    assert config.merge(base, overlay) == {"a": {"b": 2, "c": [1, 2]}, "d": {"e": 1}}
    assert (base, overlay) == before


def test_studies_of_the_repository_are_valid(repository):
    studies = sorted((repository / "studies").glob("*.yaml"))
    for study in studies:
        loaded = config.load(repository / "config.yaml", study)
        assert loaded.study != "simulated", f"{study.name} would overwrite the default study"
    assert len({config.load(repository / "config.yaml", s).study for s in studies}) == len(studies)


def shuffled(value, rng):
    """Return the same mapping with its keys in another order, at every level."""
    if not isinstance(value, dict):
        return value
    keys = list(value)
    rng.shuffle(keys)
    return {key: shuffled(value[key], rng) for key in keys}


def test_slice_depends_on_the_values_only(default):
    keys = ["seed", "erosion.rsa", "simulation", "rois"]
    rng = random.Random(1)
    expected = config.slice_of(default, keys)
    for _ in range(5):
        rng.shuffle(keys)
        assert config.slice_of(shuffled(default, rng), keys) == expected


def test_slice_of_100_and_of_100_point_0_is_the_same_text(default):
    def text(value):
        study = config.validate(changed(default, "data.backoff_s", value))
        return config.slice_of(study.model_dump(), ["data"])

    assert text(100) == text(100.0)
    assert text(100) != text(101)


def test_slice_holds_what_was_asked_and_nothing_else(default):
    chosen = json.loads(config.slice_of(default, ("seed", "erosion.rsa.comparison")))
    assert chosen == {"seed": default["seed"], "erosion.rsa.comparison": "spearman"}


def test_slice_changes_with_the_keys_it_holds_and_not_with_others(default):
    keys = ["seed", "erosion.rsa"]
    before = config.slice_of(default, keys)
    other = changed(default, "erosion.fingerprinting.n_bootstrap", 4711)
    assert config.slice_of(other, keys) == before
    assert config.slice_of(changed(default, "erosion.rsa.n_bootstrap", 4711), keys) != before


def test_slice_of_an_unknown_key_is_a_mistake_of_the_programmer(default):
    with pytest.raises(KeyError):
        config.slice_of(default, ["erosion.rsa.nothing"])


def test_a_key_that_stands_twice_is_refused(tmp_path, repository):
    study = tmp_path / "twice.yaml"
    study.write_text("study: one\nerosion:\n  rsa: {n_bootstrap: 100, n_bootstrap: 200}\n")
    with pytest.raises(
        BrainworthError, match=r"'n_bootstrap' stands twice, in line 3 and in line 3"
    ):
        config.load(repository / "config.yaml", study)
    study.write_text("study: one\nseed: 1\nstudy: two\n")
    with pytest.raises(BrainworthError, match=r"twice.yaml .*'study' stands twice, in line 1"):
        config.load(repository / "config.yaml", study)


def test_merge_keys_of_yaml_are_not_repetitions(tmp_path):
    study = tmp_path / "merged.yaml"
    study.write_text("base: &base {a: 1, b: 2}\nother: {<<: *base, a: 3}\n")
    assert config.read_file(study)["other"] == {"a": 3, "b": 2}


def test_the_encoders_subjects_must_be_in_the_study(default):
    study = changed(
        changed(default, "encoder.run", True), "subjects", ["subj01", "subj05", "subj07"]
    )
    assert "the encoder needs subj02 (encoder.subjects, or encoder.transfer" in complaint(study)
    without = changed(study, "encoder.parts", ["linear", "chasm"])
    assert config.validate(without).encoder_subjects == ["subj01", "subj05"]
    assert not config.validate(changed(study, "encoder.run", False)).encoder_runs


@pytest.mark.parametrize(
    ("key", "entry", "words"),
    [
        ("spaces", {"source": "planted", "allignment": 1.0}, "did you mean 'alignment'?"),
        ("spaces", {"source": "file", "paht": "x"}, "unknown key; "),
        ("spaces", {"source": "elsewhere"}, "'elsewhere'"),
    ],
)
def test_a_wrong_entry_of_a_list_is_named(default, key, entry, words):
    path = f"bridges.feature_spaces.{key}"
    entries = copy.deepcopy(default["bridges"]["feature_spaces"][key])
    entries[2] = {"name": "aligned", **entry}
    told = complaint(changed(default, path, entries))
    assert f"{path}.2" in told
    assert words in told


def test_feature_spaces_that_do_not_belong_to_the_data_are_refused(default):
    real = changed(default, "data.source", "local")
    told = complaint(changed(real, "bridges.parts", ["feature_spaces"]))
    assert "bridges.feature_spaces.spaces: aligned and half aligned and misaligned" in told
    assert "only simulated data can have" in told
    assert config.validate(changed(real, "bridges.run", False))
    assert config.validate(changed(real, "bridges.parts", ["decoding"]))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("pair", {"aligned": "aligned", "unaligned": "other"}, "pair must name two of the spaces"),
        ("pair", {"aligned": "aligned", "unaligned": "aligned"}, "pair must name two of the"),
        ("subjects", ["subj01", "subj01"], "names somebody twice"),
    ],
)
def test_feature_spaces_that_contradict_themselves_are_refused(default, key, value, words):
    assert words in complaint(changed(default, f"bridges.feature_spaces.{key}", value))


def test_two_feature_spaces_of_one_name_are_refused(default):
    entries = copy.deepcopy(default["bridges"]["feature_spaces"]["spaces"])
    entries[1]["name"] = entries[0]["name"]
    told = complaint(changed(default, "bridges.feature_spaces.spaces", entries))
    assert "two have the same name" in told


def test_feature_spaces_are_of_subjects_of_the_bridges(default):
    told = complaint(changed(default, "bridges.subjects", ["subj01", "subj05"]))
    assert "feature_spaces.subjects names subj07" in told
    alone = changed(default, "bridges.subjects", ["subj01", "subj05"])
    assert config.validate(changed(alone, "bridges.parts", ["decoding"]))


def test_bridges_are_about_all_subjects_unless_some_are_named(default):
    assert config.validate(default).bridge_subjects == default["subjects"]
    three = changed(default, "bridges.subjects", ["subj01", "subj05", "subj07"])
    assert config.validate(three).bridge_subjects == ["subj01", "subj05", "subj07"]
    fewer = changed(three, "subjects", ["subj01", "subj02", "subj05"])
    told = complaint(changed(fewer, "encoder.run", False))
    assert "bridges.subjects names subj07" in told
    off = changed(three, "bridges.run", False)
    assert config.validate(off).described_subjects == ["subj01", "subj02", "subj05", "subj07"]
