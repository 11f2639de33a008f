"""The image of containers/Dockerfile, built, and the tiny study run in it (`make test-container`).

Downloads what the image consists of. BRAINWORTH_CONTAINER_ENGINE names an engine, if not the first
of Docker, Podman and Buildah that answers; BRAINWORTH_CONTAINER_BUILD holds options of `build`.
"""

import json
import os

import engine
import pytest
from project import Project

pytestmark = [pytest.mark.workflow, pytest.mark.container, pytest.mark.timeout(2 * 3600)]
#: Nobody's, in the image.
STRANGER = 1000


@pytest.fixture(scope="module")
def built() -> engine.Engine:
    found = engine.find()
    if found is None:
        pytest.fail("no container engine answers: Docker, Podman or Buildah is needed")
    found.build()
    return found


def commit(project: Project) -> str:
    """Make a checkout of a copy; returns its commit."""
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "all"]):
        engine.run(*git, *command, cwd=project.folder)
    return engine.run("git", "rev-parse", "HEAD", cwd=project.folder)[0].strip()


def give_away(project: Project) -> str:
    """Give a checkout to a stranger, but not its .git, which Git minds; returns whose it is."""
    if os.geteuid() != 0:
        return f"{os.getuid()}:{os.getgid()}"
    for path in (project.folder, *project.folder.rglob("*")):
        if path.name != ".git":
            os.chown(path, STRANGER, STRANGER)
    # pytest's folders are open to their owner alone; the engine, as root, mounts this one
    return f"{STRANGER}:{STRANGER}"


def test_the_tiny_study_is_the_same_in_a_container(built, project, finished):
    # newer than the image
    library = project.folder / "src/brainworth/__init__.py"
    library.write_text(library.read_text() + '\n__version__ += "+mounted"\n')
    made = commit(project)
    with built.mounting(project.folder, give_away(project)) as container:
        container("--cores", "2", "--configfile", "study.yaml")
        assert "good condition" in container("--lint", "--configfile", "study.yaml")
        assert "tiny" in container("verify", program="brainworth")
        assert "Nothing to be done" in container("--cores", "2", "--configfile", "study.yaml", "-n")
    assert (project.folder / "paper/tiny.pdf").is_file()
    assert project.data() == finished.data()
    for path in (project.folder / "results/tiny/erosion").glob("*.json"):
        envelope = json.loads(path.read_text())
        assert envelope["software"]["brainworth"].endswith("+mounted"), path
        assert envelope["git_commit"] == made, path
