"""Charts as Vega-Lite specifications; colours come from the page, so that they follow light and dark."""

from collections.abc import Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]
Spec = dict[str, Any]

VERDICTS = ("use", "maybe", "avoid")
ARMS = ("reasoning", "direct")

_DAY: Spec = {"field": "day", "type": "temporal", "timeUnit": "utcyearmonthdate", "title": None}
_BAR_WIDTH = 48
_HEIGHT = 200
_LEGEND = {"title": None, "orient": "top", "symbolOpacity": 1}
_SOLID, _DASHED = [1, 0], [5, 3]


def verdicts(rows: Rows) -> Spec:
    """Return decisions by day, stacked by verdict."""
    order = {verdict: i for i, verdict in enumerate(VERDICTS)}
    values = [{**row, "order": order.get(row["verdict"], 9)} for row in rows]
    return _chart(values, {
        "mark": {"type": "bar", **({"width": _BAR_WIDTH} if _single(rows) else {})},
        "encoding": {
            "x": _day(rows), "y": {"field": "n", "type": "quantitative", "title": "decisions", "stack": True},
            "color": _colour("verdict", VERDICTS), "order": {"field": "order"},
            "tooltip": [_field("day"), _field("verdict"), _number("n", "decisions", ",")],
        },
    })  # fmt: skip


def means(rows: Rows, title: str, form: str) -> Spec:
    """Return a mean by day and arm with its 95 % band."""
    y = {"field": "mean", "type": "quantitative", "title": title, "scale": {"zero": False}, "axis": {"format": form}}
    tip = [
        _field("day"),
        _field("arm"),
        _number("mean", title, form),
        _number("lower", "from", form),
        _number("upper", "to", form),
        _number("n", "attempts", ","),
    ]
    return _chart(rows, {"layer": [*_band(rows, _colour("arm", ARMS)), _line(rows, y, "arm", ARMS, tip)]})


def percentiles(rows: Rows) -> Spec:
    """Return p50 and p95 of latency by day and arm; the colour is the arm, the dash the percentile."""
    values = [
        {"day": row["day"], "series": f"{row['arm']} {name}", "value": row[name], "n": row["n"]}
        for row in rows for name in ("p50", "p95")
    ]  # fmt: skip
    y = {"field": "value", "type": "quantitative", "title": "latency, s"}
    tip = [_field("day"), _field("series"), _number("value", "seconds", ",.2f"), _number("n", "attempts", ",")]
    names = [f"{arm} {name}" for arm in ARMS for name in ("p50", "p95")]
    line = _line(rows, y, "series", names, tip, dashes=[_SOLID, _DASHED, _SOLID, _DASHED])
    line["encoding"]["color"]["scale"]["range"] = "twice"  # of the page's theme: each colour two times
    return _chart(values, {"layer": [line]})


def bands(rows: Rows, title: str, form: str) -> Spec:
    """Return values by day and series with their band; what of a band lies beyond 1 point is cut: a day of few decisions says nothing."""
    names = tuple(dict.fromkeys(row["series"] for row in rows))
    y = {
        "field": "value",
        "type": "quantitative",
        "title": title,
        "axis": {"format": form},
    }
    tip = [
        _field("day"),
        _field("series"),
        _number("value", title, form),
        _number("lower", "from", form),
        _number("upper", "to", form),
    ]
    return _chart(
        _within_a_point(rows),
        {"layer": [*_band(rows, _colour("series", names), "low", "high"), _line(rows, y, "series", names, tip)]},
    )


def _within_a_point(rows: Rows) -> list[dict[str, Any]]:
    """Return rows with `low` and `high`: their bounds as far as these lie within 1 point of 0."""
    drawn = {"low": "lower", "high": "upper"}
    return [
        {**row, **{to: None if row[end] is None else min(max(row[end], -1.0), 1.0) for to, end in drawn.items()}}
        for row in rows
    ]


def _chart(values: Rows, more: Spec) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json", "data": {"values": [dict(row) for row in values]},
        "width": "container", "height": _HEIGHT, "autosize": {"type": "fit-x", "contains": "padding"}, "background": None, **more,
    }  # fmt: skip


def _colour(name: str, domain: Sequence[str]) -> Spec:
    return {
        "field": name,
        "type": "nominal",
        "scale": {"domain": list(domain)},
        "legend": _LEGEND,
    }


def _single(rows: Rows) -> bool:
    return len({row["day"] for row in rows}) < 2


def _day(rows: Rows) -> Spec:
    """Return the axis of days: one tick for one day, which on an axis of time would have several of the same name."""
    if _single(rows):
        return {**_DAY, "type": "ordinal", "axis": {"format": "%d %b", "labelAngle": 0}}
    return {**_DAY, "axis": {"format": "%d %b", "tickCount": 6, "labelOverlap": True}}


def _band(rows: Rows, colour: Spec, low: str = "lower", high: str = "upper") -> list[Spec]:
    """Return the intervals of lines: a bar of its own for each point, and where there are several days, an area."""
    y = {"field": low, "type": "quantitative", "title": None}
    encoding = {"x": _day(rows), "y": y, "y2": {"field": high}, "color": colour}
    if _single(rows):
        return [{"mark": {"type": "rule", "strokeWidth": 2, "aria": False}, "encoding": encoding}]
    marks = ({"type": "area", "opacity": 0.18, "aria": False}, {"type": "rule", "opacity": 0.4, "aria": False})
    return [{"mark": mark, "encoding": encoding} for mark in marks]


def _line(
    rows: Rows,
    y: Spec,
    series: str,
    names: Sequence[str],
    tip: list[Spec],
    dashes: Sequence[list[int]] = (_SOLID, _DASHED),
) -> Spec:
    """Return lines by series, told apart by colour and by dash."""
    legend = {**_LEGEND, "symbolType": "stroke", "symbolSize": 300, "symbolStrokeWidth": 2}
    dashed = {
        "field": series,
        "type": "nominal",
        "legend": legend,
        "scale": {"domain": list(names), "range": list(dashes)},
    }
    return {
        "mark": {"type": "line", "point": True},
        "encoding": {"x": _day(rows), "y": y, "color": _colour(series, names), "tooltip": tip, "strokeDash": dashed},
    }


def _field(name: str) -> Spec:
    return {"field": name, "type": "nominal"}


def _number(name: str, title: str, form: str) -> Spec:
    return {"field": name, "type": "quantitative", "title": title, "format": form}
