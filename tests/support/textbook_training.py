"""`textbook_training`: the loop of PyTorch's tutorials, an oracle for the package's training."""

import itertools

import torch
from torch import nn


def textbook_training(
    start,
    X,
    y,
    *,
    hidden_layer_sizes,
    lr,
    weight_decay,
    batch_size,
    n_epochs,
    label_smoothing=0.0,
    sample_weight=None,
    one_cycle=False,
):
    """Train a relu network in float64 and return its weights and the mean loss of each epoch.

    `start` is the pair of initial weights and state of the random generator that `NoteStart` noted.
    """
    initial, generator_state = start
    widths = [X.shape[1], *hidden_layer_sizes]
    layers = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], 10)).double()
    model.load_state_dict(dict(zip(model.state_dict(), initial.values(), strict=True)))
    generator = torch.Generator().set_state(generator_state)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    schedule = None
    if one_cycle:
        n_steps = n_epochs * -(-len(X) // batch_size)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=lr, total_steps=n_steps, cycle_momentum=False
        )
    X, y = torch.tensor(X), torch.tensor(y)
    weight = torch.ones(len(X), dtype=torch.float64)
    if sample_weight is not None:
        weight = torch.tensor(sample_weight)
    curve = []
    for epoch in range(n_epochs):
        smoothing = label_smoothing * (1 - epoch / n_epochs)
        criterion = nn.CrossEntropyLoss(label_smoothing=smoothing, reduction="none")
        order = torch.arange(len(X))
        if batch_size < len(X):
            order = torch.randperm(len(X), generator=generator)
        total = 0.0
        for rows in order.split(batch_size):
            loss = (criterion(model(X[rows]), y[rows]) * weight[rows] / weight.mean()).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
            total += loss.item() * len(rows)
        curve.append(total / len(X))
    return [tensor.numpy() for tensor in model.state_dict().values()], curve
