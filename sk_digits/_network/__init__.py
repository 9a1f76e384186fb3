"""The network in torch alone, without scikit-learn and skorch.

Read `hyperparameters`, then `mlp` (the network), `gradients` (backpropagation), `batches`,
`random_warp` (augmentation), `lr_schedules`, `adamw` (the optimizer's step) and `early_stopper`.
"""
