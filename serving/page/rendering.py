"""Renders the page's templates: escaped by default, links under the place where the page is mounted."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from contract.bands import BANDS
from serving.page import words
from serving.page.assets import Asset
from serving.page.drawing import axis_of, widths

VIEWS = (
    ("", "Overview"), ("trends", "Trends"), ("slices", "Slices"), ("suspected", "Suspected"), ("decisions", "Decisions"),
    ("what-if", "What if"),
)  # fmt: skip


class Renderer:
    """Templates and what they all need."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        self.assets = assets
        self.templates = Environment(
            loader=PackageLoader("serving.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )  # fmt: skip
        self.templates.filters.update(words.FILTERS)
        self.templates.globals.update(
            views=VIEWS,
            bands=BANDS,
            axis_of=axis_of,
            widths=widths,
            asset=self._asset,
            segment=segment,
            dash=words.DASH,
        )

    def page(self, template: str, root: str, **context: Any) -> str:
        """Return a page as it is served under `root`, a path without its last slash."""
        return self._render(template, standalone=False, root=root, **context)

    def top(self, root: str, **context: Any) -> str:
        """Return how every page of this title, place and heading begins, up to what is gathered for it."""
        return self.page("base.html", root, **context).partition("</main>")[0]

    def file(self, template: str, **context: Any) -> str:
        """Return a page that needs nothing beside it: its scripts and styles stand in it, and it may load no others."""
        script = "\n".join(self.assets[name].content.decode() for name in ("vega.min.js", "page.js"))
        style = self.assets["page.css"].content.decode()
        return self._render(
            template, standalone=True, root="", script=Markup(script), style=Markup(style),  # noqa: S704 - both are files of ours
            script_hash=_hash(script), style_hash=_hash(style), **context,
        )  # fmt: skip

    def _render(self, template: str, **context: Any) -> str:
        return self.templates.get_template(template).render(context)

    def _asset(self, root: str, name: str) -> str:
        return f"{root}/assets/{name}?v={self.assets[name].version}"


def segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
