"""What all rules share: the checked and frozen configuration, paths, and what a rule is given."""

import os
import sys
from pathlib import Path

from brainworth import config as settings
from brainworth import codehash, files, runtime, slurm
from brainworth.encoder.features import weights
from brainworth.errors import BrainworthError
from brainworth.nsd import places, registry, roi_means, rois, terms
from brainworth.nsd.simulate import paths, scales
from brainworth.sections.erosion import VALIDATED

BASE = Path(workflow.basedir)

if not workflow.is_main_process:
    runtime.read_frozen_config(config)

try:
    if workflow.is_main_process:
        for _file in workflow.configfiles:
            settings.read_file(Path(_file))  # Snakemake does not mind a key that stands twice
    CONFIG = settings.validate(config, "the configuration")
    FROM_NSD = CONFIG.rdms.file is None and CONFIG.roi_means.dir is None
    ROI_MEANS = {}
    if FROM_NSD:
        places.check(Path("data", CONFIG.study), CONFIG.data)
    if CONFIG.roi_means.dir is not None:
        ROI_MEANS = roi_means.locate(Path(CONFIG.roi_means.dir), CONFIG.subjects)
except BrainworthError as error:
    raise WorkflowError(str(error)) from None

if CONFIG.rdms.file is not None and not Path(CONFIG.rdms.file).is_file():
    raise WorkflowError(
        f"rdms.file: {CONFIG.rdms.file} does not exist; put the file there, or say where it is with "
        "--config 'rdms={file: PATH}'"
    )

if CONFIG.described_subjects and CONFIG.encoder.features.backend == "file":
    if not Path(CONFIG.encoder.features.file).is_file():
        raise WorkflowError(
            f"encoder.features.file: {CONFIG.encoder.features.file} does not exist; put the file "
            "there (docs/features.md says what it holds), or set encoder.features.backend to gabor"
        )

if " " in sys.executable:
    raise WorkflowError(
        f"{sys.executable}: Snakemake cannot run scripts from a path with a space in it; move the "
        "checkout (or the environment) to a path without one"
    )

if workflow.is_main_process:
    runtime.freeze_config(CONFIG, Path("results", CONFIG.study, ".run"))
    runtime.prepare_jobs(BASE)

STUDY = CONFIG.study
DATA = f"data/{STUDY}"
OUT = f"results/{STUDY}"
FIGURES = f"figures/{STUDY}"
LOGS = f"logs/{STUDY}"
PAPER = f"paper/{STUDY}.pdf"
WEBPAGE = f"paper/{STUDY}.html"
ENV = f"{BASE}/envs/brainworth.yaml"
# What the library's files came to when they were last hashed; may be removed at any time.
CODE_CACHE = Path(".snakemake", "brainworth-code.json")

codehash.recall(CODE_CACHE)


def require_terms():
    """Stop before the first job if real NSD is asked for without its terms being accepted."""
    if FROM_NSD and CONFIG.data.source != "simulated":
        if not CONFIG.data.accept_nsd_terms:
            raise WorkflowError(terms.NOT_ACCEPTED)


def require_weights():
    """Stop before the first job if the encoder needs weights that are not there."""
    features = CONFIG.encoder.features
    if CONFIG.described_subjects and features.backend == "dinov2":
        try:
            weights.locate(Path(features.weights))
        except BrainworthError as error:
            raise WorkflowError(str(error)) from None


def require_status_of_jobs():
    """Stop before the first job if Slurm would never say that it has ended."""
    # settings of the executor, of which only Slurm's has this one
    if getattr(workflow.executor_settings, "status_command", None) == "sacct":
        reason = slurm.without_accounting()
        if reason is not None:
            raise WorkflowError(
                f"sacct cannot tell what becomes of jobs ({reason}), and this run would wait for "
                f"ever; add the line `{slurm.REMEDY}` to profiles/slurm/profile.yaml"
            )


def clear_up():
    """Remove what jobs that were killed left half written; this run holds the lock."""
    files.remove_leftovers(Path(folder) for folder in (DATA, OUT, FIGURES, "paper"))


def keys(*names):
    """Give a rule these configuration keys and no others, as canonical JSON."""
    return settings.slice_of(CONFIG.model_dump(), ("study", *names))


def code(script, *modules):
    """Hash a script and the library modules it runs: a change of either runs the rule again.

    `modules` are those that the script imports by name, below src/brainworth/.
    """
    more = tuple(BASE / "src" / "brainworth" / module for module in modules)
    return codehash.code_hash(BASE / "scripts" / script, BASE / "src", more)


def growing(first):
    """Ask for more of a resource (MB, minutes) at each attempt; a profile says how many there are."""

    def amount(wildcards, attempt):
        return first * attempt

    return amount


