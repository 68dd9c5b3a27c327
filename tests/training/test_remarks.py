"""A training says what it did not learn."""

from __future__ import annotations

from ser_rt.training.remarks import remarks_of, short_warm_up

LEARNED = {"train_loss": [1.5, 0.9], "val_uar": [0.3, 0.8]}
EMOTIONS = ["Joy", "Sad"] * 20


def remarks(history: dict[str, list[float]], validated: list[str], **changes: int) -> str:
    counts = {"warm_up": 5, "updates": 100, "planned": 100} | changes
    return "\n".join(remarks_of(history, validated, **counts))


def test_one_that_learned_has_nothing_to_say() -> None:
    assert remarks(LEARNED, EMOTIONS) == ""


def test_each_failure_is_said() -> None:
    assert "no better than guessing" in remarks({"val_uar": [0.4, 0.52]}, EMOTIONS)
    assert "nothing was validated" in remarks({"train_loss": [1.0, 0.5]}, [])
    assert "loss has not fallen: from 1.000 to 1.200" in remarks({"train_loss": [1, 1.2]}, [])
    assert "warms up for 1000 of 40 updates" in remarks(LEARNED, EMOTIONS, warm_up=1000, planned=40)
    assert "stopped early, after 2 epochs" in remarks(LEARNED, EMOTIONS, updates=20)
    assert "all clips to validate on are Joy" in remarks(LEARNED, ["Joy"] * 5)


def test_a_warm_up_that_takes_the_training_is_found_before_it() -> None:
    assert short_warm_up(10, 100) is None
    assert "reaches 4% of learning_rate: give --warmup-steps 4" in str(short_warm_up(1000, 40))
