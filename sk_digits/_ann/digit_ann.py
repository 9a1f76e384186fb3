"""`DigitANN`: the scikit-learn face of the network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from sk_digits._all_or_nothing import AtomicParams, all_or_nothing
from sk_digits._ann.digit_net import PREDICT_BATCH, DigitNet
from sk_digits._ann.fit_tasks import FitTasks
from sk_digits._ann.net_state import copy_net, load_arrays, net_from_arrays, net_to_arrays
from sk_digits._ann.parameters import (
    check_callbacks,
    copy_callbacks,
    draw_seed,
    make_training,
    resolve_device,
)
from sk_digits._ann.rows import (
    Rows,
    check_rows,
    encode,
    hold_out,
    read_classes,
    read_labels,
    read_weights,
    weight_classes,
)
from sk_digits._network.batches import Batches
from sk_digits._network.early_stopper import EarlyStopper
from sk_digits._network.hyperparameters import Architecture, EarlyStopping, Training
from sk_digits._network.random_warp import RandomWarp
from sk_digits._validation import filters_lock, naming, read_features


def _difference(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return ``a - b``; what would overflow becomes the largest finite number."""
    limits = np.finfo(a.dtype)
    with np.errstate(over="ignore"):
        return np.clip(a - b, limits.min, limits.max)


def _check_same_network(fitted: DigitANN, net: DigitNet, classes: NDArray[Any]) -> None:
    """Raise ValueError if a new net, with its classes, cannot go on from a fitted classifier's."""
    compared = [("classes", fitted.classes_.tolist(), classes.tolist())] + [
        (name, getattr(fitted.net_.architecture, name), getattr(net.architecture, name))
        for name in ("hidden_layer_sizes", "activation", "batch_norm")
    ]
    for name, before, asked in compared:
        if before != asked:
            raise ValueError(
                f"The network was fitted with {name}={before!r} and cannot go on with "
                f"{asked!r}. Set it back, or start anew: fit with warm_start=False."
            )


def _fitted_attributes(
    net: DigitNet, classes: NDArray[Any], stopper: EarlyStopper | None
) -> dict[str, Any]:
    """Return the attributes that a fit which trained `net` leaves in the classifier."""
    curve = [row["train_loss"] for row in net.history]
    fitted = {"net_": net, "classes_": classes, "loss_curve_": curve, "n_iter_": len(curve)}
    if stopper is not None:
        scores = [row["valid_acc"] for row in net.history if "valid_acc" in row]
        fitted |= {"validation_scores_": scores, "best_validation_score_": stopper.best_score}
    return fitted


def _check_convergence(history: list[dict[str, Any]], n_classes: int, lr: float) -> None:
    """Raise ValueError if a fit has diverged; warn if it has hardly learned.

    Equal probabilities for all classes have a loss of ``log(n_classes)``, whatever the data and
    their weights. A loss above it is worse than a guess.
    """
    guess = math.log(n_classes)
    losses = [row["train_loss"] for row in history]
    final = min(row["valid_loss"] for row in history) if "valid_loss" in history[0] else losses[-1]
    if len(losses) < 2:  # the mean over the only epoch is mostly that of the untrained network
        return
    cure = f"Scale X to [0, 1], as PixelScaler does, or lower lr={lr!r}."
    if final > 1000 * guess and final > losses[0]:
        raise ValueError(
            f"Training diverged: the loss rose from {losses[0]:.3g} to {final:.3g}. {cure}"
        )
    if final > 0.5 * guess and max(losses) > 1.2 * guess:
        warnings.warn(
            f"Training hardly converged: the loss is {final:.3g} after {len(losses)} epochs, was "
            f"{max(losses):.3g} at worst, and is {guess:.3g} for a guess. {cure}",
            ConvergenceWarning,
            stacklevel=4,
        )


