"""Every NSD object that a study can need, by its key in the bucket and on disk.

Keys, volume shapes and session counts follow the NSD Data Manual (cvnlab.slite.page: How to get
the data, Technical notes, Functional data, ROIs) and Allen et al. 2022. NSD keeps the same tree in
the bucket and on disk, so a key is also a path relative to the root of an NSD tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SUBJECTS = tuple(f"subj{number:02d}" for number in range(1, 9))
TRIALS_PER_SESSION = 750
SPACE = "func1pt8mm"
BETA_VERSION = "betas_fithrf_GLMdenoise_RR"
BETA_SCALE = 300  # stored int16 = percent signal change x 300 (manual: Functional data)

#: Sessions each subject completed (manual: Technical notes).
SESSIONS = dict(zip(SUBJECTS, (40, 40, 32, 30, 40, 32, 40, 30), strict=True))

#: Voxels along (x, y, z) of the 1.8-mm volumes (manual: Technical notes).
VOLUME_SHAPE = dict(
    zip(
        SUBJECTS,
        (
            (81, 104, 83),
            (82, 106, 84),
            (81, 106, 82),
            (85, 99, 80),
            (79, 97, 78),
            (85, 113, 83),
            (78, 95, 81),
            (80, 103, 78),
        ),
        strict=True,
    )
)

EXPDESIGN = "nsddata/experiments/nsd/nsd_expdesign.mat"
STIM_INFO = "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"

#: Label tables that are an atlas of fsaverage; the others are drawn subject by subject.
FSAVERAGE_TABLES = ("Kastner2015", "streams")

#: Labels of the ROI volumes (manual: ROIs). -1 is not cortex, 0 is cortex without a label.
LABELS: dict[str, tuple[str, ...]] = {
    "Kastner2015": (
        *("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4", "VO1", "VO2", "PHC1", "PHC2"),
        *("TO2", "TO1", "LO2", "LO1", "V3B", "V3A", "IPS0", "IPS1", "IPS2", "IPS3", "IPS4"),
        *("IPS5", "SPL1", "FEF"),
    ),
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "streams": (
        *("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"),
    ),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "nsdgeneral": ("nsdgeneral",),
}

#: Functional-localizer labels that are empty in a subject (no such region was found).
ABSENT_LABELS = {
    "aTL-faces": ("subj04",),
    "FBA-1": ("subj02", "subj07"),
    "mTL-bodies": ("subj01", "subj02", "subj03", "subj07"),
    "mTL-faces": ("subj01", "subj02", "subj03", "subj06"),
    "mTL-words": ("subj03",),
}

#: Volumes that are a mask, 1 inside; they need no label table (that of nsdgeneral, drawn on
#: fsaverage by hand, has the one label).
MASKS = ("nsdgeneral",)

#: The volume that groups visual cortex into streams, early to higher.
STREAMS = "streams"

#: Sizes in bytes, where they follow from the format (uncompressed images plus the HDF5 header
#: are not exact, so only what is exact stands here) or were published.
KNOWN_SIZES: dict[str, int] = {}

#: SHA-256 digests of objects, where known.
KNOWN_SHA256: dict[str, str] = {}


@dataclass(frozen=True)
class NsdObject:
    """One file of NSD.

    Attributes
    ----------
    key : str
        Key in the bucket, and path relative to the root of an NSD tree.
    size : int or None
        Size in bytes where it is known beforehand.
    sha256 : str or None
        Digest where it is known beforehand.
    """

    key: str
    size: int | None = None
    sha256: str | None = None


def describe(key: str) -> NsdObject:
    """Return the registry line of an object."""
    return NsdObject(key, KNOWN_SIZES.get(key), KNOWN_SHA256.get(key))


def n_sessions(subject: str, limit: str | int = "all") -> int:
    """Sessions of a subject that a study uses: all, or the first `limit`."""
    return SESSIONS[subject] if limit == "all" else min(int(limit), SESSIONS[subject])


def betas_key(subject: str, session: int) -> str:
    """Key of one session's single-trial betas; `session` counts from 1."""
    return f"{betas_folder(subject)}/betas_session{session:02d}.hdf5"


def betas_subject(key: str) -> str | None:
    """Return the subject whose session file this is, or None if it is none."""
    found = re.fullmatch(r"nsddata_betas/ppdata/(subj0[1-8])/.*/betas_session\d\d\.hdf5", key)
    return None if found is None else found[1]


def betas_folder(subject: str) -> str:
    """Return the folder of a subject's session files."""
    return f"nsddata_betas/ppdata/{subject}/{SPACE}/{BETA_VERSION}"


def voxels_key(subject: str, session: int) -> str:
    """Path of the voxels taken from one session's betas; not an object of NSD."""
    return betas_key(subject, session).removesuffix(".hdf5") + ".voxels.h5"


def ncsnr_key(subject: str) -> str:
    """Key of the voxel-wise noise-ceiling SNR."""
    return f"{betas_folder(subject)}/ncsnr.nii.gz"


def valid_key(subject: str, session: int) -> str:
    """Key of one session's volume of valid voxels (1 = data, 0 = none); counts from 1."""
    return f"nsddata/ppdata/{subject}/{SPACE}/valid_session{session:02d}.nii.gz"


def roi_key(subject: str, volume: str, hemisphere: str = "") -> str:
    """Key of an ROI volume, e.g. ``Kastner2015``; `hemisphere` is ``lh.``, ``rh.`` or empty."""
    return f"nsddata/ppdata/{subject}/{SPACE}/roi/{hemisphere}{volume}.nii.gz"


def label_table_key(subject: str, volume: str) -> str:
    """Key of the label table (``.mgz.ctab``) of an ROI volume."""
    owner = "fsaverage" if volume in FSAVERAGE_TABLES else subject
    return f"nsddata/freesurfer/{owner}/label/{volume}.mgz.ctab"


def design_keys() -> list[str]:
    """Keys that describe the experiment, the same for all subjects."""
    return [EXPDESIGN, STIM_INFO]


def atlas_keys() -> list[str]:
    """Keys of the label tables shared by all subjects."""
    return [label_table_key("fsaverage", volume) for volume in FSAVERAGE_TABLES]


def subject_keys(subject: str, sessions: int, volumes: list[str]) -> list[str]:
    """Keys that belong to one subject: its betas and all that `volume_keys` gives.

    Parameters
    ----------
    subject : str
        E.g. ``subj01``.
    sessions : int
        Number of sessions, counted from the first.
    volumes : list of str
        ROI volumes, e.g. ``["Kastner2015", "floc-faces"]``.
    """
    betas = [betas_key(subject, number) for number in range(1, sessions + 1)]
    return [*betas, *volume_keys(subject, sessions, volumes)]


def volume_keys(subject: str, sessions: int, volumes: list[str]) -> list[str]:
    """Keys of one subject's volumes and label tables: valid voxels, ROIs, ncsnr.

    Parameters are those of `subject_keys`.
    """
    elsewhere = (*FSAVERAGE_TABLES, *MASKS)
    tables = [label_table_key(subject, volume) for volume in volumes if volume not in elsewhere]
    return [
        *(valid_key(subject, number) for number in range(1, sessions + 1)),
        *(roi_key(subject, volume) for volume in volumes),
        *tables,
        ncsnr_key(subject),
    ]


def encoder_keys(subjects: list[str], images: bool = True) -> list[str]:
    """Keys that only the encoder needs: the images, and each subject's volume of streams.

    Parameters
    ----------
    images : bool
        False where features of the images are given.
    """
    return [*([STIMULI] if images else []), *(roi_key(subject, STREAMS) for subject in subjects)]
