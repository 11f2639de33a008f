"""Simulated NSD: the files of the real bucket, written from a known truth.

`scales` says how big, `truth` draws the encoding maps and the noise, `experiment` the design and
the stimuli, `anatomy` the ROI volumes and label tables, `sessions` the betas. `all_subjects` and
`one_subject` write the files; `paths` lists them.
"""
