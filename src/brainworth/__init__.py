"""What averaging brains loses, what one more brain sample is worth, how far an encoder gets.

A library for the Natural Scenes Dataset (Allen et al. 2022, Nature Neuroscience 25, 116-126);
the Snakemake pipeline around it turns one configuration file into one PDF.
"""

__version__ = "0.1.0"
