"""What these subjects' brain samples are worth: calibrated from betas, tested on students."""