def for_tokens(first, bytes_each, n_subjects=1):
    """Ask for `first` MB beside the tokens of the images of so many subjects.

    At the size of NSD, DINOv2's 256 tokens of 768 channels are 8 GB a subject in single precision.
    """
    features = CONFIG.encoder.features
    channels = 768
    if features.backend == "gabor":
        channels = features.gabor.scales * features.gabor.orientations + 66
    # 250 images a session: each is seen three times, and trials may be fewer
    images = 250 * max(SESSIONS.values(), default=0) * n_subjects
    return growing(first + bytes_each * images * features.grid**2 * channels // 10**6)


def in_data(nsd_keys):
    """Return where the study keeps these NSD objects."""
    return [f"{DATA}/{key}" for key in nsd_keys]


def data_root(wildcards):
    """Return the root of the study's NSD tree."""
    return DATA


def fetched_keys(subject):
    """List the NSD objects of one subject that are downloaded, or linked, whole."""
    keys_of = registry.volume_keys if BY_VOXELS else registry.subject_keys
    return keys_of(subject, SESSIONS[subject], VOLUMES)


def voxel_files(subject):
    """List the files of a subject's voxels, where only voxels of its sessions are kept."""
    numbers = range(1, SESSIONS[subject] + 1) if BY_VOXELS else []
    return in_data(registry.voxels_key(subject, number) for number in numbers)


def subject_files(wildcards):
    """List the files of NSD's that the extract of one subject reads."""
    subject = wildcards.subject
    return in_data(fetched_keys(subject)) + voxel_files(subject)


def session_keys(wildcards):
    """Return the session file of one subject and session, as a list."""
    return [registry.betas_key(wildcards.subject, int(wildcards.session))]


def volumes_of_subject(wildcards):
    """List the volumes that say which voxels a study takes from a subject's sessions."""
    return in_data(registry.atlas_keys() + fetched_keys(wildcards.subject))


def acquisition_of(wildcards):
    """Return what says how a subject's voxels were downloaded, if voxels were."""
    return f"{OUT}/data/fetch_voxels_{wildcards.subject}.json" if BY_RANGES else []


def sessions_of(subject):
    """Return how many sessions of a subject the study uses."""
    if CONFIG.data.source == "simulated":
        return scales.n_sessions(CONFIG.simulation.scale, subject, CONFIG.data.sessions)
    return registry.n_sessions(subject, CONFIG.data.sessions)


# Threads of the tests that take longest: two cores are kept busier by two tests than by two threads
# of one, which has parts that cannot be shared out. The results are the same.
THREADS = 1 if workflow.is_main_process and workflow.resource_settings.cores == 2 else 2
# Of those tests, what begins first: it should not be left to run alone at the end.
LONGEST = 5
SIMULATED = CONFIG.data.source == "simulated" and FROM_NSD
# Whether only voxels are downloaded, or whole session files.
BY_RANGES = FROM_NSD and CONFIG.data.source == "s3" and CONFIG.data.download == "ranges"
# Whether session files are downloaded, but dropped once their voxels have been taken.
PASSING = (
    CONFIG.data.source == "s3"
    and CONFIG.data.download == "files"
    and not CONFIG.data.keep_sessions
    and FROM_NSD
)
BY_VOXELS = BY_RANGES or PASSING
SESSIONS = {subject: sessions_of(subject) for subject in CONFIG.subjects}
EXTRACTS = (
    [] if CONFIG.rdms.file else [f"{OUT}/data/betas_{subject}.h5" for subject in CONFIG.subjects]
)
VOLUMES = rois.volumes_of(CONFIG.rois) if FROM_NSD else []
RESULTS = [f"{OUT}/erosion/{test}.json" for test in CONFIG.erosion.tests]
BEFS = (
    [f"{OUT}/befs/{part}.json" for part in CONFIG.befs.parts]
    if CONFIG.befs.run and CONFIG.rdms.file is None
    else []
)
# From each figure of the stage to the part that it shows; of `curves` there are two.
BEFS_DRAWINGS = {part: part for part in CONFIG.befs.parts}
if "curves" in CONFIG.befs.parts:
    BEFS_DRAWINGS["ridge"] = "curves"
BEFS_FIGURES = [f"{FIGURES}/befs_{drawing}.png" for drawing in BEFS_DRAWINGS if BEFS]
# Tests of which it is measured how often they are right; no data needed.
VALIDITY = [
    f"{OUT}/validity/{test}.json"
    for test in CONFIG.erosion.tests
    if test in VALIDATED and CONFIG.erosion.validity.run and CONFIG.rdms.file is None
]
VALIDITY_FIGURE = [f"{FIGURES}/validity.png"] if VALIDITY else []
PLANTED = [f"{OUT}/erosion/planted.json"] if SIMULATED else []
RDMS = [f"{OUT}/erosion/rdms.h5"] if settings.OF_RDMS & set(CONFIG.erosion.tests) else []
# Subjects that the encoder or a bridge needs, and the folder of what they are described by.
DESCRIBED_SUBJECTS = CONFIG.described_subjects
ENCODED = f"{OUT}/encoder"
# Cards that a job of the encoder which trains asks for, and one which describes images.
GPUS = int(CONFIG.encoder.device != "cpu")
FEATURES_GPUS = GPUS if CONFIG.encoder.features.backend == "dinov2" else 0
TRANSFER_TARGETS = [
    f"{ENCODED}/targets_{subject}.h5"
    for subject in DESCRIBED_SUBJECTS
    if subject in CONFIG.encoder.transfer.subjects
]
ENCODER_FIRST = f"{ENCODED}/targets_{CONFIG.encoder.subjects[0]}.h5"
# Features of images come from the images, or from a file that has them.
IMAGES = CONFIG.encoder.features.file
if CONFIG.encoder.features.backend != "file":
    IMAGES = f"{DATA}/{registry.STIMULI}"
ENCODER_KEYS = registry.encoder_keys(
    DESCRIBED_SUBJECTS, images=CONFIG.encoder.features.backend != "file"
)
ENCODER_PARTS = CONFIG.encoder.parts if CONFIG.encoder_runs else []
DESCRIBED = [
    *(f"{ENCODED}/features.json" for _ in DESCRIBED_SUBJECTS[:1]),
    *(f"{ENCODED}/targets_{subject}.json" for subject in DESCRIBED_SUBJECTS),
]
ENCODER = [
    *DESCRIBED,
    *(
        f"{ENCODED}/{part}{suffix}.json"
        for part in ENCODER_PARTS
        for suffix in (
            [f"_{subject}" for subject in CONFIG.encoder.subjects]
            if part in ("linear", "chasm")
            else [""]
        )
    ),
]
# From each figure of the encoder to the parts that it shows.
ENCODER_DRAWINGS = {
    drawing: [path for path in ENCODER if Path(path).stem.split("_")[0] in parts]
    for drawing, parts in {
        "models": ("linear", "chasm"),
        "training": ("chasm", "stage1", "stage2"),
        "clusters": ("clusters",),
        "streams": ("streams",),
        "transfer": ("transfer",),
    }.items()
}
ENCODER_FIGURES = [
    f"{FIGURES}/encoder_{drawing}.png" for drawing, shown in ENCODER_DRAWINGS.items() if shown
]
# The figure of all three answers, where there are results of all.
OVERVIEW_RESULTS = [
    *(path for path in RESULTS if Path(path).stem == "rsa"),
    *(path for path in BEFS if Path(path).stem == "curves"),
    *(path for path in ENCODER if Path(path).stem.split("_")[0] in ("linear", "chasm")),
]
OVERVIEW = (
    [f"{FIGURES}/overview.png"]
    if len({Path(path).stem.split("_")[0] for path in OVERVIEW_RESULTS}) == 4
    else []
)
# Whom the bridges are about, their results and figures.
BRIDGE_TARGETS = [f"{ENCODED}/targets_{subject}.h5" for subject in CONFIG.bridge_subjects]
BRIDGE_BETAS = [f"{OUT}/data/betas_{subject}.h5" for subject in CONFIG.bridge_subjects]
BRIDGE_PARTS = CONFIG.bridges.parts if CONFIG.bridges_run else []
BRIDGES = [f"{OUT}/bridges/{part}.json" for part in BRIDGE_PARTS]
BRIDGE_FIGURES = [f"{FIGURES}/bridge_{part}.png" for part in BRIDGE_PARTS]
CLAIMS = f"{OUT}/claims.json"
# Relative, so that a checkout may move without anything being run again.
LEDGER = os.path.relpath(BASE / "paper" / "claims.yaml")
MATCHING = [] if CONFIG.rdms.file else [f"{OUT}/data/matching.json"]
FROM_DATA = (
    [f"{OUT}/data/import_rdms.json"]
    if CONFIG.rdms.file
    else [
        *MATCHING,
        *(f"{OUT}/data/betas_{subject}.json" for subject in CONFIG.subjects),
    ]
)
# Everything a study keeps: what is missing of it is made again.
PRODUCTS = EXTRACTS + FROM_DATA + RDMS + RESULTS + PLANTED + [CLAIMS]


wildcard_constraints:
    subject=r"subj\d\d",
    session=r"\d\d",
    test="|".join(CONFIG.erosion.tests),
    drawing="|".join(BEFS_DRAWINGS),
    encoder_drawing="|".join(ENCODER_DRAWINGS),
    bridge="|".join(CONFIG.bridges.parts),
