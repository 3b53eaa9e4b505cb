"""Plots: each ``plot_*`` returns an Altair chart, to be shown in a notebook or drawn into the report.

`svg` draws a chart as a picture without a browser and without network (vl-convert).
"""

from calibration.report.plots.item import plot_all_options, plot_item, plot_items, plot_options
from calibration.report.plots.judgement import plot_dif, plot_drift, plot_item_fit, plot_person_fit
from calibration.report.plots.style import svg
from calibration.report.plots.whole import plot_dimensions, plot_information, plot_scores, plot_wright_map

__all__ = [
    "plot_all_options",
    "plot_dif",
    "plot_dimensions",
    "plot_drift",
    "plot_information",
    "plot_item",
    "plot_item_fit",
    "plot_items",
    "plot_options",
    "plot_person_fit",
    "plot_scores",
    "plot_wright_map",
    "svg",
]
