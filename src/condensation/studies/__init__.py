"""Studies: many runs that together answer a question, in a folder each, and done again only where something is missing."""

from condensation.studies.buckets import Ablation, ablation, write_pools
from condensation.studies.cells import Cell, cells
from condensation.studies.continual import ContinualSettings, continual_in
from condensation.studies.jobs import Job, Watch
from condensation.studies.matrices import Transferred, matrix, write_transfer
from condensation.studies.pages import write_table
from condensation.studies.remembering import run_continual
from condensation.studies.retention import Known, Retention, retained, write_continual
from condensation.studies.pools import PoolsSettings, pools_in, run_pools
from condensation.studies.table import Row, TableSettings, jobs_of, rows_for, run_table, settings_in
from condensation.studies.theory import TheorySettings, run_theory, theory_in, write_theory
from condensation.studies.transfer import TransferSettings, run_transfer, transfer_in

__all__ = [
    "Ablation",
    "Cell",
    "ContinualSettings",
    "Job",
    "Known",
    "Retention",
    "PoolsSettings",
    "Row",
    "TableSettings",
    "TheorySettings",
    "TransferSettings",
    "Transferred",
    "Watch",
    "ablation",
    "cells",
    "continual_in",
    "jobs_of",
    "matrix",
    "retained",
    "rows_for",
    "run_continual",
    "pools_in",
    "run_pools",
    "run_table",
    "run_theory",
    "run_transfer",
    "settings_in",
    "theory_in",
    "transfer_in",
    "write_continual",
    "write_pools",
    "write_table",
    "write_theory",
    "write_transfer",
]
