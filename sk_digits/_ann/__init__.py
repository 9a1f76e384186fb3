"""`DigitANN`, a scikit-learn classifier on a skorch net.

Read `digit_ann`, then what it calls: `parameters`, `rows` (validated training data), `digit_net`
(the epochs), `net_state` (a net as arrays), `fit_tasks` and `training_checkpoint` (callbacks).
`digit_pipeline` is the recipe: a `PixelScaler` and a `DigitANN` with the best parameters.
"""
