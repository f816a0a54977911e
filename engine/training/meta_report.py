"""What the rows of MetaVAE's experiments come to: `report.json`, and the same as one HTML page with its figures.

report.json: "mog" has {model}_error, _interval for each step of the ladder, bayes_error, seeds; "invariance" has of
each family, of each split, the accuracy on unseen values of each model ("metavae", "vhe", "ns", and the controls "vae",
"raw"), its interval and `by_value`, and "table": of each model the distance over each factor's values ("distance"), the
same divided by that between different images ("relative"), and "ratio", the nearest other factor's over the own, of
both; "expfam" has of each model and family the errors inside, outside, and of a read-out. Intervals are of the mean
over seeds, 95 %, by bootstrap. Each part has the settings of its rows, and the command.
"""

from __future__ import annotations

import html
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.training.evaluation import read_rows
from engine.training.meta_families import FAMILIES, UNSEEN
from engine.training.meta_families import MODELS as EXPFAM_MODELS
from engine.training.meta_images import FACTORS, OF_DIGITS, OF_VIEWS, SPLITS
from engine.training.meta_invariance import MODELS
from engine.training.meta_mixtures import STEPS_OF_THE_LADDER
from engine.training.report import STYLESHEET, interval

Row = dict[str, Any]
CONTROLS = ("vae", "raw")


def write_report(folder: Path) -> Row:
    """Sum up the rows in `folder` into `report.json` and `report.html`; returns the former. Raises OSError."""
    found: Row = {"mog": {}, "invariance": {}, "expfam": {}}
    kept: dict[str, list[Row]] = {}
    for name in ("mog", "expfam", *FACTORS):
        file = folder / f"{name}.jsonl"
        settings, rows = read_rows(file) if file.exists() else ({}, [])
        if rows:
            kept[name] = rows
            if name in FACTORS:
                found["invariance"][name] = {"settings": settings, **_invariance(name, rows)}
            else:
                found[name] = {"settings": settings, **{"mog": _mog, "expfam": _expfam}[name](rows)}
    (folder / "report.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "report.html").write_text(_page(found, kept))
    return found


def _mog(rows: Sequence[Row]) -> Row:
    found: Row = {"seeds": len({row["seed"] for row in rows})}
    for name in STEPS_OF_THE_LADDER:
        errors = [row["error"] for row in rows if row["model"] == name]
        if errors:
            found |= {f"{name}_error": float(np.mean(errors)), f"{name}_interval": interval(errors)}
    bayes = {row["seed"]: row["bayes_error"] for row in rows}
    return {**found, "bayes_error": float(np.mean(list(bayes.values())))}


def _invariance(family: str, rows: Sequence[Row]) -> Row:
    found: Row = {"seeds": len({row["seed"] for row in rows})}
    for split in SPLITS:
        unseen = [str(value) for value in FACTORS[family].split(split)[1]]
        found[split] = {"by_value": {}}
        for model in (*MODELS, *CONTROLS):
            mine = [row for row in rows if row["model"] == model and row["split"] in ("", split)]
            by_value = {
                value: float(np.mean([row["accuracy"][value] for row in mine if value in row["accuracy"]]))
                for value in unseen
                if any(value in row["accuracy"] for row in mine)
            }
            if len(by_value) == len(unseen):
                found[split] |= {
                    model: float(np.mean(list(by_value.values()))),
                    f"{model}_interval": _of_seeds(mine, unseen),
                }
                found[split]["by_value"][model] = by_value
    found["table"] = {model: _table(family, model, rows) for model in MODELS if _measured(model, rows)}
    return found


def _of_seeds(rows: Sequence[Row], values: Sequence[str]) -> tuple[float, float]:
    of_seed: dict[int, list[float]] = {}
    for row in rows:
        of_seed.setdefault(row["seed"], []).extend(
            row["accuracy"][value] for value in values if value in row["accuracy"]
        )
    return interval([float(np.mean(each)) for each in of_seed.values()])


def _measured(model: str, rows: Sequence[Row]) -> list[Row]:
    return [row["distances"] for row in rows if row["model"] == model and "distances" in row]


def _table(family: str, model: str, rows: Sequence[Row]) -> Row:
    """A line of the invariance table in both forms."""
    measured = _measured(model, rows)
    factors = OF_DIGITS if family in OF_DIGITS else OF_VIEWS
    distance = {factor: float(np.mean([each[factor][0] for each in measured])) for factor in factors}
    relative = {factor: float(np.mean([each[factor][0] / each[factor][1] for each in measured])) for factor in factors}
    ratio = [min(form[other] for other in factors if other != family) / form[family] for form in (distance, relative)]
    return {"distance": distance, "relative": relative, "ratio": ratio}


def _expfam(rows: Sequence[Row]) -> Row:
    found: Row = {"seeds": len({row["seed"] for row in rows})}
    for model in EXPFAM_MODELS:
        mine = [row for row in rows if row["model"] == model]
        if mine:
            found[model] = {
                family: {name: float(np.mean([row[family][name] for row in mine])) for name in mine[0][family]}
                for family in (*FAMILIES, *UNSEEN)
            }
    return found


def _page(found: Row, kept: dict[str, list[Row]]) -> str:
    parts = []
    if found["mog"]:
        parts.append(_section("Mixtures of Gaussians", found["mog"], _mog_body(found["mog"], kept["mog"])))
    for family, one in found["invariance"].items():
        title = f"Invariance: {family} of {one['settings']['images']}"
        parts.append(_section(title, one, _invariance_body(family, one, kept[family])))
    if found["expfam"]:
        parts.append(_section("Exponential families", found["expfam"], _expfam_body(found["expfam"])))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>MetaVAE</title><style>{STYLESHEET}</style>'
        f"<body><h1>MetaVAE</h1>{''.join(parts)}</body></html>\n"
    )


