"""The page of a cycle-zero run: one HTML file that opens without network."""

from deriva_ml_kit.report.collect import Question, collect
from deriva_ml_kit.report.page import Checked, Phase, render

__all__ = ["Checked", "Phase", "Question", "collect", "render"]
