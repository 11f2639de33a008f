"""What all rules share: the checked and frozen configuration, paths, and what a rule is given."""

import hashlib
import subprocess
from pathlib import Path

import yaml

from brainworth import config as settings
from brainworth.codehash import code_hash
from brainworth.errors import BrainworthError
from brainworth.nsd import registry, rois, simulate
from brainworth.nsd.simulate import scales

BASE = Path(workflow.basedir)

try:
    CONFIG = settings.validate(config, "the configuration")
except BrainworthError as error:
    raise WorkflowError(str(error)) from None

if CONFIG.rdms.file is not None and not Path(CONFIG.rdms.file).is_file():
    raise WorkflowError(
        f"rdms.file: {CONFIG.rdms.file} does not exist; put the file there, or say where it is with "
        "--config 'rdms={file: PATH}'"
    )

STUDY = CONFIG.study
DATA = f"data/{STUDY}"
OUT = f"results/{STUDY}"
FIGURES = f"figures/{STUDY}"
LOGS = f"logs/{STUDY}"
PAPER = f"paper/{STUDY}.pdf"
ENV = f"{BASE}/envs/brainworth.yaml"


def freeze_config():
    """Keep the configuration of this run, so that jobs that start later read the same one.

    The main process writes it and names it in the environment; jobs inherit the variable.
    """
    if "BRAINWORTH_FROZEN_CONFIG" in os.environ:
        return
    text = yaml.safe_dump(CONFIG.model_dump(), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    frozen = Path(OUT, ".run", f"config.{digest}.yaml").resolve()
    frozen.parent.mkdir(parents=True, exist_ok=True)
    frozen.write_text(text)
    os.environ["BRAINWORTH_FROZEN_CONFIG"] = str(frozen)


def prepare_environment():
    """Let jobs import the library of this checkout and know its commit."""
    source = str(BASE / "src")
    known = os.environ.get("PYTHONPATH", "")
    if source not in known.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [source, known]))
    os.environ.setdefault("BRAINWORTH_GIT_COMMIT", commit())


def commit():
    """Return the commit of this checkout, or nothing outside one."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    try:
        answer = subprocess.run(command, cwd=BASE, capture_output=True, text=True)
    except OSError:
        return ""
    return answer.stdout.strip()


def keys(*names):
    """Give a rule these configuration keys and no others, as canonical JSON."""
    return settings.slice_of(CONFIG.model_dump(), ("study", *names))


def code(script):
    """Hash a script and the library modules it runs: a change of either runs the rule again."""
    return code_hash(BASE / "scripts" / script, BASE / "src")


def in_data(nsd_keys):
    """Return where the study keeps these NSD objects."""
    return [f"{DATA}/{key}" for key in nsd_keys]


def sessions_of(subject):
    """Return how many sessions of a subject the study uses."""
    if CONFIG.data.source == "simulated":
        return scales.n_sessions(CONFIG.simulation.scale, subject, CONFIG.data.sessions)
    return registry.n_sessions(subject, CONFIG.data.sessions)


freeze_config()
prepare_environment()

SIMULATED = CONFIG.data.source == "simulated" and CONFIG.rdms.file is None
SESSIONS = {subject: sessions_of(subject) for subject in CONFIG.subjects}
EXTRACTS = (
    [] if CONFIG.rdms.file else [f"{OUT}/data/betas_{subject}.h5" for subject in CONFIG.subjects]
)
VOLUMES = rois.volumes_of(CONFIG.rois)
RESULTS = [f"{OUT}/erosion/{test}.json" for test in CONFIG.erosion.tests]
BEFS = (
    [f"{OUT}/befs/{part}.json" for part in CONFIG.befs.parts]
    if CONFIG.befs.run and CONFIG.rdms.file is None
    else []
)
PLANTED = [f"{OUT}/erosion/planted.json"] if SIMULATED else []


wildcard_constraints:
    subject=r"subj\d\d",
    test="|".join(CONFIG.erosion.tests),
