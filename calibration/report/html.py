"""What every report page is made of: its template, the style they share, figures drawn into the page."""

from __future__ import annotations

import html
import re
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from calibration.report.plots.style import svg

__all__ = ["Figures", "style", "template"]


@cache
def template(package: str) -> jinja2.Template:
    """Return the template ``report.html.jinja`` of a package, escaped, every variable required."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    source = files(package).joinpath("report.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(source)


@cache
def style() -> Markup:
    """Return the style sheet of report pages, for a ``<style>`` element."""
    return Markup(files("calibration.report").joinpath("page.css").read_text(encoding="utf-8"))


class Figures:
    """Draws charts as inline SVG, each with identifiers of its own and a text for those who do not see it.

    Parameters
    ----------
    language
        ``fr`` or ``en``: the decimal sign of the axes.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.count = 0

    def __call__(self, chart: Any, title: str) -> Markup:
        """Draw a chart; `title` is what a screen reader says."""
        self.count += 1
        picture = svg(chart, self.language)
        picture = re.sub(r'\bid="([^"]+)"', rf'id="f{self.count}-\1"', picture)
        picture = re.sub(r"url\(#([^)]+)\)", rf"url(#f{self.count}-\1)", picture)
        picture = re.sub(r'(href=")#', rf"\1#f{self.count}-", picture)
        label = html.escape(title, quote=True)
        picture = picture.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
        return Markup(picture)
