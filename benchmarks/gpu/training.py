"""Training on a GPU: speed and memory of a step, and the recommended recipe."""

from __future__ import annotations

import csv
import shutil
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import nn

from ser_rt.benchmarks.gpu.steps import Context
from ser_rt.benchmarks.measure.training_memory import FULL_SIZE
from ser_rt.config import DataConfig, ModelConfig, TrainingConfig
from ser_rt.constants import EMOTIONS, SAMPLE_RATE
from ser_rt.networks.model import EmotionModel
from ser_rt.training.fine_tuning import prepare_network

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
WARMUP = 2
SPEAKERS, CLIP_S = 4, 10.0


def matrix(context: Context) -> dict[str, Any]:
    """Train a few steps of every precision, size and way to save memory."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    rows = []
    for precision, seconds, sizes in context.scale.training:
        for saves, size in product((False, True), sizes):
            row: dict[str, Any] = {"precision": precision, "checkpointing": saves, "batch": size}
            row |= {"window_s": seconds}
            try:
                row |= _trained(context, precision, size, seconds, saves=saves)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                row["problem"] = str(error).splitlines()[0][:300]
            rows.append(row)
    return {"rows": rows, "optimizer": "AdamW", "frozen": "convolutions"}


def _trained(
    context: Context, precision: str, size: int, seconds: float, *, saves: bool
) -> dict[str, Any]:
    device, dtype = context.device, DTYPES[precision]
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    torch.manual_seed(0)
    model = EmotionModel(network_settings(context)).train().to(device)
    waveforms = 0.1 * torch.randn(size, round(seconds * SAMPLE_RATE), device=device)
    labels = torch.arange(size, device=device) % len(EMOTIONS)
    prepare_network(model, TrainingConfig(gradient_checkpointing=saves))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=3e-5)
    scaler = torch.amp.GradScaler(device, enabled=precision == "fp16")
    losses, began = [], 0.0
    for step in range(WARMUP + context.scale.training_steps):
        if step == WARMUP:
            _wait(device)
            began = time.perf_counter()
        with torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None):
            logits = model(waveforms)["logits"].float()
        loss = nn.functional.cross_entropy(logits, labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        losses.append(loss.detach())
    _wait(device)
    took_s = time.perf_counter() - began
    found: dict[str, Any] = {
        "windows_per_s": round(context.scale.training_steps * size / took_s, 2),
        "first_loss": round(losses[0].item(), 4),
        "last_loss": round(losses[-1].item(), 4),
    }
    if device == "cuda":
        found["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        found["reserved_gb"] = round(torch.cuda.max_memory_reserved() / 1e9, 2)
    return found


def network_settings(context: Context) -> ModelConfig:
    """Return what network is trained."""
    return replace(FULL_SIZE, encoder_config=context.scale.encoder or FULL_SIZE.encoder_config)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def recipe(context: Context) -> dict[str, Any]:
    """Run the recommended recipe through the trainer: fp16, batches of 4, accumulated over 4."""
    from ser_rt.trainer import create_trainer
    from ser_rt.training.data.corpus import load_manifest

    corpus = write_corpus(context.work / "corpus", context.scale.takes)
    clips = load_manifest(corpus, tuple(EMOTIONS))
    crop_s = CLIP_S if context.device == "cuda" else 1.0
    settings = TrainingConfig(
        output_dir=str(context.work / "trained"),
        num_epochs=context.scale.epochs,
        fp16=context.device == "cuda",
        report_to="none",
    )
    data = DataConfig(max_crop_s=crop_s, min_crop_s=crop_s, num_workers=2)
    shutil.rmtree(settings.output_dir, ignore_errors=True)
    trainer = create_trainer(network_settings(context), settings, data)
    began = time.perf_counter()
    history = trainer.train(clips)
    found: dict[str, Any] = {
        "clips": len(clips),
        "clip_s": CLIP_S,
        "settings": settings.to_dict() | {"output_dir": ""},
        "took_s": round(time.perf_counter() - began, 1),
        "history": history,
    }
    if context.device == "cuda":
        found["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return found


def write_corpus(folder: Path, takes: int) -> Path:
    """Write clips of noise that beats in another rhythm for each emotion; return the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    time_s = np.arange(round(CLIP_S * SAMPLE_RATE)) / SAMPLE_RATE
    rows = []
    for speaker, (place, emotion), take in product(
        range(SPEAKERS), enumerate(EMOTIONS), range(takes)
    ):
        beat = np.sin(2 * np.pi * (1 + place) * time_s + rng.uniform(0, 6)) > 0
        noise = rng.standard_normal(time_s.size) * (0.02 + beat) * 0.05 * (1 + speaker)
        name = f"{speaker}_{emotion}_{take}.wav"
        soundfile.write(folder / name, noise.astype(np.float32), SAMPLE_RATE)
        rows.append([name, emotion, f"s{speaker}"])
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file_path", "emotion", "speaker"], *rows])
    return manifest
