"""How far an image-to-fMRI encoder gets: CHASMBrain, its baselines and its ablations."""
