"""What an evaluation's rows come to: `evaluation.json`, and the same as one HTML page with its curves.

evaluation.json has, of each evaluation that was run, its settings (model, weights, split, seed, …), the number of
cases, and:

- likelihood: rows of {conditioning, nats_per_note, interval, nats_per_second, fields}; gains, intervals of what each
  condition gains; gap, nats a note of a window's last steps without and with the music that follows
- style: rows of {conditioning, the eight features, average, exact_average, interval}; controls, the same of following
  (the performance's own next part, the ceiling) and stranger (another's, the floor); best_of, the average of the best
  of so many takes; heard, medians of what takes sound like beside the quartiles of people's
- transfer, tunes: means, density_quartiles, nearer_to_own, best_of
- interpolation: shares, closeness (to the second style, of both), spearman
- regenerate, perform, vary: the mean of each figure of `engine.training.arranging_evaluation`, and its interval

Intervals are of the mean over cases, 95 %, by bootstrap.
"""

from __future__ import annotations

import html
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.features import FEATURES
from engine.training.evaluation import SHARES, Row, read_rows
from engine.training.likelihood import CONDITIONINGS

CONTROLS = ("following", "stranger")
DENSITY_WITHIN = (0.7, 1.4)  # of the style's own
RESAMPLES = 2000

Floats = NDArray[np.float64]