class DigitANN(CallbackSupportMixin, ClassifierMixin, AtomicParams, BaseEstimator):
    """Multilayer perceptron classifier: PyTorch trained by skorch behind scikit-learn's interface.

    `fit` trains fully connected layers with a softmax output by AdamW on the cross-entropy, in
    minibatches, for `max_epochs` epochs. It expects features of about unit size, such as pixels
    in [0, 1]: put a :class:`PixelScaler` before it, as :func:`make_digit_pipeline` does. float64
    data trains in float64, everything else in float32. It is not for regression, for several
    labels a row or for missing values.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(512, 512)
        Units in each hidden layer; ``()`` is a linear model. Time and memory grow with the
        product of neighbouring widths.
    activation : {"identity", "logistic", "relu", "tanh"}, default="relu"
        Function of the hidden units.
    dropout : float, default=0.0
        Fraction of hidden units, in [0, 1), that each training step drops at random. More
        regularises more and needs more epochs.
    batch_norm : bool, default=False
        Whether to normalise each hidden layer over the batch. It allows larger learning rates, and
        makes a row's part in training depend on its batch.
    lr : float, default=4e-3
        Learning rate of AdamW; with a schedule, the highest one.
    lr_schedule : {"constant", "cosine", "one_cycle"}, default="one_cycle"
        Course of the learning rate over `max_epochs`: "one_cycle" rises over the first 30 % of the
        steps and then falls to nearly 0, "cosine" only falls. :meth:`partial_fit` ignores it.
    weight_decay : float, default=1e-2
        Decoupled weight decay: each step shrinks the weights by this times the learning rate.
    label_smoothing : float, default=0.0
        Fraction of the target, in [0, 1], that is spread over all classes in the first epoch. It
        falls linearly to 0 over the epochs of `fit`, so that it regularises but does not make the
        final probabilities less extreme.
    batch_size : int, default=128
        Rows in a training step. If it is not less than the number of rows, every step takes all
        rows, in their own order. It has no effect on predictions.
    max_epochs : int, default=60
        Number of training epochs of `fit`. :meth:`partial_fit` trains for one epoch.
    augmentation : RandomWarp, "affine", "elastic" or None, default=None
        Random distortion of the training images, drawn anew in each epoch. "affine" is a
        :class:`RandomWarp` of moderate rotation, shear, scale and translation, "elastic" adds a
        mild elastic field. A RandomWarp's own parameters can be searched, as in
        ``ann__augmentation__rotation``.
    image_shape : (int, int) or None, default=None
        Height and width of the images in the rows of `X`, in pixels, for `augmentation`. None
        means square images.
    early_stopping : bool, default=False
        Whether to hold out a stratified fraction of the rows, validate on it after each epoch,
        stop when neither its accuracy nor its loss improves, and keep the weights of the highest
        accuracy, or of the lowest loss among equal accuracies.
    validation_fraction : float, default=0.1
        Fraction of rows, in (0, 1), that early stopping holds out; at least one row a class.
    n_iter_no_change : int, default=10
        Epochs without improvement of the validation accuracy or loss after which the fit ends.
    tol : float, default=1e-4
        Smallest change of the validation accuracy or loss that counts as an improvement.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes by label, 1 for a label that is not named; "balanced" means
        inversely proportional to the class frequencies. They multiply `sample_weight`.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the previous fit, with a new optimizer.
    callbacks : list of skorch.callbacks.Callback or None, default=None
        Callbacks of skorch, or pairs of a name and a callback. `fit` copies them, and they get the
        net. Callbacks of scikit-learn are set by ``set_callbacks`` instead.
    device : str or torch.device, default="auto"
        Where to compute: "auto" is CUDA if it is available, else the CPU.
    precision : {"auto", "bfloat16", "float32"}, default="float32"
        Type of the matrix products in training; weights, loss and predictions are always float32.
        "bfloat16" is faster on processors with units for it (AMX, AVX512-BF16) and many times
        slower on others. "auto" is bfloat16 on a CPU that has such units, else float32. Ignored
        for float64 data.
    random_state : int, RandomState instance or None, default=None
        Random seed of the initial weights, the order of the rows, dropout, augmentation and the
        validation split. An int gives bit-identical results on the same machine with the same
        number of threads. None takes fresh entropy from the operating system; global random
        generators are not used.
    verbose : int, default=0
        1 prints one line per epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where the training data has string names.
    n_iter_ : int
        Number of epochs trained, including those before a warm start or :meth:`partial_fit`.
    loss_curve_ : list of float
        Mean training loss in each epoch.
    validation_scores_ : list of float
        Validation accuracy after each epoch; only with `early_stopping`.
    best_validation_score_ : float
        Validation accuracy of the weights that were kept; only with `early_stopping`.
    net_ : skorch.NeuralNetClassifier
        The trained net, on class indices, with its `history_` and its torch `module_`.

    See Also
    --------
    sk_digits.make_digit_pipeline : A pixel scaler and this classifier in one pipeline.
    sklearn.neural_network.MLPClassifier : The perceptron of scikit-learn itself.

    Notes
    -----
    Callbacks of :mod:`sklearn.callback` see a fit as a task whose subtasks are its epochs. A
    callback that returns True at the end of an epoch ends the fit. Callbacks receive the rows and
    labels as passed to `fit`, without rows of weight 0, and, if they ask for it, a separate
    classifier with the weights that the fit would keep if it ended now.

    References
    ----------
    .. [1] Ilya Loshchilov and Frank Hutter, "Decoupled Weight Decay Regularization", 2019.
    .. [2] Leslie N. Smith and Nicholay Topin, "Super-Convergence: Very Fast Training of Neural
       Networks Using Large Learning Rates", 2018.
    .. [3] Kaiming He, Xiangyu Zhang, Shaoqing Ren and Jian Sun, "Delving Deep into Rectifiers",
       2015.

    Examples
    --------
    >>> from sk_digits import DigitANN
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> ann = DigitANN(hidden_layer_sizes=(64,), max_epochs=20, random_state=0)
    >>> ann.fit(X[:1000] / 16, y[:1000]).score(X[1000:] / 16, y[1000:]) > 0.85
    True
    """

    # Of the parameters that are not hyperparameters, which have constraints of their own.
    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's convention
        "early_stopping": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "bfloat16", "float32"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (512, 512),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        lr: float = 4e-3,
        lr_schedule: str = "one_cycle",
        weight_decay: float = 1e-2,
        label_smoothing: float = 0.0,
        batch_size: int = 128,
        max_epochs: int = 60,
        augmentation: RandomWarp | str | None = None,
        image_shape: tuple[int, int] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        class_weight: dict[Any, float] | str | None = None,
        warm_start: bool = False,
        callbacks: list[Any] | None = None,
        device: str | torch.device = "auto",
        precision: str = "float32",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.augmentation = augmentation
        self.image_shape = image_shape
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features of about unit size. Sparse data is made dense.
        y : array-like of shape (n_rows,)
            Labels: strings, bools or integers.
        sample_weight : array-like of shape (n_rows,) or None, default=None
            Weights of the rows, not negative. Rows of weight 0 are left out. Integer weights are
            numbers of copies: the fit equals one on rows repeated by :func:`numpy.repeat`, and
            takes as long, except that early stopping holds out whole rows. Other weights, and
            integer weights with a mean above 100, are scaled to mean 1 and multiply the loss.

        Returns
        -------
        DigitANN
            The classifier itself.

        Raises
        ------
        ValueError
            If a parameter, `X`, `y` or `sample_weight` is not as described, or training diverges.
            Whatever a fit raises, Ctrl-C included, the classifier stays as it was before.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If the loss of several epochs ends hardly below that of a guess after it was above, as
            with too high a learning rate or unscaled features.
        """
        with all_or_nothing(self) as fitted:
            fitted._fit(X, y, sample_weight)
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on a chunk of rows, with a constant learning rate.

        This is for data that does not fit into memory or arrives over time. The rows of a chunk
        are shuffled, but not the chunks, so each should be a random sample of the data. To go over
        the data several times, or to lower `lr` from call to call, is up to the caller. The
        optimizer's state is kept. `max_epochs`, `lr_schedule` and `early_stopping` are ignored;
        "balanced" class weights balance each chunk on its own.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features of one or more rows.
        y : array-like of shape (n_rows,)
            Labels.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that will ever occur. Required in the first call.
        sample_weight : array-like of shape (n_rows,) or None, default=None
            As for :meth:`fit`, scaled to mean 1 within the chunk.

        Returns
        -------
        DigitANN
            The classifier itself.

        Raises
        ------
        ValueError
            As for :meth:`fit`; also if `classes` is missing at the first call or changes later.
        """
        with all_or_nothing(self) as fitted:
            fitted._partial_fit(X, y, classes, sample_weight)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Return the logits.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features. Sparse data is made dense batch by batch.

        Returns
        -------
        ndarray of shape (n_rows, n_classes), or (n_rows,) for two classes or one
            Logits in the order of `classes_`; for two classes the logit of the second minus
            that of the first.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If `X` is not as described, not finite, or so large that the logits overflow.
        """
        logits = self._logits(X)
        if len(self.classes_) == 2:
            return _difference(logits[:, 1], logits[:, 0])
        return logits[:, 0] if len(self.classes_) == 1 else logits

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable label of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels, of the type of `classes_`.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            As for :meth:`decision_function`.
        """
        winners = self._logits(X).argmax(axis=1)
        return self.classes_[winners]

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return the probability of each class: the softmax of the logits.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Probabilities in the order of `classes_`.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            As for :meth:`decision_function`.
        """
        logits = self._logits(X)
        odds = np.exp(_difference(logits, logits.max(axis=1, keepdims=True)))
        return odds / odds.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return the logarithm of the probability of each class, finite even if that rounds to 0.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Logarithms of probabilities in the order of `classes_`.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            As for :meth:`decision_function`.
        """
        logits = self._logits(X)
        log_odds = _difference(logits, logits.max(axis=1, keepdims=True))
        return log_odds - np.log(np.exp(log_odds).sum(axis=1, keepdims=True))

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy: the fraction of rows that are classified correctly.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features.
        y : array-like of shape (n_rows,)
            Labels.
        sample_weight : array-like of shape (n_rows,) or None, default=None
            Weights of the rows, not negative.

        Returns
        -------
        float
            Accuracy in [0, 1].

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            As for :meth:`decision_function`; also if `y` or `sample_weight` is not as described.
        """
        predicted = self.predict(X)
        labels = read_labels(y, len(predicted))
        weight = None if sample_weight is None else read_weights(sample_weight, predicted)
        if weight is not None:
            weight = weight / weight.max()  # else a sum may overflow
        # Labels may be of another type than in training.
        with naming("y"), filters_lock:
            return float(accuracy_score(labels, predicted, sample_weight=weight))

    @torch.inference_mode(False)
    def _fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        self._check_params()
        is_warm = self.warm_start and hasattr(self, "net_")
        if not is_warm:
            for name in [name for name in vars(self) if name.endswith("_")]:
                delattr(self, name)
        rows = check_rows(self, X, y, sample_weight, reset=not is_warm)
        shown = self._rows_to_show(rows)
        classes = np.unique(rows.y)
        rows = weight_classes(encode(rows, classes), self.class_weight, classes)
        seed = draw_seed(self.random_state)
        held_out = None
        if self.early_stopping:
            rows, held_out = hold_out(rows, self.validation_fraction, seed)
        net = self._make_net(rows, classes, seed, self.lr_schedule)
        if is_warm:
            _check_same_network(self, net, classes)
            arrays = net_to_arrays(self.net_)
            load_arrays(net, {name: arrays[name] for name in ("weights", "history")})
        self._train(net, classes, rows, held_out, shown=shown)
        _check_convergence(net.history[-net.epochs_done :], len(classes), net.lr)
        net.optimizer_.state.clear()  # twice the weights in size, and of no further use

    @torch.inference_mode(False)
    def _partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None,
        sample_weight: ArrayLike | None,
    ) -> None:
        self._check_params()
        is_first = not hasattr(self, "net_")
        if is_first and classes is None:
            raise ValueError(
                "The first call of partial_fit needs classes: all labels that will ever occur."
            )
        dtype = None if is_first else self.net_.architecture.dtype
        rows = check_rows(self, X, y, sample_weight, reset=is_first, dtype=dtype)
        shown = self._rows_to_show(rows)
        known = self.classes_ if classes is None else read_classes(classes)
        rows = weight_classes(encode(rows, known), self.class_weight, known)
        seed = draw_seed(self.random_state)
        net = self._make_net(rows, known, seed, "constant", draws_weights=is_first)
        if not is_first:
            _check_same_network(self, net, known)
            load_arrays(net, net_to_arrays(self.net_))
        self._train(net, known, rows, epochs=1, shown=shown)

    def _check_params(self) -> None:
        params = self.get_params(deep=False)
        for hyperparameters in (Architecture, Training, EarlyStopping):
            hyperparameters.check(params)
        self._validate_params()
        check_callbacks(self.callbacks)
        resolve_device(self.device)

    def _make_net(
        self,
        rows: Rows,
        classes: NDArray[Any],
        seed: int,
        lr_schedule: str,
        *,
        draws_weights: bool = True,
    ) -> DigitNet:
        """Return the net that the parameters ask for, to train on `rows`."""
        params, n_features, dtype = self.get_params(deep=False), rows.X.shape[1], str(rows.X.dtype)
        device = resolve_device(self.device)
        architecture = Architecture(
            n_features=n_features,
            hidden_layer_sizes=self.hidden_layer_sizes,  # type: ignore[arg-type] # it reads more
            n_outputs=len(classes),
            activation=self.activation,
            dropout=self.dropout,
            batch_norm=self.batch_norm,
            dtype=dtype,
        )
        training_params = make_training(
            params,
            n_features=n_features,
            dtype=dtype,
            device=device.type,
            lr_schedule=lr_schedule,
        )
        return DigitNet(
            architecture,
            training_params,
            torch.Generator(device).manual_seed(seed),
            callbacks=copy_callbacks(self.callbacks),
            verbose=int(self.verbose),
            draws_weights=draws_weights,
        ).initialize()

    def _rows_to_show(self, rows: Rows) -> Rows | None:
        """Return the rows if scikit-learn's callbacks will see them, else None to free memory."""
        return rows if hasattr(self, "_skl_callbacks") else None

    @with_callbacks
    def _train(
        self,
        net: DigitNet,
        classes: NDArray[Any],
        rows: Rows,
        held_out: Rows | None = None,
        *,
        epochs: int | None = None,
        shown: Rows | None,
    ) -> None:
        """Train `net` and set the fitted attributes."""
        X, y, weight = rows.tensors(net.device)
        stopper = validation = tasks = None
        if held_out is not None:
            stopper = EarlyStopper(self.n_iter_no_change, self.tol)
            validation = Batches(
                *held_out.tensors(net.device), batch_size=PREDICT_BATCH, generator=None
            )

        def fitted_by_now() -> dict[str, Any]:
            copied = copy_net(net)
            if stopper is not None:
                stopper.restore(copied.module_)
            return _fitted_attributes(copied, classes, stopper)

        if shown is not None:
            tasks = FitTasks(self, shown, epochs or net.max_epochs, fitted_by_now)
        net.partial_fit(
            X,
            y,
            epochs=epochs,
            sample_weight=weight,
            validation=validation,
            stopper=stopper,
            tasks=tasks,
        )
        self.__dict__.pop("best_validation_score_", None)  # it belonged to other weights
        for name, value in _fitted_attributes(net, classes, stopper).items():
            setattr(self, name, value)
        if tasks is not None:
            tasks.end()

    def _logits(self, X: ArrayLike) -> NDArray[Any]:
        check_is_fitted(self)
        rows = read_features(
            self, X, reset=False, accept_sparse="csr", dtype=self.net_.architecture.dtype
        )
        logits = self.net_.logits(rows)
        if not np.isfinite(logits).all():
            raise ValueError(
                f"X is too large for this network: values up to {abs(rows).max():g} overflow. "
                "Scale it as the training data was."
            )
        return logits

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return state | {"net_": net_to_arrays(self.net_)} if "net_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "net_" in state:
            try:
                device = resolve_device(state["device"])
            except ValueError:  # trained on a device that this machine does not have
                device = torch.device("cpu")
            state = state | {"net_": net_from_arrays(state["net_"], device)}
        super().__setstate__(state)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether `fit` or `partial_fit` has succeeded."""
        return hasattr(self, "net_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
