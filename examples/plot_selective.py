"""
How can a classifier say that it is not sure?
=============================================

:class:`~sk_digits.SelectiveClassifier` answers only where it can keep a stated risk of errors.
"""

# %%
# Hold out rows that the network does not see, calibrate on one half of them, and judge on the other.
# With so few rows, one error in a hundred answers can be promised; MNIST's 10,000 test images are
# enough for one in a thousand.

import matplotlib.pyplot as plt
from sklearn.calibration import CalibrationDisplay
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from sk_digits import SelectiveClassifier, make_digit_pipeline
from sk_digits.datasets import load_digits_28
from sk_digits.displays import RiskCoverageDisplay

X, y = load_digits_28(return_X_y=True)
X_train, X, y_train, y = train_test_split(X, y, train_size=500, stratify=y, random_state=0)
X_cal, X_test, y_cal, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

network = make_digit_pipeline(hidden_layer_sizes=(128,), max_epochs=15, random_state=0)
network.fit(X_train, y_train)
model = SelectiveClassifier(FrozenEstimator(network), max_risk=0.01).fit(X_cal, y_cal)

# %%
# The curve: how many of the answers are wrong if only the surest are given. The point is what the
# classifier chose, without having seen these rows.

display = RiskCoverageDisplay.from_estimator(model, X_test, y_test)

# %%
# One temperature makes the probabilities as large as they should be: of the answers with a
# probability of 80 %, some 80 % should be right.

figure, ax = plt.subplots(figsize=(6.4, 5), layout="constrained")
for name, classifier in {"network": network, "SelectiveClassifier": model}.items():
    proba = classifier.predict_proba(X_test)
    right = classifier.classes_[proba.argmax(axis=1)] == y_test
    CalibrationDisplay.from_predictions(
        right, proba.max(axis=1), n_bins=6, strategy="quantile", name=name, ax=ax
    )
ax.set(xlabel="Probability of the answer", ylabel="Share of right answers")

# %%
# In numbers, on rows that it has never seen.

answered = model.accepts(X_test)
errors = (model.predict(X_test) != y_test)[answered]
print(
    f"answered: {answered.mean():.1%}, wrong: {errors.mean():.2%} (promised: {model.max_risk:.0%})"
)
print(f"the network alone: {(network.predict(X_test) != y_test).mean():.2%} wrong")
print(f"temperature: {model.temperature_:.2f}, threshold: {model.threshold_:.2f}")
