"""What the bridges do not say."""

from __future__ import annotations

from brainworth.report.evidence import Evidence

#: By bridge; what tests on planted data showed is said in words.
LIMITS = {
    "calibration": "<b>Worth of these subjects’ samples.</b> The model is linear and Gaussian, and"
    " noise that differs from trial to trial enters by a term that the source does not have. With"
    " very few brain samples of many voxels more of a task is missed than predicted, and intervals"
    " of the linear share are a little narrow. Penalties are those predicted to be best: a student"
    " who does not know them does worse.",
    "decoding": "<b>Scaling of decoding.</b> Decoders are linear, and subjects are joined in one"
    " kind of common space; networks may use more trials, or other subjects, better. A single"
    " subject’s ceiling has an interval over test images only, which misses the truth more often"
    " than it says, since no law of the curve is exact.",
    "feature_spaces": "<b>Feature spaces.</b> Intervals and p-values take regressions as given:"
    " that other training images would have given others is not in them, and decoders fitted to"
    " mixed-up responses tell images apart more often than the level says. Spaces that differ"
    " in their number of dimensions are made equal by principal components, which may not keep what"
    " counts.",
    "averaging": "<b>Averaging and the encoder.</b> A population average exists only in what"
    " regions have in common: their means, and components aligned by shared images. Intervals of"
    " the relative cost are a little narrow. Heads for the variance are linear; what they do not"
    " find may still be there.",
}


def limits(evidence: Evidence) -> list[str]:
    """List the limitations of the bridges of this study."""
    return [LIMITS[part] for part in evidence.bridges]
