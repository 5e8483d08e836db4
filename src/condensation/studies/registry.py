"""All studies by name."""

from typing import Any

from condensation.studies.continual.report import continual_report
from condensation.studies.continual.run import run_continual
from condensation.studies.continual.study import MEMORIES, ContinualSettings, continual_jobs
from condensation.studies.nas.proxies import SETS as SEARCH_SETS, SearchSettings, search_jobs
from condensation.studies.nas.report import search_report
from condensation.studies.nas.study import run_search
from condensation.studies.pools.report import pools_report
from condensation.studies.pools.study import RUNS as BUCKET_RUNS, PoolsSettings, pools_jobs, run_pools
from condensation.studies.study import Study
from condensation.studies.table.report import table_report
from condensation.studies.table.study import RUNS, TableSettings, run_table, table_jobs
from condensation.studies.theory.report import theory_report
from condensation.studies.theory.study import NETWORKS, TheorySettings, run_theory
from condensation.studies.transfer.report import transfer_report
from condensation.studies.transfer.study import SETS, TransferSettings, run_transfer, transfer_jobs

TABLE = Study("table", TableSettings, RUNS, table_jobs, run_table, table_report)
TRANSFER = Study("transfer", TransferSettings, SETS, transfer_jobs, run_transfer, transfer_report)
CONTINUAL = Study("continual", ContinualSettings, MEMORIES, continual_jobs, run_continual, continual_report)
NAS = Study("nas", SearchSettings, SEARCH_SETS, search_jobs, run_search, search_report)
POOLS = Study("pools", PoolsSettings, BUCKET_RUNS, pools_jobs, run_pools, pools_report)
THEORY = Study("theory", TheorySettings, NETWORKS, lambda settings, folder: [], run_theory, theory_report)
STUDIES: dict[str, Study[Any]] = {study.name: study for study in (TABLE, TRANSFER, CONTINUAL, NAS, POOLS, THEORY)}
