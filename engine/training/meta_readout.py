"""What a code tells: a linear read-out of labels, and how far codes of one thing lie apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

ITERATIONS = 100
PENALTY = 1.0  # half its product with the squared weights is added to the summed loss, as logistic regression has it


def accuracy(codes: Tensor, labels: Tensor, test_codes: Tensor, test_labels: Tensor) -> float:
    """Of multinomial logistic regression, fitted on the first two, on the last two. Codes (n, width), labels (n,)."""
    classes = int(torch.cat([labels, test_labels]).max()) + 1
    weight = torch.zeros(classes, codes.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = functional.cross_entropy(codes @ weight.T + bias, labels)
        found = found + 0.5 * PENALTY * weight.square().sum() / len(codes)
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        guesses = (test_codes @ weight.T + bias).argmax(1)
    return float((guesses == test_labels).float().mean())


def distances(codes: Tensor) -> tuple[float, float]:
    """How far codes of the same thing under other transformations lie, and codes of other things under the same one.

    codes: (transformations, things, width). Both are mean Euclidean distances over all pairs: the first is the
    invariance (less is more invariant), and its ratio to the second can't be made small by a small latent.
    """
    return _mean_pair(codes.transpose(0, 1)), _mean_pair(codes)


def _mean_pair(sets: Tensor) -> float:
    """Mean distance of all pairs within each set. (sets, members, width)."""
    members = sets.shape[1]
    within = [float(functional.pdist(one).mean()) for one in sets.contiguous()]
    return sum(within) / len(within) if members > 1 else 0.0
