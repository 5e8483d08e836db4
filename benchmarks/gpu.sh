#!/usr/bin/env bash
# Run the benchmarks at sizes for a GPU, in at most ten minutes. Without a GPU, skip those that need one, and name them.
#   bash benchmarks/gpu.sh                    from the root of the repository; results go to results/benchmarks/ or to OUT
#   CONDENSATION_DATA=DIR bash benchmarks/gpu.sh      also measures the accuracy on CIFAR10 and Fashion-MNIST
set -uo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-results/benchmarks}
END=$((SECONDS + ${LIMIT:-570}))
failed=0

measure() { # measure SECONDS MODULE [ARGUMENT]...: run for at most so many seconds, and not past the end
    local limit=$1 left=$((END - SECONDS))
    shift
    if ((left < 20)); then
        echo "skipped (out of time): $*"
        return
    fi
    echo "== $*"
    timeout $((limit < left ? limit : left)) "$PYTHON" -m "benchmarks.$1" "${@:2}" --out "$OUT" || {
        echo "failed (exit status $?): $*"
        failed=1
    }
}

if ! "$PYTHON" -c 'import condensation, torch'; then
    echo "condensation is not installed for $PYTHON. Run  $PYTHON -m pip install -e .  or set PYTHON to another interpreter."
    exit 1
fi

measure 60 startup
if ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    measure 240 dm_step --rounds 2 --device cpu
    echo "skipped (no GPU): dm_step at ipc 50 and at 64x64, judging with 20 networks, search, memory, growth, accuracy"
    exit "$failed"
fi

measure 60 dm_step --rounds 20
measure 150 judging --networks 20 --epochs 50
if [[ -d ${CONDENSATION_DATA:-} ]]; then
    measure 150 accuracy cifar10-10 --preset classic --networks 20
    measure 150 accuracy cifar10-10 --preset fast --networks 20
    measure 150 accuracy fashion-mnist-10 --preset classic --networks 20
else
    echo "skipped (CONDENSATION_DATA is not a folder): accuracy"
fi
measure 60 search
measure 60 dm_step --rounds 10 --ipc 50
measure 60 dm_step --rounds 10 --size 64
measure 90 memory --steps 5
measure 120 growth --batch-per-class 64
exit "$failed"
