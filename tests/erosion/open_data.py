"""The one real data set the tests know: human IT RDMs (Kriegeskorte et al. 2008)."""

import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("BRAINWORTH_OPEN_DATA") or (
    Path(__file__).resolve().parents[3] / "shared/data/open"
)
BRAIN_RDMS = Path(FOLDER) / "rsatoolbox_92_brainRDMs.mat"

needs_brain_rdms = pytest.mark.skipif(
    not BRAIN_RDMS.exists(),
    reason=f"{BRAIN_RDMS} is absent: take 92_brainRDMs.mat from rsatoolbox's demos "
    "(demos/92imageData), or set BRAINWORTH_OPEN_DATA to the folder it is in",
)
