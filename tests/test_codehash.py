"""The hash of the code a script runs: what changes it and what does not."""

from __future__ import annotations

import itertools

import pytest

from brainworth import codehash

SCRIPT = """
from brainworth.stage import work

work.run(1)
"""
WORK = '''
"""What this does."""

from brainworth import helper


def run(x):
    """Run it."""
    return helper.double(x)  # twice
'''
HELPER = """
import numpy as np

FACTOR = 2


def double(x):
    return FACTOR * x
"""
UNUSED = "SECRET = 1\n"


@pytest.fixture
def checkout(tmp_path):
    """Write a small project; keyword arguments replace a file. Every call is a fresh checkout."""
    numbers = itertools.count()

    def function(**changes):
        contents = {
            "script": SCRIPT,
            "init": '"""The package."""\n',
            "stage_init": "",
            "work": WORK,
            "helper": HELPER,
            "unused": UNUSED,
        } | changes
        root = tmp_path / f"checkout{next(numbers)}"
        places = {
            "script": "scripts/script.py",
            "init": "src/brainworth/__init__.py",
            "stage_init": "src/brainworth/stage/__init__.py",
            "work": "src/brainworth/stage/work.py",
            "helper": "src/brainworth/helper.py",
            "unused": "src/brainworth/unused.py",
        }
        for name, place in places.items():
            path = root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(contents[name])
        return root / "scripts/script.py", root / "src"

    return function


def test_fresh_checkout_has_the_same_hash(checkout):
    first, second = codehash.code_hash(*checkout()), codehash.code_hash(*checkout())
    assert first == second
    assert len(first) == 16
    assert set(first) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "changes",
    [
        {"work": WORK.replace("# twice", "# two times, as said before")},
        {"work": WORK.replace("Run it.", "Runs it, and this takes\n    two lines.")},
        {"work": WORK.replace('"""What this does."""', "")},
        {"work": WORK.replace("return", "return    ").replace("def run", "\n\n\ndef run")},
        {"helper": HELPER.replace("FACTOR * x", "(FACTOR *\n            x)")},
        {"helper": HELPER.replace("    return", '    """Double."""\n    return')},
        {"script": '"""A script."""\n# A comment.\n' + SCRIPT},
        {"init": "# only a comment\n"},
    ],
)
def test_what_does_not_change_what_runs_does_not_count(changes, checkout):
    assert codehash.code_hash(*checkout(**changes)) == codehash.code_hash(*checkout())


@pytest.mark.parametrize(
    "changes",
    [
        {"script": SCRIPT.replace("1", "2")},
        {"work": WORK.replace("double(x)", "double(x) + 1")},
        {"helper": HELPER.replace("FACTOR = 2", "FACTOR = 3")},  # imported by an import
        {"helper": HELPER.replace("FACTOR = 2", "FACTOR = 2.0")},
        {"helper": HELPER.replace("FACTOR = 2", 'FACTOR = "2"')},
        {"init": "LEVEL = 1\n"},  # importing a module runs its packages
        {"stage_init": "LEVEL = 1\n"},
    ],
)
def test_what_changes_what_runs_counts(changes, checkout):
    assert codehash.code_hash(*checkout(**changes)) != codehash.code_hash(*checkout())


def test_module_that_is_not_imported_does_not_count(checkout):
    changed = checkout(unused="SECRET = 2\n")
    assert codehash.code_hash(*changed) == codehash.code_hash(*checkout())
    script, source = changed
    assert source / "brainworth/unused.py" not in codehash.files_of(script, source)


@pytest.mark.parametrize(
    "statement",
    [
        "import brainworth.unused",
        "import brainworth.unused as u",
        "from brainworth import unused",
        "from brainworth.unused import SECRET",
        "def f():\n    from brainworth import unused",  # imported late
        "if True:\n    import brainworth.unused",
    ],
)
def test_every_way_to_import_is_followed(statement, checkout):
    script, source = checkout(helper=f"{HELPER}\n{statement}\n")
    assert source / "brainworth/unused.py" in codehash.files_of(script, source)


def test_packages_on_the_way_to_a_module_count(checkout):
    script, source = checkout(script="import brainworth.stage.work\n")
    packages = {source / "brainworth/__init__.py", source / "brainworth/stage/__init__.py"}
    assert packages <= set(codehash.files_of(script, source))


def test_imports_in_a_circle_end(checkout):
    script, source = checkout(helper=HELPER + "\nfrom brainworth.stage import work\n")
    found = codehash.files_of(script, source)
    assert len(found) == len(set(found)) == 5


@pytest.mark.parametrize("statement", ["from . import helper", "from .helper import double"])
def test_relative_import_is_refused(statement, checkout):
    script, source = checkout(work=statement + "\n")
    with pytest.raises(ValueError, match=r"work\.py, line 1: imports must be absolute"):
        codehash.code_hash(script, source)


