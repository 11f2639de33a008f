"""The model of what brain samples are worth: notation, laws, simulation."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.claims import listed
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import percent, percent_span, whole
from brainworth.report.published import cite

#: Numbers of brain samples and of task samples.
NB, NT = (f'N<sub rise="2" size="7">{index}</sub>' for index in "bt")
SIMULATED = ("verification", "breakdown", "shift", "estimators")
NAMES = {"shift": "shifted tests", "paper_scale": "the size of fMRI"}


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe the model, its calibration, what is exact, and the simulation."""
    return [
        layout.heading("Model and methods", 2),
        layout.body(
            f"<b>Model</b> {cite('befs')}. Inputs have d independent standard normal dimensions."
            " The brain encodes k &lt; d of them, as latents with noise; n channels record sums of"
            " latents, with measurement noise. A task is a linear function of the inputs with"
            " signal 1 and label noise of variance σ². Its <i>misalignment</i> is the share of the"
            " signal outside the k dimensions that the brain encodes; its <i>SNR</i> is 1/σ².",
        ),
        layout.body(
            f"<b>Student.</b> Stage 1 fits an encoding model of rank k to {NB} brain"
            " samples (inputs and recordings); its subspace <i>misses</i> a share m of the task."
            f" Stage 2 fits the task to {NT} task samples by least squares with a penalty"
            f" λ on the part of the coefficients outside this subspace; κ = λ{NT}. No"
            " recordings are needed at test time.",
            f"The <i>value</i> of brain data is how many task samples more than {NT} least"
            " squares without brain data would need for the same test error, the <i>exchange"
            f" rate</i> is value/{NB}, and <i>savings</i> are value/({NT} +"
            " value). Least squares without a penalty flatters brain data; every value is therefore"
            " shown beside that of a <i>tuned ridge</i>: ridge regression on the task samples alone"
            " with its best penalty.",
        ),
        layout.body(
            "<b>What is exact and what is not.</b> For a given m the best penalty,"
            f" κ = σ²(d − k)/m, is exact for every {NT} > k + 1; so is the form of the test error"
            " of stage 2, in which two traces of a Wishart matrix are expanded to second order. The"
            " mean of m"
            " over learned subspaces is <i>resummed</i> (a deterministic equivalent to all orders,"
            f" with a correction for weak signals, derived here), for {NB} ≥ d + 2; it lies above"
            " the truth by a percent or two near that limit. Under shifted"
            " tests"
            " means over learned subspaces are multiplied as if they were independent. Compared"
            " with these are the laws of the source for many samples: m to"
            f" <i>first order</i>, the misalignment plus (d − k)ρ/({NB} − d − 1), also"
            f" with 1/{NB} for the last factor (“first order, 1/N”), where ρ is the"
            " difficulty of learning the task from the brain; and the test error to second order"
            f" in 1/{NT}.",
        ),
        layout.body("<b>Parameters.</b>", *_systems(evidence)),
        *_simulation(evidence),
    ]


def _systems(evidence: Evidence) -> list[str]:
    found = []
    for key, name, described in (
        ("befs.fmri", "At the scale of fMRI", _fmri_system(evidence)),
        ("befs.small", "The small system, which is simulated, has", _small_system(evidence)),
    ):
        given = evidence.befs_params(key)
        if given is None or described is None:
            continue
        verb = "" if name.endswith("has") else " there are"
        hours = (
            f" {whole(round(given['samples_per_hour']))} brain samples take an hour of scanning."
            if "samples_per_hour" in given
            else ""
        )
        found.append(
            f"{name}{verb} d = {whole(described['d'])} inputs, k = {whole(described['k'])} latents"
            f" and n = {whole(described['n'])} channels of"
            f" {whole(given['latents_per_channel'])} latents each. The stimulus drives"
            f" {percent(given['stimulus_share'])} % of the variance of a single trial; of the rest,"
            f" {percent(given['latent_share_of_noise'])} % is noise of the latents and the"
            f" remainder measurement noise.{hours}"
        )
    if "verification" in evidence.befs:
        shares = evidence.befs["verification"]["axes"]["stimulus_share"]
        if len(shares) > 1:
            found.append(
                "The verification also varies the share that the stimulus drives, over"
                f" {percent_span(shares)}."
            )
    return found


def _fmri_system(evidence: Evidence) -> dict[str, Any] | None:
    if "shift" in evidence.befs:
        return evidence.befs["shift"]["fmri"]["system"]
    parts = [part for part in ("curves", "budget", "paper_scale") if part in evidence.befs]
    return evidence.befs[parts[0]]["system"] if parts else None


def _small_system(evidence: Evidence) -> dict[str, Any] | None:
    if "shift" in evidence.befs:
        return evidence.befs["shift"]["small"]["system"]
    if "verification" in evidence.befs:
        return evidence.befs["verification"]["systems"][0]
    parts = [part for part in ("breakdown", "estimators") if part in evidence.befs]
    return evidence.befs[parts[0]]["system"] if parts else None


def _simulation(evidence: Evidence) -> list[Flowable]:
    sizes: dict[tuple[int, int, int, float], list[str]] = {}
    for part in SIMULATED:
        if part in evidence.befs:
            data = evidence.befs[part]
            n_bootstrap = (evidence.befs_params(f"befs.{part}") or {}).get("n_bootstrap")
            key = (data["n_replicates"], data["n_trials"], n_bootstrap, data["interval"])
            sizes.setdefault(key, []).append(NAMES.get(part, part))
    texts = [
        f"{layout.sentence_case(listed(parts))}: {whole(replicates)} replicates of"
        f" {whole(trials)} trials, percentile intervals of {percent(level)} % over"
        f" {whole(n_bootstrap)} bootstrap samples of the replicates."
        for (replicates, trials, n_bootstrap, level), parts in sizes.items()
    ]
    if "paper_scale" in evidence.befs:
        data = evidence.befs["paper_scale"]
        texts.append(
            f"At the size of fMRI stage 1 alone is drawn, {whole(data['n_replicates'])} times, and"
            f" the exact stage 2 follows; intervals of {percent(data['interval'])} % as before."
        )
    if not texts:
        return []
    return [
        layout.body(
            "<b>Simulation.</b> Both stages are drawn from the exact law of their sufficient"
            " statistics instead of from raw data, with random numbers common to all settings;"
            " label noise and the direction of the task are averaged over in closed form.",
            *texts,
        )
    ]
