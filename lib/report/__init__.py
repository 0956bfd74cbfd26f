"""Figures and documents from the tables; nothing is computed here that a table does not say."""

from lib.report.render import render

__all__ = ["render"]
