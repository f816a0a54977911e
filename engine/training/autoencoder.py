"""Training the autoencoder: on Lightning, to a time budget, resumable, from a prepared data set alone."""

from __future__ import annotations

import csv
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn
from torch.utils.data import DataLoader

from engine.autoencoder import Autoencoder, AutoencoderConfig
from engine.checkpoint import codec_named
from engine.errors import RequestError
from engine.training.dataset import Dataset
from engine.training.event_windows import WINDOWS
from engine.training.likelihood import likelihoods, notes_struck, validation_batches
from engine.training.style_losses import contrast, spreads
from engine.training.windows import Sample, WindowConfig, collate

LAST, CONFIG = "last.ckpt", "config.json"  # in a run's folder
SEATS = 1 << 16  # windows a step may have


@dataclass(frozen=True)
class TrainingConfig:
    """One training run."""

    model: AutoencoderConfig = field(default_factory=AutoencoderConfig.default)
    windows: WindowConfig = field(default_factory=WindowConfig)
    hours: float = 1.0  # of training; the learning rate ends its fall then
    batch: int = 16  # windows a step
    learning_rate: float = 1.5e-3  # of embeddings, norms and heads (AdamW)
    matrix_rate: float = 4e-3  # of the blocks' matrices (Muon)
    weight_decay: float = 0.05
    warm_up: int = 150  # steps
    average: float = 0.998  # moving average of the weights, a step
    clip: float = 1.0
    shorter: int = 4  # every other step has windows a quarter as long: what a style tells, it tells at their beginning
    hint: float = 0.3  # weight of telling a window's mean and spread of each field from the style: it must hold them
    contrast: float = 0.0  # weight of knowing the style of each pair's other window among a step's (of paired windows)
    steps_a_checkpoint: int = 64
    seed: int = 1

    @classmethod
    def read(cls, path: Path) -> TrainingConfig:
        """A configuration as a run writes it; what a file leaves out is as in the default.

        Raises RequestError where it is not one.
        """
        try:
            values = json.loads(path.read_text())
            model, windows = values.pop("model", {}), values.pop("windows", {})
            return cls(
                AutoencoderConfig.from_json(AutoencoderConfig.default().to_json() | model),
                WindowConfig(**windows),
                **values,
            )
        except OSError as error:
            raise RequestError(f"{path} can't be read: {error.strerror}", "Give a run's config.json") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise RequestError(
                f"{path} is not a training configuration: {error}", "Start from a run's config.json"
            ) from error


def default_run(hours: float) -> TrainingConfig:
    """The default model, for so many hours."""
    return TrainingConfig(hours=hours, warm_up=warm_up(hours))


def events_run(hours: float) -> TrainingConfig:
    """The default model on the paper's event tokens, to compare codecs: as many tokens a step, of the same music."""
    model = replace(AutoencoderConfig.default(), codec="events", window=2048, infills=False)
    windows = WindowConfig(steps=2048, style_steps=1024)
    return TrainingConfig(model=model, windows=windows, hours=hours, batch=4, warm_up=warm_up(hours))


def warm_up(hours: float) -> int:
    """Steps: about an eighth of an hour on two cores, and less of a shorter run."""
    return round(min(150, 150 * hours))


def paper_run(hours: float) -> TrainingConfig:
    """The paper's model: 2,048 tokens a window, four windows a step as in the released code's largest batch."""
    windows = WindowConfig(steps=2048, style_steps=1024, style_within=1.0, forgetful=0.0)
    return TrainingConfig(model=AutoencoderConfig.paper(), windows=windows, hours=hours, batch=4, shorter=1, hint=0.0)


def finetune_run(model: AutoencoderConfig, hours: float) -> TrainingConfig:
    """To bring a trained model nearer to a few recordings, in minutes: small steps, soon averaged."""
    windows = WindowConfig() if model.codec == "notes" else events_run(hours).windows
    return TrainingConfig(
        model=model,
        windows=windows,
        hours=hours,
        batch=16 if model.codec == "notes" else 4,
        learning_rate=2e-4,
        matrix_rate=5e-4,
        warm_up=10,
        average=0.98,
    )


CONFIGS: dict[str, Callable[[float], TrainingConfig]] = {
    "default": default_run,
    "events": events_run,
    "paper": paper_run,
}


