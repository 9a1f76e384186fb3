"""What a type checker makes of a user's program."""

import re

import pytest
from mypy import api

PROGRAM = """
import numpy as np
from numpy.typing import NDArray

from sk_digits import DigitANN, PixelScaler, load_model, make_digit_pipeline, save_model
from sk_digits.datasets import fetch_mnist, load_digits_28, load_image_folder

sizes: list[int] = [64, 32]
DigitANN(sizes)
DigitANN((64,))
DigitANN(64)
make_digit_pipeline(sizes, max_epochs=3)
make_digit_pipeline((64,))
make_digit_pipeline(hidden_layer_sizes=64)

X, y = load_digits_28(return_X_y=True)
pixels: NDArray[np.uint8] = X
labels: NDArray[np.int64] = y
X, y = fetch_mnist(subset="test", return_X_y=True)
X, strings = load_image_folder("letters", return_X_y=True)
frame, series = fetch_mnist(return_X_y=True, as_frame=True)
frame.head()
print(load_digits_28().target_names, fetch_mnist(as_frame=True).frame)
print(load_image_folder("letters", ink="dark").filenames)

model = DigitANN().fit(PixelScaler().fit_transform(X), y)
save_model(model, "digits.safetensors", metadata={"author": "Ada"})
print(load_model("digits.safetensors").predict(X))
"""
WRONG = [
    ('DigitANN("64")', 'incompatible type "str"'),
    ("make_digit_pipeline([6.4])", 'incompatible type "float"'),
    ("load_digits_28(return_X_y=True).data", 'has no attribute "data"'),
    ("fetch_mnist(return_X_y=True)[0].head()", 'has no attribute "head"'),
    ("load_image_folder()", "overload"),
]


CONFIG = """
[mypy]
strict = true
ignore_missing_imports = true
[mypy-torch.*]
follow_imports = skip
"""


@pytest.mark.slow
def test_a_users_program_type_checks(tmp_path):
    """Under mypy --strict right lines have no error, and each wrong one has its own."""
    program, config = tmp_path / "program.py", tmp_path / "mypy.ini"
    program.write_text(PROGRAM + "\n".join(line for line, _ in WRONG))
    config.write_text(CONFIG)
    output, errors, _ = api.run(
        [f"--config-file={config}", f"--cache-dir={tmp_path / 'cache'}", str(program)]
    )
    assert errors == ""
    found = re.findall(r"program\.py:(\d+): error: (.*)", output)
    first = PROGRAM.count("\n") + 1
    assert [int(number) for number, _ in found] == list(range(first, first + len(WRONG))), output
    for (_, message), (_, expected) in zip(found, WRONG, strict=True):
        assert expected in message
