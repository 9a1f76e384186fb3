"""The README's code on MNIST runs as it stands, with fewer epochs."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.mnist
def test_search_and_cross_validation_run_as_written(mnist_home, capsys):
    """README's grid search and cross-validation print accuracies far above chance on MNIST."""
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
        if "GridSearchCV" in block
    ]
    assert code.count("max_epochs=60") == 1
    names: dict = {}
    exec(code.replace("max_epochs=60", "max_epochs=1"), names)
    assert set(names["search"].best_params_) == {"ann__hidden_layer_sizes"}
    assert names["search"].score(names["X"][10_000:], names["y"][10_000:]) > 0.85
    assert names["scores"].shape == (3,)
    assert names["scores"].min() > 0.85
    assert "ann__hidden_layer_sizes" in capsys.readouterr().out
