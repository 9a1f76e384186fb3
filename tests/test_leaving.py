"""The way out to plain PyTorch and back, as docs/cluster.md describes it."""

import re
from pathlib import Path

import numpy as np
import torch

from sk_digits import load_model, save_model

GUIDE = Path(__file__).parents[1] / "docs" / "cluster.md"


def test_weights_go_to_plain_torch_and_come_back_as_documented(tmp_path):
    """The guide's plain module computes the same logits, trains, and its weights come back."""
    section = GUIDE.read_text().split("## When to leave")[1]
    leave, train, come_back = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    names: dict = {}

    def logits():
        images = torch.from_numpy(names["scaler"].transform(names["X"]))
        with torch.no_grad():
            return names["model"](images).numpy()

    exec(leave, names)
    names["model"].eval()
    pipeline, X, y = (names[name] for name in ("pipeline", "X", "y"))
    fitted = pipeline.decision_function(X)
    np.testing.assert_allclose(logits(), fitted, rtol=1e-4, atol=1e-4)

    torch.manual_seed(0)
    exec(train, names)
    trained = logits()
    assert abs(trained - fitted).max() > 0.01

    exec(come_back, names)
    np.testing.assert_allclose(pipeline.decision_function(X), trained, rtol=1e-4, atol=1e-4)
    assert pipeline.score(X, y) > 0.5
    save_model(pipeline, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))
