"""Fitted models in files that can be trusted: `save_model` and `load_model`.

Read `persistence` first.
"""
