"""What the literature states: the only numbers of the report that are not from JSON."""

from __future__ import annotations

#: The source of the claims that are tested.
SOURCE = "Prasad 2026"

#: Its table "Cross-subject RSA".
RSA_TABLE = {
    "V1": 0.45,
    "V2": 0.39,
    "V3": 0.48,
    "hV4": 0.29,
    "LO": 0.33,
    "TO": 0.30,
    "VO": 0.33,
    "IPS": 0.37,
}
RSA_TABLE_TEXT = (
    "V1 0.45, V2 0.39, V3 0.48, hV4 0.29, LO 0.33, TO 0.30, VO 0.33, IPS 0.37 (all p = 0.0002)"
)
RSA_TEXT = (
    "“Cross-subject similarity? Indistinguishable from zero. Every single brain region. "
    "Not ‘low.’ Zero.”"
)
RSA_CAPTION = "“Values are indistinguishable from zero everywhere (all permutation p > 0.05)”"
RSA_MEANING = "“Brains encode the same stimuli using entirely different geometries”"

FINGERPRINTING_ACCURACY = 1.0
FINGERPRINTING = (
    "“100% accuracy all ROIs, both variance and mean (chance = 12.5%)”: brain patterns "
    "are “perfectly unique”"
)

RATIO_RANGE = (1.65, 2.03)
RATIO = "Q75/Q25 = 1.65–2.03 (IPS, VO above 2.0)"
HETEROSCEDASTICITY = (
    "“All 12 tested regions show significant heteroscedasticity (CV > 0.3 or Q75/Q25 > 2.0)”"
)

#: Claims of the same source that this report does not test.
NOT_TESTED = (
    "Encoding gap of ROI means: individual R² ≈ 0.59, population R² “deeply negative”",
    "Encoding gap of RDMs: −0.03 to +0.08",
    "Reliability of variance profiles: split-half r = 0.94–0.97 (r > 0.99 in a figure caption)",
    "Predictability of the variance: R² = 0.85–0.91",
    "Procrustes-aligned RSA: 0.05–0.10",
)

#: The source of the model of what brain samples are worth, and what it says.
WORTH = {
    "value": "The exchange rate may be below or above 1: “both regimes can occur”",
    "baseline": "Value is defined against “ordinary least squares”; no other baseline",
    "laws": "Laws to first order in brain samples and second order in task samples",
    "simulation": "Laws verified “empirically in a smaller system”",
    "shift": "“In the brain-sensitive subspace, brain data provides no benefit”; adversarial"
    " inputs "
    "“can even drive the exchange rate to be negative”",
    "budget": "Collect brain data “only under narrow conditions on the cost, and only as a small "
    "auxiliary dataset”",
    "penalty": "A fixed penalty helps, but “eventually becomes detrimental as task samples "
    "increase”",
    "scale": "“Empirical simulations for exchange rates are infeasible at the neuroscience-scale "
    "sample sizes”",
}

REFERENCES = {
    "prasad": (
        "Prasad, K. (2026). Information erosion: what population-averaged brain encoders provably "
        "cannot capture. Preprint, doi:10.5281/zenodo.19339553 (README, v2.1)."
    ),
    "nsd": (
        "Allen, E. J. et al. (2022). A massive 7T fMRI dataset to bridge cognitive neuroscience "
        "and artificial intelligence. Nature Neuroscience 25, 116–126."
    ),
    "rsa": (
        "Kriegeskorte, N., Mur, M. & Bandettini, P. (2008). Representational similarity analysis: "
        "connecting the branches of systems neuroscience. Frontiers in Systems Neuroscience 2, 4."
    ),
    "crossnobis": (
        "Walther, A. et al. (2016). Reliability of dissimilarity measures for multi-voxel pattern "
        "analysis. NeuroImage 137, 188–200."
    ),
    "permutation": (
        "Phipson, B. & Smyth, G. K. (2010). Permutation p-values should never be zero. Statistical "
        "Applications in Genetics and Molecular Biology 9, 39."
    ),
    "familywise": (
        "Westfall, P. H. & Young, S. S. (1993). Resampling-based multiple testing. Wiley."
    ),
    "bca": (
        "Efron, B. (1987). Better bootstrap confidence intervals. Journal of the American "
        "Statistical Association 82, 171–185."
    ),
    "binomial": (
        "Clopper, C. J. & Pearson, E. S. (1934). The use of confidence or fiducial limits "
        "illustrated in the case of the binomial. Biometrika 26, 404–413."
    ),
    "rotation": ("Langsrud, Ø. (2005). Rotation tests. Statistics and Computing 15, 53–60."),
    "levene": (
        "Hines, W. G. S. & Hines, R. J. O. (2000). Increased power with modified forms of the "
        "Levene (Med) test for heterogeneity of variance. Biometrics 56, 451–454."
    ),
    "befs": (
        "Lewis, L., Wang, Z., Schwab, D. & Pitkow, X. (2026). How much is brain data worth for "
        "machine learning? Preprint, arXiv:2605.09243."
    ),
    "shrinkage": (
        "Schäfer, J. & Strimmer, K. (2005). A shrinkage approach to large-scale covariance matrix "
        "estimation and implications for functional genomics. Statistical Applications in Genetics "
        "and Molecular Biology 4, 32."
    ),
}

NSD_ACKNOWLEDGEMENT = (
    "Collection of the Natural Scenes Dataset was supported by NSF IIS-1822683 and NSF IIS-1822929."
)


def cite(name: str) -> str:
    """Return the number of a reference, in brackets."""
    return f"[{list(REFERENCES).index(name) + 1}]"
