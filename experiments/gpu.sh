#!/usr/bin/env bash
# Run the experiments with the settings of the papers on a GPU, for at most MINUTES (9); a later call continues where this one ended.
#   CONDENSATION_DATA=DIR bash experiments/gpu.sh
# Results go to results/, unfinished runs stay in runs/experiments/.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
if [[ ! -d ${CONDENSATION_DATA:-} ]]; then
    echo "Set CONDENSATION_DATA to the folder of the data sets."
    exit 1
fi
if ! PYTHONPATH=src "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "No GPU is available to $PYTHON."
    exit 1
fi
PYTHONPATH=src exec "$PYTHON" -m experiments --gpu --minutes "${MINUTES:-9}"
