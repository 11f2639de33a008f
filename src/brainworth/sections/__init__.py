"""Typed sections of ``config.yaml``, one module a stage.

They hold types, ranges and descriptions but no defaults: ``config.yaml`` is the only place where a
default is written. A stage imports its own section only, so that a new key elsewhere does not run
it again.
"""
