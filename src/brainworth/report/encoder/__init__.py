"""The chapter on how far an image-to-fMRI encoder gets."""
