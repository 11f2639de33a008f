"""What one more brain sample is worth: brain-encoding-foundation students (BEFS) in theory.

A linear-Gaussian brain (``model``), its learned subspace (``stage1``), the task learned with it
(``stage2``), and what that is worth in task samples (``value``, ``shift``, ``budget``), after "How
Much is Brain Data Worth for Machine Learning?" (arXiv 2605.09243). Where the paper works to first
order, the second stage here is exact and the first one is summed to all orders.
"""
