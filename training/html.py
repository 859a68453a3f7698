"""The evaluation report as one self-contained HTML page."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from training.metrics import UNDEFINED, ranged, shown
from training.report import figures
from training.report.slices import LEAST_PAIRS

ORDER_NAMES = {
    "q": "ours, the headline's order", "q_net_benefit": "ours, by net_benefit", "q_gain_per_token": "ours, by gain per token",
    "q_gain": "ours, by gain",
}  # fmt: skip


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report of `training.evaluate`; every text in it is escaped, an undefined figure is a dash.

    It fetches nothing, and its content security policy names the digests of its one style and its one script (W3C, Content
    Security Policy Level 3, section 6.7): no other runs.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.globals.update(
        ranged=ranged, shown=shown, dash=UNDEFINED, order_names=ORDER_NAMES, least_slice=LEAST_PAIRS
    )
    style, script = _text("page.css"), _text("page.js")
    return environment.from_string(_text("page.html")).render(
        r={"budget": None, "included": [], **report},
        style=Markup(style), script=Markup(script), style_hash=_hash(style), script_hash=_hash(script),  # noqa: S704
        plots=_drawn(figures.figures(report)), of_sources=_drawn(figures.of_sources(report)),
    )  # fmt: skip


def _text(name: str) -> str:
    return files("training.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _drawn(drawn: Mapping[str, figures.Drawn]) -> dict[str, dict[str, str]]:
    return {name: {"uri": figures.data_uri(figure), "alt": alt} for name, (figure, alt) in drawn.items()}