def _section(title: str, one: Row, body: str) -> str:
    settings = {**one["settings"], "command": f"{one['settings']['command']} --seeds {one['seeds']} -o DIR"}
    told = "; ".join(f"{name} {value}" for name, value in settings.items())
    return f'<section><h2>{html.escape(title)}</h2><p class="settings">{html.escape(told)}</p>{body}</section>'


def _html_table(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        return f"{value:.3f}" if isinstance(value, float) else html.escape(str(value).replace("_", " "))

    rows = "".join("<tr>" + "".join(f"<td>{cell(value)}</td>" for value in line) + "</tr>" for line in lines)
    return f"<table><tr>{''.join(f'<th>{html.escape(name)}</th>' for name in head)}</tr>{rows}</table>"


def _between(limits: Sequence[float]) -> str:
    return " – ".join(f"{limit:.3f}" for limit in limits)


def _mog_body(one: Row, rows: Sequence[Row]) -> str:
    lines = [
        (name, one[f"{name}_error"], _between(one[f"{name}_interval"]))
        for name in STEPS_OF_THE_LADDER
        if f"{name}_error" in one
    ]
    table = _html_table(("model", "clustering error", "95 %"), [*lines, ("Bayes", one["bayes_error"], "")])
    shown = [row for row in rows if row["model"] in ("vae", "metavae") and "shown" in row]
    return table + "".join(f"<p>{row['model']}</p>{_clusters(row['shown'])}" for row in shown)


def _clusters(sets: Sequence[Row]) -> str:
    figure, axes = _figure(2.2, len(sets))
    for axis, one in zip(axes, sets, strict=True):
        points, clusters = np.array(one["points"]), np.array(one["clusters"])
        for label, marker in ((0, "o"), (1, "^")):
            mine = np.array(one["labels"]) == label
            axis.scatter(*points[mine].T, c=clusters[mine], marker=marker, s=7, cmap="coolwarm", vmin=0, vmax=1)
    return _svg(figure)


def _invariance_body(family: str, one: Row, rows: Sequence[Row]) -> str:
    names = (*MODELS, *CONTROLS)
    of = "stand-in, " if "stand-in" in one["settings"]["images"] else ""
    accuracies = _html_table(
        (f"{of}unseen", *names), [(split, *(one[split].get(name, "") for name in names)) for split in SPLITS]
    )
    lines = [
        (f"{model}, {form}", *line[form].values(), line["ratio"][place])
        for model, line in one["table"].items()
        for place, form in enumerate(("distance", "relative"))
    ]
    factors = OF_DIGITS if family in OF_DIGITS else OF_VIEWS
    table = _html_table((f"{of}trained on {family}", *factors, "ratio"), lines) if lines else ""
    figure, axes = _figure(2.6, len(SPLITS))
    for axis, split in zip(axes, SPLITS, strict=True):
        for model, curve in one[split]["by_value"].items():
            values = [FACTORS[family].values[int(index)] for index in curve]
            axis.plot(values, list(curve.values()), marker=".", label=model)
        axis.set_title(split, fontsize=9)
    if axes[0].lines:
        axes[0].legend(fontsize=7)
    return accuracies + table + _svg(figure) + _embeddings(rows)


def _embeddings(rows: Sequence[Row]) -> str:
    """Codes of one unseen data set by each model, in their own first two principal directions."""
    shown = [row for row in rows if "shown" in row and row["split"] == "interleaved"]
    if not shown:
        return ""
    figure, axes = _figure(2.6, len(shown))
    for axis, row in zip(axes, shown, strict=True):
        axis.scatter(*np.array(row["shown"]).T, c=row["labels"], s=6, cmap="tab10")
        axis.set_title(row["model"], fontsize=9)
    return _svg(figure)


def _expfam_body(one: Row) -> str:
    parts = []
    for figure in ("inside", "outside", "read_out"):
        lines = [
            (model, *(one[model][family][figure] for family in (*FAMILIES, *UNSEEN)))
            for model in EXPFAM_MODELS
            if model in one
        ]
        title = figure.replace("_", "-")
        parts.append(
            _html_table((f"squared error, {title}", *FAMILIES, *(f"{name}, unseen" for name in UNSEEN)), lines)
        )
    return "".join(parts)


def _figure(height: float, columns: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _svg(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
