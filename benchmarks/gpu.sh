#!/usr/bin/env bash
# Every benchmark at the sizes that a GPU is for, in at most ten minutes; where there is none, what needs one is skipped, and said so.
#   bash benchmarks/gpu.sh                    from the root of the repository; results go to results/benchmarks/, or where OUT says
#   CONDENSATION_DATA=DIR bash benchmarks/gpu.sh      with the accuracy on CIFAR10 and Fashion-MNIST as well
set -uo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-results/benchmarks}
END=$((SECONDS + ${LIMIT:-570}))
failed=0

measure() { # measure SECONDS MODULE [ARGUMENT]...: at most so long, and not past the end
    local most=$1 left=$((END - SECONDS))
    shift
    if ((left < 20)); then
        echo "skipped, for the time is over: $*"
        return
    fi
    echo "== $*"
    timeout $((most < left ? most : left)) "$PYTHON" -m "benchmarks.$1" "${@:2}" --out "$OUT" || {
        echo "did not finish (exit status $?): $*"
        failed=1
    }
}

if ! "$PYTHON" -c 'import condensation, torch'; then
    echo "condensation is not installed for $PYTHON: install it with  $PYTHON -m pip install -e .  or name another with PYTHON=..."
    exit 1
fi

measure 60 startup
if ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    measure 240 dm_step --rounds 2 --device cpu
    echo "skipped, for torch finds no GPU here: dm_step at 50 images a class and at 64x64, judging of 20 networks, search, memory, growth, accuracy"
    exit "$failed"
fi

measure 60 dm_step --rounds 20
measure 150 judging --networks 20 --epochs 50
if [[ -d ${CONDENSATION_DATA:-} ]]; then
    measure 150 accuracy cifar10-10 --preset fast --networks 20
    measure 150 accuracy fashion-mnist-10 --preset fast --networks 20
else
    echo "skipped, for CONDENSATION_DATA names no folder: accuracy"
fi
measure 60 search
measure 60 dm_step --rounds 10 --ipc 50
measure 60 dm_step --rounds 10 --size 64
measure 90 memory --steps 5
measure 120 growth --batch-per-class 64
exit "$failed"
