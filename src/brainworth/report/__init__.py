"""Figures and a PDF, made of the JSON results and of nothing else.

The report computes nothing: it prints numbers of the JSON as they are, the smallest and largest of
them, and counts of regions. The numbers it quotes from the literature are in `published`.
"""
