"""Search of the classifier head on the training animals of a fold: for any embedding, and for a student."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import Fold
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.head_search.search import Found, OwnHeads, search_classifier
from mcukd.models.weights import GruMlpWeights

#: Turns counts (N, T, C) into embeddings (N, E).
Embed = Callable[[NDArray[np.int16]], NDArray[Any]]

_AT_ONCE = 4096


def search_fold(
    embed: Embed, windows: Windows, fold: Fold, *, inner: Sequence[Embed] | None = None, **options: Any
) -> Found:
    """Search the classifier of a frozen network's embedding on the training animals of a fold.

    Windows of all other animals are left out before anything is computed of them. inner: for each of
    `inner_folds(fold.train_animals)` the embedding of a network that was not trained on its test animals;
    without it scores are optimistic (`search_classifier`). options: the others of `search_classifier`.
    Raises UserError as it does, and for a split that has its animals on both sides.
    """
    if fold.test_windows is not None:
        raise UserError(
            f"fold {fold.name} has the same animals in training and test; the search needs a split by animal."
        )
    training = windows.take(np.isin(windows.animals, fold.train_animals))
    embedding = embed_all(embed, training.counts)
    inner_embeddings = None if inner is None else [embed_all(other, training.counts) for other in inner]
    return search_classifier(
        embedding, training.labels, training.animals, training.classes, inner=inner_embeddings, **options
    )


def search_student(
    student: GruMlpWeights,
    windows: Windows,
    fold: Fold,
    *,
    inner: Sequence[GruMlpWeights] | None = None,
    own: bool = False,
    **options: Any,
) -> tuple[Found, GruMlpWeights]:
    """Search the classifier on a student's last state; return also the student with the best head.

    As `search_fold`; inner: students of the inner folds. own: keep the student's own head unless another is
    better on the inner folds. The student must not have been trained on a held-out animal, because its states
    would leak that animal to the search.
    """
    inner_embeddings = None if inner is None else [other.state for other in inner]
    heads = OwnHeads(student.head, [other.head for other in inner or ()]) if own else None
    found = search_fold(student.state, windows, fold, inner=inner_embeddings, own=heads, **options)
    return found, student.with_head(found.head)


def embed_all(embed: Embed, counts: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return the embeddings (N, E) of counts (N, T, C), some thousands at a time."""
    parts = [embed(counts[i : i + _AT_ONCE]) for i in range(0, len(counts), _AT_ONCE)]
    return np.concatenate(parts).astype(np.float32)
