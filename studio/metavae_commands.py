"""`hommage evaluate mog|invariance|expfam`: MetaVAE's experiments. They need the `train` extra for their figures."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import RequestError
from studio.arguments import Device, Where
from studio.console import ProgressLine, print_json, say

if TYPE_CHECKING:
    from engine.training.evaluation import Evaluation

app = typer.Typer()

Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Rows and report; gone on with if there.")]
Seeds = Annotated[int, typer.Option(metavar="N", min=1, max=100, help="Trainings of each model.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small enough for two minutes: that it works, not how well.")]


@app.command()
def mog(output: Output, seeds: Seeds = 5, quick: Quick = False) -> None:
    """Clusters of fresh mixtures of Gaussians: MetaVAE, the steps that lead to it, the Bayes error."""
    from engine.training.meta_mixtures import Clustering, Plan

    plan = Plan().quick() if quick else Plan()
    _measure(Clustering(plan, seeds), "mog", output, "hommage evaluate mog", quick, asdict(plan))


@app.command()
def expfam(output: Output, seeds: Seeds = 3, quick: Quick = False) -> None:
    """Parameters of exponential families inferred from samples, of families never seen too."""
    from engine.training.meta_families import Families, Plan

    plan = Plan().quick() if quick else Plan()
    _measure(Families(plan, seeds), "expfam", output, "hommage evaluate expfam", quick, asdict(plan))


@app.command()
def invariance(
    output: Output,
    family: Annotated[
        str, typer.Option(metavar="NAME", help="rotation, scale, skew; elevation, azimuth, lighting.")
    ] = "rotation",
    mnist: Annotated[Path | None, typer.Option(metavar="FILE", help="mnist.npz, for the first three.")] = None,
    norb: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Small NORB's .mat files; else a stand-in is rendered.")
    ] = None,
    images: Annotated[int, typer.Option(metavar="N", min=60, help="MNIST's training images, at most.")] = 20_000,
    steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="Of each training; else 2500.")] = None,
    seeds: Seeds = 3,
    shared_layers: Annotated[
        int, typer.Option(metavar="N", min=0, max=2, help="Hidden layers MetaVAE's decoders have in common.")
    ] = 0,
    device: Where = Device.auto,
    quick: Quick = False,
) -> None:
    """Linear read-outs and distances under transformations never trained on: MetaVAE, NS, VHE, VAE, raw pixels."""
    from engine.training.meta_images import FACTORS, OF_DIGITS, Digits, Images
    from engine.training.meta_invariance import Invariance, Plan, image_config
    from engine.training.meta_training import device_named

    if family not in FACTORS:
        raise RequestError(f"There is no family {family}", f"Give one of {', '.join(FACTORS)}")
    limits = (300, 60, 200) if quick else (images, 2000, 10_000)
    chosen = device_named(device.value)
    read: Images
    if family in OF_DIGITS:
        if mnist is None:
            raise RequestError(f"{family} is of MNIST's digits", "Give --mnist FILE, an mnist.npz")
        read, source = Digits(mnist, limits), f"MNIST, {limits[0]} training images"
    elif norb is not None:
        from engine.training.meta_norb import read_norb

        read, source = read_norb(norb), "small NORB"
    else:
        from engine.training.meta_stand_in import stand_in

        read = stand_in(instances=6) if quick else stand_in()
        source = "the stand-in for small NORB that this project renders"
    plan = Plan(image_config(family))
    plan = plan.quick() if quick else plan
    config = replace(plan.config, shared_layers=shared_layers)
    plan = replace(plan, config=config, steps=steps or plan.steps)
    command = f"hommage evaluate invariance --family {family} --images {images} --steps {plan.steps}"
    command += f" --shared-layers {shared_layers}" + (" --mnist mnist.npz" if family in OF_DIGITS else "")
    command += " --norb DIR" if norb is not None and family not in OF_DIGITS else ""
    _measure(
        Invariance(family, read, plan, seeds, chosen),
        family,
        output,
        command,
        quick,
        {"images": source, **asdict(plan)},
    )


def _measure(evaluation: Evaluation, name: str, output: Path, command: str, quick: bool, plan: dict[str, Any]) -> None:
    """Measure what is not measured yet, write the report, and print its part of this evaluation as JSON."""
    from engine.training.evaluation import measured
    from engine.training.meta_report import write_report

    line, done = ProgressLine("Rows", float(len(evaluation)), unit="rows"), 0
    command += " --quick" if quick else ""
    for done, _ in measured(evaluation, output, {"command": command, **plan}):
        line.show(float(done))
    line.end(float(done))
    found = write_report(output)
    print_json(found[name] if name in found else found["invariance"][name])
    say(f"{output / 'report.html'} shows it.")