class AutoencoderTraining(lightning.LightningModule):
    """The autoencoder, its two optimisers, and the moving average of its weights."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.config = config
        self.model = Autoencoder(config.model, codec_named(config.model.codec))
        self.hint = nn.Linear(config.model.block.width, 2 * len(self.model.codec.fields))
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.spent = 0.0  # seconds trained, over all resumptions
        self.tick = time.monotonic()
        self.parts = 1  # that a step's windows are gone through in, because of memory

    def begin_with(self, model: Autoencoder) -> None:
        """Start from a trained model's weights; what it lacks begins anew. Raises RequestError where sizes differ."""
        try:
            found = self.model.load_state_dict(model.state_dict(), strict=False)
        except RuntimeError as error:
            raise RequestError("The model to start from is of another size", "Give its own configuration") from error
        if found.unexpected_keys:
            raise RequestError("The model to start from has parts that this one lacks", "Give its own configuration")
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}

    def loss(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Nats a step of a batch from `collate`, and what is asked of the styles, weighted: to tell their windows'
        fields, and to be known by the other window of their performance."""
        window = batch["window"]
        style = self.model.style(batch["style"], batch["style_valid"])
        after = batch["after"] if self.config.model.infills else None
        memory = self.model.remember(style, batch["has_style"], batch["melody"], after)
        nats = self.model(window, memory, batch["melody"], after).sum() / window.valid.sum()
        asked = self.config.hint * nn.functional.mse_loss(self.hint(style).float(), spreads(window))
        if self.config.contrast:
            asked = asked + self.config.contrast * contrast(style)
        return nats, asked

    def training_step(self, batch: dict[str, Any], index: int) -> None:
        """One step of both optimisers."""
        optimizers = self.optimizers()
        loss, asked = self._backward(batch)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        scale = self._rate()
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * scale
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            share = 1 - min(self.config.average, index_average(self.steps_done))
            for name, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self.average[name].lerp_(value, share)
                else:
                    self.average[name].copy_(value)
        now = time.monotonic()
        seconds, self.tick = now - self.tick, now
        self.spent = self.trainer.strategy.broadcast(self.spent + seconds)  # one clock for all processes
        notes = int(notes_struck(self.model.codec, batch["window"]).sum())
        self.log("nats_a_step", loss, prog_bar=True)
        self.log("asked_of_style", asked)
        self.log("notes", float(notes))
        self.log("steps_a_second", 1 / seconds, prog_bar=True)
        self.log("notes_a_second", notes / seconds, prog_bar=True)
        self.log("hours", self.spent / 3600)
        self.log("hours_left", max(self.config.hours - self.spent / 3600, 0.0), prog_bar=True)

    def _backward(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Gradients of a batch, and its losses; in more and smaller parts from here on if memory does not hold it.

        Each part has its own spread of styles. Raises torch.OutOfMemoryError where one window alone is too much.
        """
        windows = len(batch["has_style"])
        while True:
            try:
                losses = torch.zeros(2)
                for part in range(self.parts):
                    rows = slice(part * windows // self.parts, (part + 1) * windows // self.parts)
                    some = apply_to_collection(batch, Tensor, lambda values, rows=rows: values[rows])
                    share = float(some["window"].valid.sum() / batch["window"].valid.sum())
                    loss, asked = self.loss(some)
                    self.manual_backward(share * (loss + asked))
                    losses += share * torch.stack([loss.detach(), asked.detach()]).cpu()
                return losses[0], losses[1]
            except torch.OutOfMemoryError:
                if 2 * self.parts > windows // 2:  # a spread needs two
                    raise
            self.parts *= 2
            self.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()

    @property
    def steps_done(self) -> int:
        """Optimiser steps so far (Lightning counts each of the two optimisers)."""
        return self.global_step // 2

    def _rate(self) -> float:
        """Share of the full learning rate: warm-up, then a cosine that ends with the time budget at 2 %."""
        progress = min(self.spent / (self.config.hours * 3600), 1.0)
        warm = min((self.steps_done + 1) / self.config.warm_up, 1.0)
        return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))

    def on_train_start(self) -> None:
        """Time outside of training does not count; the average is kept where the weights are."""
        self.average = {name: value.to(self.device) for name, value in self.average.items()}
        self.tick = time.monotonic()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stop when the time is spent."""
        if self.spent >= self.config.hours * 3600:
            self.trainer.should_stop = True

    def configure_optimizers(self) -> Any:
        """Muon for the matrices of the blocks, AdamW for the rest."""
        matrices = [p for name, p in self.model.named_parameters() if _is_matrix(name, p)]
        others = [p for name, p in self.model.named_parameters() if not _is_matrix(name, p)]
        others += self.hint.parameters()
        decay = self.config.weight_decay
        muon = torch.optim.Muon(matrices, self.config.matrix_rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        adam = torch.optim.AdamW(others, self.config.learning_rate, (0.9, 0.95), weight_decay=decay, fused=True)
        for optimizer in (muon, adam):
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
        return [muon, adam]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the average and the time spent."""
        checkpoint["average"], checkpoint["spent"] = self.average, self.spent

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from there."""
        self.average, self.spent = checkpoint["average"], checkpoint["spent"]


def index_average(step: int) -> float:
    """The moving average forgets its first steps sooner: its reach grows with the run."""
    return (step + 1) / (step + 10)


def _is_matrix(name: str, parameter: nn.Parameter) -> bool:
    inside = (".blocks.", ".look.", ".think.")
    return parameter.ndim == 2 and any(part in f".{name}" for part in inside)


class Batches(lightning.LightningDataModule):
    """Training windows without end: step s always has the same ones, so a run goes on exactly where it stood."""

    def __init__(self, data: Path, config: TrainingConfig) -> None:
        super().__init__()
        data_set, kind = Dataset(data, "train"), WINDOWS[config.model.codec]
        short = replace(config.windows, steps=config.windows.steps // config.shorter)
        self.kinds = [kind(data_set, windows, config.seed) for windows in (config.windows, short)]
        self.config = config

    def __getitem__(self, place: tuple[int, int]) -> Sample:
        """The window at a place: (step, number within the step)."""
        step, number = place
        return self.kinds[step % 2][step * SEATS + number]

    def places(self, first: int) -> Iterator[list[tuple[int, int]]]:
        """Of each step from `first` on: long windows, and at every other step as many more shorter ones; of several
        processes each has its share, in which pairs stay together."""
        rank, processes = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        for step in itertools.count(first):
            together = 2 if self.config.windows.paired else 1
            groups = self.config.batch * (1, self.config.shorter)[step % 2] // together
            share = range(together * (rank * groups // processes), together * ((rank + 1) * groups // processes))
            yield [(step, number) for number in share]

    def train_dataloader(self) -> DataLoader[Sample]:
        """The windows from the run's next step on."""
        module = self.trainer.lightning_module if self.trainer else None
        first = module.steps_done if isinstance(module, AutoencoderTraining) else 0
        return DataLoader(self, batch_sampler=self.places(first), collate_fn=collate)  # type: ignore[arg-type]


