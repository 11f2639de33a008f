"""The literature. What it states is in the claims ledger, ``paper/claims.yaml``."""

from __future__ import annotations

#: Published numbers that figures show, by the id of their claim; a test holds them to the ledger.
NUMBERS = {
    "alignment-table": (0.05, 0.10),
    "rdm-gap-table": (-0.03, 0.08),
    "variance-reliability-table": (0.94, 0.97),
    "variance-reliability-caption": 0.99,
    "variance-predictability-table": (0.85, 0.91),
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
    "pairs": (
        "Efron, B. & Stein, C. (1981). The jackknife estimate of variance. Annals of Statistics 9, "
        "586–596."
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
    "procrustes": (
        "Schönemann, P. H. (1966). A generalized solution of the orthogonal Procrustes problem. "
        "Psychometrika 31, 1–10."
    ),
    "gpa": "Gower, J. C. (1975). Generalized Procrustes analysis. Psychometrika 40, 33–51.",
    "hyperalignment": (
        "Haxby, J. V. et al. (2011). A common, high-dimensional model of the representational "
        "space in human ventral temporal cortex. Neuron 72, 404–416."
    ),
    "gcv": (
        "Golub, G. H., Heath, M. & Wahba, G. (1979). Generalized cross-validation as a method for "
        "choosing a good ridge parameter. Technometrics 21, 215–223."
    ),
    "information": (
        "Frenzel, S. & Pompe, B. (2007). Partial mutual information for coupling analysis of "
        "multivariate time series. Physical Review Letters 99, 204101."
    ),
    "befs": (
        "Lewis, L., Wang, Z., Schwab, D. & Pitkow, X. (2026). How much is brain data worth for "
        "machine learning? Preprint, arXiv:2605.09243."
    ),
    "chasm": (
        "CHASMBrain: Coarse-to-fine Hierarchical Architecture with Sequential Mamba for Brain "
        "Reconstruction. Preprint; the copy at hand names no authors."
    ),
    "mamba2": (
        "Dao, T. & Gu, A. (2024). Transformers are SSMs: generalized models and efficient "
        "algorithms through structured state space duality. International Conference on Machine "
        "Learning."
    ),
    "dinov2": (
        "Oquab, M. et al. (2024). DINOv2: learning robust visual features without supervision. "
        "Transactions on Machine Learning Research."
    ),
    "shrinkage": (
        "Schäfer, J. & Strimmer, K. (2005). A shrinkage approach to large-scale covariance matrix "
        "estimation and implications for functional genomics. Statistical Applications in Genetics "
        "and Molecular Biology 4, 32."
    ),
    "scaling": (
        "Banville, H., Benchetrit, Y., d’Ascoli, S., Rapin, J. & King, J.-R. (2025). Scaling laws "
        "for decoding images from brain activity. Preprint, arXiv:2501.15322."
    ),
    "aligned": (
        "Rajabi, N., Ribeiro, A. H., Vasco, M., Taleb, F., Björkman, M. & Kragic, D. (2025). "
        "Human-aligned image models improve visual decoding from the brain. Preprint, "
        "arXiv:2502.03081."
    ),
}

NSD_ACKNOWLEDGEMENT = (
    "Collection of the Natural Scenes Dataset was supported by NSF IIS-1822683 and NSF IIS-1822929."
)

#: References that are listed only in reports with the stage that cites them.
OF_STAGE = {
    "befs": ("befs",),
    "encoder": ("chasm", "mamba2", "dinov2"),
    "bridges": ("scaling", "aligned"),
}


def cite(name: str) -> str:
    """Return the number of a reference, in brackets."""
    return f"[{list(REFERENCES).index(name) + 1}]"
