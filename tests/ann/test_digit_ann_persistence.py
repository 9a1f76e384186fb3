"""Copies and pickles predict the same and continue to train the same."""

import copy
import io
import pickle
import pickletools
import subprocess
import sys

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
from skorch.callbacks import EpochTimer
from support.classifiers import TINY

from sk_digits import DigitANN


def joblib_copy(ann):
    """Return a copy that went through a joblib file."""
    file = io.BytesIO()
    joblib.dump(ann, file)
    file.seek(0)
    return joblib.load(file)


COPIES = {
    "pickle": lambda ann: pickle.loads(pickle.dumps(ann)),
    "pickle protocol 2": lambda ann: pickle.loads(pickle.dumps(ann, protocol=2)),
    "cloudpickle": lambda ann: cloudpickle.loads(cloudpickle.dumps(ann)),
    "joblib": joblib_copy,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.fixture(params=COPIES)
def copied(request):
    """Return each way to copy a classifier in turn."""
    return COPIES[request.param]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("extra", [{}, {"batch_norm": True, "early_stopping": True}], ids=str)
def test_a_copy_predicts_the_same_bits(digits, copied, dtype, extra):
    """Every way of copying keeps predictions, curves, classes and parameters."""
    X, y = digits[0].astype(dtype), digits[1].astype(str)
    ann = DigitANN(**TINY, **extra).fit(X, y)
    other = copied(ann)
    np.testing.assert_array_equal(other.predict_proba(X), ann.predict_proba(X))
    np.testing.assert_array_equal(other.predict(X), ann.predict(X))
    assert vars(other).keys() == vars(ann).keys()
    assert other.get_params() == ann.get_params()
    assert other.loss_curve_ == ann.loss_curve_
    assert other.net_.history.to_list() == ann.net_.history.to_list()


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_partial_fit_goes_on_the_same_after_a_copy(digits, copied, method):
    """The optimizer and the generator are copied too: later chunks give the same bits."""
    X, y = digits
    ann = DigitANN(dropout=0.2, batch_norm=True, **TINY)
    getattr(ann, method)(X, y, **{"classes": np.arange(10)} if method == "partial_fit" else {})
    other = copied(ann)
    for _ in range(2):
        ann.partial_fit(X, y)
        other.partial_fit(X, y)
    np.testing.assert_array_equal(other.predict_proba(X), ann.predict_proba(X))
    assert other.loss_curve_ == ann.loss_curve_


def test_a_warm_start_goes_on_the_same_after_a_copy(digits, copied):
    """A warm start from a copy gives the same bits as one from the original."""
    ann = DigitANN(warm_start=True, dropout=0.2, **TINY).fit(*digits)
    other = copied(ann)
    expected = ann.fit(*digits).predict_proba(digits[0])
    np.testing.assert_array_equal(other.fit(*digits).predict_proba(digits[0]), expected)


def test_a_copy_shares_nothing_with_the_original(digits, copied):
    """Changing a copy leaves the predictions of the original as they were."""
    X, y = digits
    ann = DigitANN(**TINY).partial_fit(X, y, np.arange(10))
    other = copied(ann)
    before = ann.predict_proba(X)
    other.net_.module_[0].weight.data.zero_()
    other.partial_fit(X, y)
    np.testing.assert_array_equal(ann.predict_proba(X), before)


def test_joblib_may_leave_the_weights_on_the_disk(digits, tmp_path):
    """A classifier loaded with mmap_mode="r" predicts and trains the same; the file stays."""
    X, y = digits
    ann = DigitANN(warm_start=True, **TINY).partial_fit(X, y, np.arange(10))
    joblib.dump(ann, tmp_path / "ann.joblib")
    other = joblib.load(tmp_path / "ann.joblib", mmap_mode="r")
    np.testing.assert_array_equal(other.predict_proba(X), ann.predict_proba(X))
    content = (tmp_path / "ann.joblib").read_bytes()
    for method in ("partial_fit", "fit"):
        getattr(ann, method)(X, y)
        getattr(other, method)(X, y)
        np.testing.assert_array_equal(other.predict_proba(X), ann.predict_proba(X))
    assert (tmp_path / "ann.joblib").read_bytes() == content


def test_an_unfitted_copy_is_unfitted_and_fits_the_same(digits, copied):
    """A copy of an unfitted classifier has its parameters alone."""
    ann = DigitANN(callbacks=[EpochTimer()], **TINY)
    other = copied(ann)
    assert not hasattr(other, "net_")
    np.testing.assert_array_equal(
        other.fit(*digits).predict_proba(digits[0]), ann.fit(*digits).predict_proba(digits[0])
    )


def test_a_pickle_holds_no_torch_object(digits):
    """A pickle holds NumPy arrays and plain values, so that it opens on any machine."""
    ann = DigitANN(early_stopping=True, **TINY).fit(*digits)
    modules = {
        str(argument).split()[0].split(".")[0]
        for opcode, argument, _ in pickletools.genops(pickle.dumps(ann, protocol=2))
        if opcode.name == "GLOBAL"
    }
    assert "numpy" in modules
    assert modules <= {"numpy", "sk_digits", "copy_reg", "__builtin__", "_codecs"}


@pytest.mark.slow
def test_a_pickle_opens_in_another_process(digits, tmp_path):
    """A fresh interpreter that has not imported the package predicts the same."""
    X, y = digits[0][:200], digits[1][:200]
    ann = DigitANN(**TINY).fit(X, y)
    (tmp_path / "ann.pkl").write_bytes(pickle.dumps(ann))
    np.save(tmp_path / "X.npy", X)
    code = (
        "import pickle, sys, numpy as np; folder = sys.argv[1];"
        "ann = pickle.load(open(folder + '/ann.pkl', 'rb'));"
        "np.save(folder + '/proba.npy', ann.predict_proba(np.load(folder + '/X.npy')))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "proba.npy"), ann.predict_proba(X), atol=1e-6)


def test_a_device_that_is_not_here_does_not_keep_a_pickle_closed(digits):
    """A classifier trained on a GPU predicts on a machine without one."""
    ann = DigitANN(**TINY).fit(*digits)
    expected = ann.predict_proba(digits[0])
    other = pickle.loads(pickle.dumps(ann.set_params(device="cuda:99")))
    assert other.device == "cuda:99"
    np.testing.assert_array_equal(other.predict_proba(digits[0]), expected)
    assert torch.device(other.net_.device).type == "cpu"
