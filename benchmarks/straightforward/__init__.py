"""The erosion tests as one would write them with SciPy, scikit-learn and rsatoolbox.

One module a test, each with `analyse(extracts, region, clock, counts, seed)`: `extracts` are the
files of `betas.extract` by subject, `counts` says how many draws to make of each kind, and `clock`
is told what each part took, so that draws that were not made can be added to the time. It returns
numbers of the test's own JSON, from the same random draws, for `benchmarks/erosion.py` to compare.
"""