@pytest.fixture
def restart(monkeypatch):
    """Return a function after which hashing knows no more than in a fresh process."""

    def function():
        for name in ("_kept", "_used"):
            monkeypatch.setattr(codehash, name, {})
        for name in ("_read", "_imports"):
            getattr(codehash, name).cache_clear()

    return function


@pytest.fixture
def parsed(monkeypatch):
    """Return the names of the files that are parsed from now on."""
    names = []
    parse = codehash._parse

    def noting(content, file):
        names.append(file.name)
        return parse(content, file)

    monkeypatch.setattr(codehash, "_parse", noting)
    return names


def test_what_was_kept_is_not_parsed_again_and_gives_the_same_hash(
    checkout, restart, parsed, tmp_path
):
    cache = tmp_path / "below/code.json"
    restart()
    expected = codehash.code_hash(*checkout())
    assert "helper.py" in parsed
    codehash.keep(cache)
    restart()
    parsed.clear()
    codehash.recall(cache)
    assert codehash.code_hash(*checkout()) == expected
    assert parsed == []


def test_only_a_changed_file_is_parsed_again(checkout, restart, parsed, tmp_path):
    changed = HELPER.replace("2", "3")
    restart()
    expected = codehash.code_hash(*checkout(helper=changed))
    restart()
    codehash.code_hash(*checkout())
    codehash.keep(tmp_path / "code.json")
    restart()
    parsed.clear()
    codehash.recall(tmp_path / "code.json")
    assert codehash.code_hash(*checkout(helper=changed)) == expected
    assert parsed == ["helper.py"]


def test_a_file_that_was_changed_back_has_its_first_hash(checkout, restart, tmp_path):
    cache = tmp_path / "code.json"
    found = []
    for helper in (HELPER, HELPER.replace("2", "3"), HELPER):
        restart()
        codehash.recall(cache)
        found.append(codehash.code_hash(*checkout(helper=helper)))
        codehash.keep(cache)
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-20], lambda text: text.replace("3.", "2.", 1), lambda text: "[]"]
)
def test_a_cache_that_is_damaged_or_of_another_python_is_passed_over(
    damage, checkout, restart, parsed, tmp_path
):
    cache = tmp_path / "code.json"
    restart()
    expected = codehash.code_hash(*checkout())
    codehash.keep(cache)
    cache.write_text(damage(cache.read_text()))
    restart()
    parsed.clear()
    codehash.recall(cache)
    assert codehash.code_hash(*checkout()) == expected
    assert "helper.py" in parsed


def test_a_cache_that_holds_all_is_not_written_again(checkout, restart, tmp_path):
    cache = tmp_path / "code.json"
    restart()
    codehash.code_hash(*checkout())
    codehash.keep(cache)
    before = cache.stat().st_mtime_ns
    restart()
    codehash.recall(cache)
    codehash.code_hash(*checkout())
    codehash.keep(cache)
    assert cache.stat().st_mtime_ns == before


def names_of(repository, script):
    source = repository / "src"
    found = codehash.files_of(repository / "scripts" / script, source)
    return {str(file.relative_to(source)) for file in found[1:]}


def test_every_script_of_the_pipeline_hashes(repository):
    scripts = sorted((repository / "scripts").glob("*.py"))
    hashes = {file.name: codehash.code_hash(file, repository / "src") for file in scripts}
    assert len(hashes) >= 10
    assert len(set(hashes.values())) == len(hashes)


def test_every_script_reaches_what_it_runs(repository):
    everything = {script.name for script in (repository / "scripts").glob("*.py")}
    for script in everything:
        assert {"brainworth/job.py", "brainworth/results.py"} <= names_of(repository, script)
    simulated = names_of(repository, "simulate_subject.py")
    assert {
        f"brainworth/nsd/simulate/{m}.py" for m in ("truth", "sessions", "anatomy")
    } <= simulated
    assert "brainworth/nsd/betas.py" in names_of(repository, "extract_betas.py")


def test_stages_do_not_depend_on_each_other(repository):
    for script in ("figure.py", "paper.py", "paper_html.py"):
        assert not [n for n in names_of(repository, script) if n.startswith("brainworth/erosion/")]
    for script in ("simulate_subject.py", "match_stimuli.py", "extract_betas.py", "fetch.py"):
        names = names_of(repository, script)
        assert not [name for name in names if "/erosion/" in name or "/report/" in name]
    for script in (
        *("rsa.py", "fingerprinting.py", "heteroscedasticity.py"),
        *("direction_erosion.py", "variance_blindness.py"),
    ):
        assert not [name for name in names_of(repository, script) if "/report/" in name]
