"""The image-to-fMRI encoder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from brainworth.sections.base import Bootstrap, Count, Fraction, NonNegative, Positive, Section

OpenFraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
SubjectName = Annotated[str, Field(pattern=r"^subj0[1-8]$")]
#: What is trained and evaluated; each has a rule, a JSON, a section of the report.
EncoderPart = Literal["linear", "chasm", "stage1", "stage2", "clusters", "streams", "transfer"]
Stage1Row = Literal[
    "dual_mamba",
    "single_mamba",
    "transformer",
    "transformer_small",
    "mlp",
    "gru",
    "lstm",
]
Stage2Row = Literal[
    "mlp", "dual", "dual_diffusion", "dual_vae", "dual_conditional_vae", "dual_gaussian"
]


class Gabor(Section):
    """The bank of Gabor filters."""

    scales: Annotated[int, Field(ge=1, le=8)]
    orientations: Annotated[int, Field(ge=2, le=16)]
    image_size: Annotated[int, Field(ge=16, le=512)]


class Features(Section):
    """What the images are described by."""

    backend: Literal["gabor", "dinov2", "file"]
    weights: str | None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    file: str | None
    grid: Literal[1, 2, 4, 8, 16]
    batch: Count
    gabor: Gabor


class Targets(Section):
    """What is predicted, of which images."""

    zscore_fit: Literal["train", "all"]
    repeat_target: Literal["mean", "single", "mean_z"]
    validation: OpenFraction
    test: Literal["shared", "test515"]
    max_train_images: Count | None


class Clusters(Section):
    """Clusters of voxels, the targets of stage 1."""

    kind: Literal["sequential", "compact", "atlas"]
    size: Count
    top: Share
    atlas: str | None


class Mamba(Section):
    """A Mamba-2 block."""

    d_state: Count
    headdim: Count
    expand: Count
    d_conv: Annotated[int, Field(ge=1, le=4)]
    chunk: Count


class Stage1(Section):
    """From image features to clusters."""

    d_model: Count
    global_blocks: Count
    local_blocks: Count
    global_tokens: Count
    bidirectional: bool
    mamba: Mamba
    head_hidden: Count
    gate_hidden: Count
    contrast_hidden: Count
    embedding: Count
    dropout: Dropout
    token_drop: Dropout


class Stage2(Section):
    """From clusters to voxels."""

    d_model: Count
    encoder_blocks: Count
    decoder_blocks: Count
    mamba: Mamba
    latent: Count
    queries: Count
    residual_hidden: Count
    scale_bound: OpenFraction
    dropout: Dropout


class Training(Section):
    """How a network is trained."""

    batch: Annotated[int, Field(ge=2)]
    epochs: Count
    patience: Count
    lr: Positive
    weight_decay: NonNegative
    warmup: Fraction
    clip: Positive


class Stage1Loss(Section):
    """Weights of the terms of stage 1."""

    pearson: NonNegative
    contrastive: NonNegative
    temperature: Positive


class Stage2Loss(Section):
    """Weights of the terms of stage 2."""

    kl: NonNegative
    kl_warmup: NonNegative


class Ridge(Section):
    """Ridge regression and linear probes."""

    n_folds: Annotated[int, Field(ge=2, le=20)]
    token_features: Count
    n_alphas: Annotated[int, Field(ge=2)]
    alpha_range: Annotated[list[Positive], Field(min_length=2, max_length=2)]


class Diffusion(Section):
    """The refinement by diffusion."""

    steps: Count
    sampling_steps: Count
    samples: Count
    hidden: Count


class Ablations(Section):
    """Rows of the tables of ablations."""

    max_train_images: Count | None
    stage1: list[Stage1Row]
    stage2: list[Stage2Row]
    cluster_sizes: list[Count]
    cluster_kinds: list[Literal["sequential", "compact", "atlas"]]
    tops: list[Share]
    single_streams: bool


class Transfer(Section):
    """From source subjects to another subject."""

    target: SubjectName
    sources: list[Annotated[list[SubjectName], Field(min_length=1)]]
    fractions: Annotated[list[Share], Field(min_length=1)]
    head: Training

    @property
    def subjects(self) -> set[str]:
        """The target and all sources."""
        return {self.target}.union(*self.sources)


class Scores(Section):
    """How predictions are scored."""

    n_bootstrap: Bootstrap
    min_ceiling: Fraction


class Encoder(Section):
    """The image-to-fMRI encoder."""

    run: bool
    parts: Annotated[list[EncoderPart], Field(min_length=1)]
    subjects: Annotated[list[SubjectName], Field(min_length=1)]
    device: Literal["cpu", "cuda", "auto"]
    compile: bool
    features: Features
    targets: Targets
    clusters: Clusters
    stage1: Stage1
    stage2: Stage2
    train_stage1: Training
    train_stage2: Training
    loss_stage1: Stage1Loss
    loss_stage2: Stage2Loss
    ridge: Ridge
    diffusion: Diffusion
    ablations: Ablations
    transfer: Transfer
    scores: Scores

    @model_validator(mode="after")
    def _consistent(self) -> Encoder:
        if self.features.backend == "file" and self.features.file is None:
            raise ValueError("features.backend is file, and features.file does not say which")
        if self.features.backend == "dinov2" and self.features.weights is None:
            raise ValueError(
                "features.backend is dinov2, and features.weights does not say where its weights "
                "are (a folder of transformers, a .safetensors or a .pth file)"
            )
        if self.clusters.kind == "atlas" and self.clusters.atlas is None:
            raise ValueError("clusters.kind is atlas, and clusters.atlas names no NIfTI volume")
        if self.stage1.d_model * self.stage1.mamba.expand % self.stage1.mamba.headdim:
            raise ValueError("stage1: d_model x expand must be a multiple of mamba.headdim")
        if self.stage2.d_model * self.stage2.mamba.expand % self.stage2.mamba.headdim:
            raise ValueError("stage2: d_model x expand must be a multiple of mamba.headdim")
        low, high = self.ridge.alpha_range
        if low >= high:
            raise ValueError("ridge.alpha_range must ascend")
        if any(self.transfer.target in sources for sources in self.transfer.sources):
            raise ValueError("transfer.target is among its own transfer.sources")
        return self
