"""Fitted models in files that can be trusted: `save_model` and `load_model`.

Read `save_and_load` first; then `model_file`, the file, its error and its metadata, without torch;
then `estimators`, the types that a file may hold, and `parameters`, their parameters.
"""
