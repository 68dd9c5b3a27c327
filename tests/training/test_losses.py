from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from ser_rt.config import TrainingConfig
from ser_rt.errors import ConfigError
from ser_rt.training.losses import LOSSES, create_loss

COUNTS = [8, 1, 1]


def settings(loss: str, **changes: float) -> TrainingConfig:
    return TrainingConfig.from_dict({"loss": loss, **changes})


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(6, 3), torch.tensor([0, 0, 1, 2, 0, 1])


Batch = tuple[torch.Tensor, torch.Tensor]


@pytest.mark.parametrize("name", LOSSES)
def test_ids_and_shares_of_one_emotion_are_alike(name: str, batch: Batch) -> None:
    logits, ids = batch
    loss = create_loss([1, 1, 1], settings(name, label_smoothing=0.1))
    shares = nn.functional.one_hot(ids, 3).float()
    assert loss(logits, ids) == pytest.approx(loss(logits, shares).item(), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_learns_soft_labels(name: str) -> None:
    torch.manual_seed(0)
    logits = torch.zeros(1, 3, requires_grad=True)
    target = torch.tensor([[0.7, 0.3, 0.0]])
    loss = create_loss([1, 1, 1], settings(name, focal_gamma=0.0))
    optimizer = torch.optim.Adam([logits], 0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss(logits, target).backward()
        optimizer.step()
    assert logits.softmax(1).detach().numpy()[0] == pytest.approx([0.7, 0.3, 0.0], abs=0.02)


def test_the_plain_loss_is_cross_entropy(batch: Batch) -> None:
    logits, ids = batch
    found = create_loss(COUNTS, settings("cross_entropy", label_smoothing=0.2))(logits, ids)
    assert found == nn.functional.cross_entropy(logits, ids, label_smoothing=0.2)


def test_weights_make_every_emotion_count_the_same() -> None:
    logits = torch.zeros(10, 3, requires_grad=True)
    ids = torch.tensor([0] * 8 + [1, 2])
    create_loss(COUNTS, settings("weighted"))(logits, ids).backward()
    assert logits.grad is not None
    pull = [float(-logits.grad[ids == k, k].sum()) for k in range(3)]
    assert pull == pytest.approx([pull[0]] * 3)


def test_focal_weighs_easy_clips_less(batch: Batch) -> None:
    logits, ids = batch
    plain = create_loss(COUNTS, settings("cross_entropy"))
    assert create_loss(COUNTS, settings("focal", focal_gamma=0.0))(logits, ids) == pytest.approx(
        plain(logits, ids).item()
    )
    focal = create_loss(COUNTS, settings("focal", focal_gamma=0.5))
    sure = torch.tensor([[80.0, 0.0, 0.0]], requires_grad=True)
    loss = focal(sure, torch.tensor([0]))
    loss.backward()
    assert sure.grad is not None
    assert torch.isfinite(sure.grad).all()
    easy, hard = torch.tensor([[3.0, 0, 0]]), torch.tensor([[0.0, 3.0, 0]])
    first = torch.tensor([0])
    share: Callable[[torch.Tensor], float] = lambda x: float(focal(x, first) / plain(x, first))  # noqa: E731
    assert share(easy) < 0.4 < share(hard)


def test_logit_adjustment_takes_the_shares_of_the_classes_out() -> None:
    """A network that knows nothing learns equal logits, not those of the commonest emotion."""
    logits = torch.zeros(3, requires_grad=True)
    ids = torch.tensor([0] * 8 + [1, 2])
    loss = create_loss(COUNTS, settings("logit_adjusted"))
    optimizer = torch.optim.Adam([logits], 0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss(logits.expand(10, 3), ids).backward()
        optimizer.step()
    assert np.ptp(logits.detach().numpy()) < 0.02


def test_an_unknown_loss_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no loss 'hinge'; there are cross_entropy, weighted"):
        create_loss(COUNTS, settings("hinge"))
