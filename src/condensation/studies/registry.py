"""All studies by name."""

from typing import Any

from condensation.studies.continual.report import continual_report
from condensation.studies.continual.run import claim_continual, continual_tasks
from condensation.studies.continual.study import MEMORIES, ContinualSettings, continual_jobs
from condensation.studies.federated.report import federated_report
from condensation.studies.federated.settings import SETS as CLIENT_SETS, FederatedSettings
from condensation.studies.federated.study import claim_federated, federated_jobs, federated_tasks
from condensation.studies.nas.proxies import SETS as SEARCH_SETS, SearchSettings, search_jobs
from condensation.studies.nas.report import search_report
from condensation.studies.nas.study import claim_search, search_tasks
from condensation.studies.pools.report import pools_report
from condensation.studies.pools.study import RUNS as BUCKET_RUNS, PoolsSettings, claim_pools, pools_jobs, pools_tasks
from condensation.studies.privacy.report import privacy_report
from condensation.studies.privacy.settings import PrivacySettings
from condensation.studies.privacy.shadows import SHADOWS
from condensation.studies.privacy.study import claim_privacy, privacy_tasks
from condensation.studies.study import Study
from condensation.studies.table.report import table_report
from condensation.studies.table.study import RUNS, TableSettings, claim_table, table_jobs, table_tasks
from condensation.studies.theory.report import theory_report
from condensation.studies.theory.study import NETWORKS, TheorySettings, claim_theory, theory_tasks
from condensation.studies.transfer.report import transfer_report
from condensation.studies.transfer.study import SETS, TransferSettings, claim_transfer, transfer_jobs, transfer_tasks

TABLE = Study("table", TableSettings, RUNS, table_jobs, claim_table, table_tasks, table_report)
TRANSFER = Study("transfer", TransferSettings, SETS, transfer_jobs, claim_transfer, transfer_tasks, transfer_report)
CONTINUAL = Study("continual", ContinualSettings, MEMORIES, continual_jobs, claim_continual, continual_tasks, continual_report)
NAS = Study("nas", SearchSettings, SEARCH_SETS, search_jobs, claim_search, search_tasks, search_report)
POOLS = Study("pools", PoolsSettings, BUCKET_RUNS, pools_jobs, claim_pools, pools_tasks, pools_report)
THEORY = Study("theory", TheorySettings, NETWORKS, lambda settings, folder: [], claim_theory, theory_tasks, theory_report)
FEDERATED = Study("federated", FederatedSettings, CLIENT_SETS, federated_jobs, claim_federated, federated_tasks, federated_report)
PRIVACY = Study("privacy", PrivacySettings, SHADOWS, lambda settings, folder: [], claim_privacy, privacy_tasks, privacy_report)
STUDIES: dict[str, Study[Any]] = {study.name: study for study in (TABLE, TRANSFER, CONTINUAL, FEDERATED, NAS, POOLS, THEORY, PRIVACY)}
