"""Studies: many runs that together answer a question, in a folder each, and done again only where something is missing."""

from condensation.studies.buckets import Ablation, ablation, write_pools
from condensation.studies.cells import Cell, cells
from condensation.studies.continual import ContinualSettings, continual_in
from condensation.studies.executors import Processes
from condensation.studies.findings import Search, Verdict, read_search, write_search
from condensation.studies.jobs import Job, Watch
from condensation.studies.matrices import Transferred, matrix, write_transfer
from condensation.studies.pages import write_table
from condensation.studies.pools import PoolsSettings, pools_in, run_pools
from condensation.studies.proxies import SearchSettings, proxies_for
from condensation.studies.remembering import run_continual
from condensation.studies.retention import Known, Retention, retained, write_continual
from condensation.studies.search import run_search, search_in
from condensation.studies.space import Space
from condensation.studies.table import Labelled, Row, TableSettings, jobs_of, rows_for, run_table, settings_in
from condensation.studies.theory import TheorySettings, run_theory, theory_in, write_theory
from condensation.studies.transfer import TransferSettings, run_transfer, transfer_in

__all__ = [
    "Ablation",
    "Cell",
    "ContinualSettings",
    "Job",
    "Known",
    "Labelled",
    "PoolsSettings",
    "Processes",
    "Retention",
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
    "ablation",
    "cells",
    "continual_in",
    "jobs_of",
    "matrix",
    "pools_in",
    "proxies_for",
    "read_search",
    "retained",
    "rows_for",
    "run_continual",
    "run_pools",
    "run_search",
    "run_table",
    "run_theory",
    "run_transfer",
    "search_in",
    "settings_in",
    "theory_in",
    "transfer_in",
    "write_continual",
    "write_pools",
    "write_search",
    "write_table",
    "write_theory",
    "write_transfer",
]
