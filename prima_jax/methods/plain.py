"""The plain references beside every result: majority class, metadata only, and which fields are filled in.

All are pure functions of one fold's arrays: they see the training rows' labels and no others, and the same arrays give
the same probabilities, whatever the number of threads.
"""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

__all__ = ["logistic_regression", "majority", "metadata_only", "missingness_only", "nearest_neighbours"]

_MOST_CATEGORIES = 255  # scikit-learn's bins


def majority(train_labels: np.ndarray, n_test: int, classes: int) -> np.ndarray:
    """Each class's share of the training labels, for every one of `n_test` cases: `[n_test, classes]`."""
    counts = np.bincount(train_labels, minlength=classes)
    return np.tile(counts / counts.sum(), (n_test, 1))


def metadata_only(
    train_X: np.ndarray, train_y: np.ndarray, test_X: np.ndarray, classes: int, *, categorical: np.ndarray | None = None
) -> np.ndarray:
    """Gradient boosting on the columns of `data.metadata.tabular`, `[N, A]` with NaN for missing: `[N_test, classes]`.

    `categorical` `[A]` marks the columns whose numbers are names. A missing value goes the way that fits best at each
    split, so this method also knows what `missingness_only` knows.
    """
    if categorical is None:
        categorical = np.zeros(train_X.shape[1], bool)
    few = np.array([len(np.unique(column)) <= _MOST_CATEGORIES for column in train_X.T], bool)
    # Classes of equal weight gain macro F1 and balanced accuracy here, which is what the methods are compared by.
    return _boosting(train_X, train_y, test_X, classes, categorical & few, class_weight="balanced")


def logistic_regression(
    train_X: np.ndarray, train_y: np.ndarray, test_X: np.ndarray, classes: int, *, inverse_penalty: float = 1.0
) -> np.ndarray:
    """Multinomial, with an L2 penalty and classes of equal weight, on columns `[N, A]`: `[N_test, classes]`."""
    if train_X.shape[1] == 0 or len(np.unique(train_y)) == 1:
        return majority(train_y, len(test_X), classes)
    model = LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=2000)
    with threadpool_limits(1):  # as below
        model.fit(train_X.astype(np.float64), train_y)
        found = model.predict_proba(test_X.astype(np.float64))
    probabilities = np.zeros((len(test_X), classes))
    probabilities[:, model.classes_] = found
    return probabilities


def nearest_neighbours(
    train_X: np.ndarray,
    train_y: np.ndarray,
    test_X: np.ndarray,
    classes: int,
    *,
    neighbours: int = 20,
    temperature: float = 0.07,
) -> np.ndarray:
    """The votes of the nearest training rows by cosine similarity s, each worth exp(s / temperature): `[N_test, classes]`.

    Votes, their number and the temperature are those of DINO (Caron et al. 2021, arXiv 2104.14294, appendix).
    """
    near, asked = (X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12) for X in (train_X, test_X))
    with threadpool_limits(1):
        similarity = asked.astype(np.float64) @ near.astype(np.float64).T
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :neighbours]
    votes = np.exp((np.take_along_axis(similarity, nearest, axis=1) - 1) / temperature)
    probabilities = np.zeros((len(test_X), classes))
    np.add.at(probabilities, (np.arange(len(test_X))[:, None], train_y[nearest]), votes)
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def missingness_only(
    filled_train: np.ndarray, y: np.ndarray, filled_test: np.ndarray, classes: int, *, class_weight: str | None = None
) -> np.ndarray:
    """Gradient boosting on which fields are filled in, 0 or 1 `[N, A]`, and nothing else: `[N_test, classes]`."""
    # Gaps only tell groups of classes apart. With equal weights ("balanced") each group goes to its rarest class, and accuracy
    # falls below the majority's, which hides how much the gaps tell; macro F1 and balanced accuracy hide it without.
    return _boosting(filled_train, y, filled_test, classes, np.zeros(filled_train.shape[1], bool), class_weight=class_weight)


def _boosting(
    train_X: np.ndarray,
    train_y: np.ndarray,
    test_X: np.ndarray,
    classes: int,
    categorical: np.ndarray,
    *,
    class_weight: str | None,
) -> np.ndarray:
    """Probabilities `[N_test, classes]`, 0 for a class that has no training row."""
    known = ~np.isnan(train_X).all(axis=0)  # scikit-learn finds no bins in a column that is empty
    if not known.any() or len(np.unique(train_y)) == 1:
        return majority(train_y, len(test_X), classes)
    # Small trees, half the columns for each split: of a dozen settings the best on PAD-UFES-20's metadata, in macro F1
    # three points above scikit-learn's defaults. It was chosen on held-out folds, which flatters this reference rather
    # than what is compared with it.
    model = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=100,
        max_leaf_nodes=8,
        min_samples_leaf=min(10, max(1, len(train_y) // 20)),  # of fewer than twice as many rows it would be a constant
        l2_regularization=5.0,
        max_features=0.5,
        categorical_features=categorical[known],
        early_stopping=False,
        class_weight=class_weight,
        random_state=0,
    )
    # Sums over threads depend on their number, and on small tables threads only wait for each other.
    with threadpool_limits(1):
        model.fit(train_X[:, known], train_y)
        found = model.predict_proba(test_X[:, known])
    probabilities = np.zeros((len(test_X), classes))
    probabilities[:, model.classes_] = found
    return probabilities