def write_report(folder: Path) -> Row:
    """Sum up every evaluation that `folder` holds rows of into `evaluation.json` and `report.html`; returns the former.

    Raises OSError where the folder can't be written.
    """
    found: Row = {}
    for name, summarise in SUMMARIES.items():
        file = folder / f"{name}.jsonl"
        settings, rows = read_rows(file) if file.exists() else ({}, [])
        if rows:
            found[name] = {"settings": settings, "cases": len(rows), **summarise(rows)}
    (folder / "evaluation.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "report.html").write_text(page(found))
    return found


def interval(values: Sequence[float] | Floats, weights: Sequence[float] | Floats | None = None) -> tuple[float, float]:
    """95 % of the means, weighted, of as many values drawn again and again from these."""
    table, random = np.asarray(values, float), np.random.default_rng(0)
    share = np.ones(len(table)) if weights is None else np.asarray(weights, float)
    picks = random.integers(len(table), size=(RESAMPLES, len(table)))
    means = (table * share)[picks].sum(1) / share[picks].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _likelihood(rows: Sequence[Row]) -> Row:
    notes, seconds = (np.array([row[name] for row in rows], float) for name in ("notes", "seconds"))
    table = []
    for name in CONDITIONINGS:
        nats = np.array([row[name] for row in rows], float)
        table.append(
            {
                "conditioning": name,
                "nats_per_note": float(nats.sum() / notes.sum()),
                "interval": interval(nats.sum(1) / notes, notes),
                "nats_per_second": float(nats.sum() / seconds.sum()),
                "fields": (nats.sum(0) / notes.sum()).tolist(),
            }
        )
    gains = {
        f"{more} over {less}": interval([(sum(row[less]) - sum(row[more])) / row["notes"] for row in rows], notes)
        for less, more in (
            ("none", "melody"),
            ("none", "performance"),
            ("melody", "melody_performance"),
            ("performance", "melody_performance"),
        )
    }
    return {"rows": table, "gains": gains, "gap": _gap([row["gap"] for row in rows if row["gap"].get("notes")])}


def _gap(rows: Sequence[Row]) -> Row:
    """Nats a note of a gap, by whether the music after it is known."""
    if not rows:
        return {}
    notes = np.array([row["notes"] for row in rows], float)
    without, known = (np.array([row[name] for row in rows]) for name in ("without", "with"))
    return {
        "nats_per_note_without": float(without.sum() / notes.sum()),
        "nats_per_note_with": float(known.sum() / notes.sum()),
        "gain_interval": interval((without - known) / notes, notes),
    }


def _style(rows: Sequence[Row]) -> Row:
    heard = {}
    for name in CONDITIONINGS:
        heard[name] = {key: _median(row[f"{name}_heard"][key] for row in rows) for key in rows[0]["human"]}
    people = {
        key: np.percentile([row["human"][key] for row in rows], [25, 50, 75]).tolist() for key in rows[0]["human"]
    }
    return {
        "rows": [_overlaps(name, rows) for name in CONDITIONINGS],
        "controls": [_overlaps(name, rows) for name in CONTROLS],
        "best_of": {
            name: _best_of([[take["average"] for take in row[name]] for row in rows]) for name in CONDITIONINGS
        },
        "heard": {"people_quartiles": people, **heard},
    }


def _overlaps(name: str, rows: Sequence[Row]) -> Row:
    """The paper's table, a line of it: of the first take of each case."""
    first = [row[name][0] for row in rows]
    averages = [take["average"] for take in first]
    return {
        "conditioning": name,
        **{feature: float(np.mean([take[feature] for take in first])) for feature in FEATURES},
        "average": float(np.mean(averages)),
        "exact_average": float(np.mean([take["exact"]["average"] for take in first])),
        "interval": interval(averages),
    }


def _best_of(cases: Sequence[Sequence[float]]) -> dict[str, float]:
    """The mean over cases of the best of the first 1, 2, 4, … takes."""
    most = min(map(len, cases))
    counts = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return {str(count): float(np.mean([max(case[:count]) for case in cases])) for count in counts}


def _transfer(rows: Sequence[Row]) -> Row:
    first = [row["takes"][0] for row in rows]
    best = [
        max(row["takes"], key=lambda take: float(take["overlap"])) for row in rows
    ]  # chosen by the style meter: what it says of the next part of the performance was not looked at
    return {
        **_means(first),
        "interval": interval([take["overlap"] for take in first]),
        "best_of": _best_of([[take["overlap"] for take in row["takes"]] for row in rows]),
        "best_takes": {"of": len(rows[0]["takes"]), **_means(best)},
        "human_judged": float(np.mean([row["human_judged"] for row in rows])),
        "human_nearest": float(np.mean([row["human_nearest"] for row in rows])),
    }


def _means(takes: Sequence[Row]) -> Row:
    numbers = [name for name, value in takes[0].items() if not isinstance(value, str)]
    density = np.array([take["density"] for take in takes])
    low, high = DENSITY_WITHIN
    return {
        **{name: float(np.mean([take[name] for take in takes])) for name in numbers if name != "case"},
        "density_quartiles": np.percentile(density, [25, 50, 75]).tolist(),
        "density_within": float(((density >= low) & (density <= high)).mean()),
        "nearer_to_own": float(np.mean([take["overlap"] > take["overlap_other"] for take in takes])),
    }


def _interpolation(rows: Sequence[Row]) -> Row:
    first, second = (np.array([row[f"overlap_{name}"] for row in rows]) for name in ("first", "second"))
    closeness = second / np.maximum(first + second, 1e-9)
    curve = closeness.mean(0)
    return {
        "shares": SHARES,
        "closeness": curve.tolist(),
        "spearman": spearman(SHARES, curve),
        "spearman_of_pairs": float(np.mean([spearman(SHARES, line) for line in closeness])),
    }


def _figures(rows: Sequence[Row]) -> Row:
    """The mean of every figure of the rows, and its interval."""
    names = [name for name, value in rows[0].items() if not isinstance(value, str) and name != "case"]
    table = {name: np.array([row[name] for row in rows], float) for name in names}
    return {
        key: value
        for name, values in table.items()
        for key, value in ((name, float(values.mean())), (f"{name}_interval", interval(values)))
    }


def spearman(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> float:
    """Correlation of the ranks of two lists without ties."""
    ranks = np.array([np.argsort(np.argsort(values)) for values in (a, b)], float)
    return float(np.corrcoef(ranks)[0, 1])


def _median(values: Any) -> float:
    return float(np.median(list(values)))


SUMMARIES: Mapping[str, Callable[[Sequence[Row]], Row]] = {
    "likelihood": _likelihood,
    "style": _style,
    "transfer": _transfer,
    "tunes": _means,
    "interpolation": _interpolation,
    "regenerate": _figures,
    "perform": _figures,
    "vary": _figures,
}

STYLESHEET = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .7rem; text-align: right }
th { border-bottom: 1px solid #999; font-weight: 600 } td:first-child, th:first-child { text-align: left }
svg { max-width: 100%; height: auto } .settings { color: #666; font-size: 85% }
"""


def page(found: Row) -> str:
    """One self-contained HTML page of what `write_report` sums up."""
    parts = [
        f"<section><h2>{name.capitalize()}</h2>{_settings(one)}{_body(name, one)}</section>"
        for name, one in found.items()
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Evaluation</title><style>{STYLESHEET}</style>'
        f"<body><h1>Evaluation</h1>{''.join(parts)}</body></html>\n"
    )


def _settings(one: Row) -> str:
    told = ", ".join(f"{key} {value}" for key, value in one["settings"].items())
    return f'<p class="settings">{html.escape(told)}; {one["cases"]} cases</p>'


def _body(name: str, one: Row) -> str:
    if name == "likelihood":
        gains = [{"gain": name, "nats_per_note": value} for name, value in one["gains"].items()]
        gains += [{"gain": f"{name} (gap)", "nats_per_note": value} for name, value in one["gap"].items()]
        table = _table(one["rows"], "conditioning", ("nats_per_note", "interval", "nats_per_second"))
        return table + _table(gains, "gain", ("nats_per_note",))
    if name == "style":
        columns = (*FEATURES, "average", "interval", "exact_average")
        lines = [*one["rows"], *one["controls"]]
        best = _curves(one["best_of"], "takes, the best kept")
        return _table(lines, "conditioning", columns) + _bars(lines) + best + _heard(one["heard"])
    if name == "interpolation":
        curve = dict(zip(map(str, one["shares"]), one["closeness"], strict=True))
        return f"<p>Spearman {one['spearman']:.3f}</p>" + _curves({"": curve}, "share of the second style")
    lines = [{"figure": key.replace("_", " "), "value": value} for key, value in one.items() if _is_figure(value)]
    best = _curves({"": one["best_of"]}, "takes, the best kept") if len(one.get("best_of", ())) > 1 else ""
    return _table(lines, "figure", ("value",)) + best


def _heard(heard: Row) -> str:
    """What takes sound like, by median, beside the quartiles of people's."""
    people = heard["people_quartiles"]
    lines = [
        {"figure": figure, "people": people[figure], **{name: heard[name][figure] for name in CONDITIONINGS}}
        for figure in people
    ]
    return _table(lines, "figure", ("people", *CONDITIONINGS))


def _is_figure(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, list | tuple) and all(isinstance(x, float) for x in value))


def _table(lines: Sequence[Row], first: str, columns: Sequence[str]) -> str:
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in (first, *columns))
    body = "".join(
        f"<tr><td>{html.escape(str(line[first]).replace('_', ' '))}</td>"
        + "".join(f"<td>{_figure(line[name])}</td>" for name in columns)
        + "</tr>"
        for line in lines
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _figure(value: Any) -> str:
    return " – ".join(f"{one:.3f}" for one in value) if isinstance(value, list | tuple) else f"{value:.3f}"


def _bars(lines: Sequence[Row]) -> str:
    """Average overlap of each conditioning and control, with its interval, as SVG."""
    figure, axes = _figure_of(len(lines) * 0.35 + 0.7)
    names = [str(line["conditioning"]).replace("_", " & ") for line in lines]
    averages = np.array([line["average"] for line in lines])
    reach = np.abs(np.array([line["interval"] for line in lines]).T - averages)
    axes.barh(names, averages, xerr=reach, color="#4878a8")
    axes.invert_yaxis()
    axes.set_xlabel("overlap area")
    return _svg(figure)


def _curves(curves: Mapping[str, Mapping[str, float]], label: str) -> str:
    figure, axes = _figure_of(2.6)
    for name, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), marker="o", label=name.replace("_", " & "))
    axes.set_xlabel(label)
    if len(curves) > 1:
        axes.legend(fontsize=8)
    return _svg(figure)


def _figure_of(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, height), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
