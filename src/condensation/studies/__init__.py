"""Studies: many runs that together answer a question, in a folder each, and done again only where something is missing."""

from condensation.studies.cells import Cell, cells
from condensation.studies.executors import Processes
from condensation.studies.findings import Search, Verdict, read_search, write_search
from condensation.studies.jobs import Job, Watch
from condensation.studies.matrices import Transferred, matrix, write_transfer
from condensation.studies.pages import write_table
from condensation.studies.proxies import SearchSettings, proxies_for
from condensation.studies.search import run_search, search_in
from condensation.studies.space import Space
from condensation.studies.table import Labelled, Row, TableSettings, jobs_of, rows_for, run_table, settings_in
from condensation.studies.theory import TheorySettings, run_theory, theory_in, write_theory
from condensation.studies.transfer import TransferSettings, run_transfer, transfer_in

__all__ = [
    "Cell",
    "Job",
    "Labelled",
    "Processes",
    "Row",
    "Search",
    "SearchSettings",
    "Space",
    "TableSettings",
    "TheorySettings",
    "TransferSettings",
    "Transferred",
    "Verdict",
    "Watch",
    "cells",
    "jobs_of",
    "matrix",
    "proxies_for",
    "read_search",
    "rows_for",
    "run_search",
    "run_table",
    "run_theory",
    "run_transfer",
    "search_in",
    "settings_in",
    "theory_in",
    "transfer_in",
    "write_search",
    "write_table",
    "write_theory",
    "write_transfer",
]
