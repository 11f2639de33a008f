"""Bridges: what the stages answer together, one rule, one JSON and one figure a bridge.

INPUTS   results/<study>/data/betas_*.h5 (erosion), results/<study>/encoder/features.h5 and
         targets_*.h5, and what a bridge names beside them
OUTPUTS  results/<study>/bridges/PART.json   calibration, decoding, feature_spaces, averaging
"""