class Validation(lightning.Callback):
    """Every ten minutes: the likelihood of the averaged weights for the four conditionings, into `validation.csv`."""

    def __init__(self, data: Path, folder: Path, config: TrainingConfig, every_seconds: float = 600) -> None:
        validation = Dataset(data, "validation")
        self.batches = validation_batches(validation, config.windows, 64, config.batch, config.model.codec)
        self.file = folder / "validation.csv"
        self.every_seconds, self.last = every_seconds, 0.0

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure, if it is time."""
        assert isinstance(pl_module, AutoencoderTraining)
        if trainer.is_global_zero and pl_module.spent - self.last >= self.every_seconds:
            self.measure(pl_module)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Measure what the run has come to."""
        assert isinstance(pl_module, AutoencoderTraining)
        if trainer.is_global_zero:
            self.measure(pl_module)

    def measure(self, pl_module: AutoencoderTraining) -> None:
        """Add a line to the file. The time it takes is not the run's."""
        self.last = pl_module.spent
        model = Autoencoder(pl_module.config.model, pl_module.model.codec).eval()
        model.load_state_dict(pl_module.average)
        row = {"hours": pl_module.spent / 3600, "steps": pl_module.steps_done}
        row |= {name: likelihood.a_note for name, likelihood in likelihoods(model, self.batches).items()}
        is_new = not self.file.exists()
        with self.file.open("a", newline="") as out:
            writer = csv.DictWriter(out, row)
            if is_new:
                writer.writeheader()
            writer.writerow({name: round(value, 4) for name, value in row.items()})
        pl_module.tick = time.monotonic()


def train(
    data: Path,
    folder: Path,
    config: TrainingConfig,
    most_steps: int | None = None,
    start: Autoencoder | None = None,
    compiles: bool = False,
    devices: int | None = None,
    nodes: int = 1,
) -> Iterator[str]:
    """Train, or go on where `folder` stands, to the time budget or so many steps in all; yields what was done.

    start: a trained model whose weights a new run begins with; compiles: let torch.compile have the blocks, which pays
    on a GPU; devices, nodes: GPUs of a machine (else all; of a CPU, processes) and machines, among which each step's
    windows are shared. Logs go to `folder/logs`, as CSV and for TensorBoard; the moving average of the weights is in
    the checkpoint. Raises RequestError where memory does not hold two windows of the configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(asdict(config), indent=2) + "\n")
    torch.manual_seed(config.seed)
    module = AutoencoderTraining(config)
    if start is not None:
        module.begin_with(start)
    if compiles:
        for part in (module.model.decoder, module.model.performance_encoder, module.model.melody_encoder):
            part.compile()
    saver = ModelCheckpoint(
        folder, filename="last", enable_version_counter=False, every_n_train_steps=2 * config.steps_a_checkpoint
    )
    trainer = lightning.Trainer(
        max_epochs=-1,
        max_steps=-1 if most_steps is None else 2 * most_steps,  # Lightning counts each optimiser's
        accelerator="auto",
        devices=devices or "auto",
        num_nodes=nodes,
        use_distributed_sampler=False,  # the windows are shared in `Batches.places`
        precision="bf16-mixed",
        logger=[CSVLogger(folder, name="logs", flush_logs_every_n_steps=16), TensorBoardLogger(folder, name="logs")],
        callbacks=[saver, *([Validation(data, folder, config)] if len(Dataset(data, "validation").pieces) else [])],
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    last = folder / LAST
    yield f"{'resuming' if last.exists() else 'starting'} {sum(p.numel() for p in module.parameters()):,} parameters"
    try:
        trainer.fit(module, datamodule=Batches(data, config), ckpt_path=last if last.exists() else None)
    except torch.OutOfMemoryError as error:
        raise RequestError(
            "Two windows are more than the memory holds", "Give a smaller model or shorter windows"
        ) from error
    trainer.save_checkpoint(last)
    if trainer.is_global_zero:
        yield f"{module.steps_done} steps in {module.spent / 3600:.2f} h"
