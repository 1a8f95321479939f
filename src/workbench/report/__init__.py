"""Figures and pages that open without a network. Owns no statistics."""

from __future__ import annotations

from workbench.imports import quick_imports

with quick_imports():  # Altair and nbformat are imported below
    from workbench.report import figures
    from workbench.report.answer import Answer, answer, sentences
    from workbench.report.cards import KeyFigures, key_figures
    from workbench.report.formatted import FormattedTable, table
    from workbench.report.lint import check_page
    from workbench.report.pages import export_index, export_page
    from workbench.report.renderer import enable

__all__ = [
    "Answer",
    "FormattedTable",
    "KeyFigures",
    "answer",
    "check_page",
    "enable",
    "export_index",
    "export_page",
    "figures",
    "key_figures",
    "sentences",
    "table",
]
