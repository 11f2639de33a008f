"""Settings of networks: configuration A, which has the published size, and a tiny one."""

MAMBA = {"d_state": 128, "headdim": 64, "expand": 2, "d_conv": 4, "chunk": 64}
TINY_MAMBA = {"d_state": 8, "headdim": 8, "expand": 2, "d_conv": 4, "chunk": 16}
STAGE1 = {
    "d_model": 512,
    "global_blocks": 1,
    "local_blocks": 5,
    "global_tokens": 1,
    "bidirectional": False,
    "mamba": MAMBA,
    "head_hidden": 1024,
    "gate_hidden": 512,
    "contrast_hidden": 512,
    "embedding": 128,
    "dropout": 0.1,
    "token_drop": 0.1,
}
STAGE2 = {
    "d_model": 256,
    "encoder_blocks": 4,
    "decoder_blocks": 2,
    "mamba": MAMBA | {"d_state": 64},
    "latent": 256,
    "queries": 64,
    "residual_hidden": 256,
    "scale_bound": 0.1,
    "dropout": 0.1,
}
TINY_STAGE1 = STAGE1 | {
    "d_model": 16,
    "local_blocks": 2,
    "mamba": TINY_MAMBA,
    "head_hidden": 24,
    "gate_hidden": 8,
    "contrast_hidden": 8,
    "embedding": 6,
}
TINY_STAGE2 = STAGE2 | {
    "d_model": 16,
    "encoder_blocks": 1,
    "decoder_blocks": 1,
    "mamba": TINY_MAMBA,
    "latent": 4,
    "queries": 3,
    "residual_hidden": 8,
}
TRAINING = {
    "batch": 16,
    "epochs": 4,
    "patience": 4,
    "lr": 0.003,
    "weight_decay": 0.01,
    "warmup": 0.05,
    "clip": 1.0,
}
LOSS1 = {"pearson": 0.5, "contrastive": 0.1, "temperature": 0.07}
LOSS2 = {"kl": 0.001, "kl_warmup": 2}
