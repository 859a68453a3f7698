#!/usr/bin/env bash
# The whole loop on simulated traffic with a known truth: serve, decide, tell what came of it, audit, retrain, gate, promote, swap.
#
#     examples/loop.sh [FOLDER]      FOLDER is made; a temporary one if not given. BIN (.venv/bin here), REQUESTS (1,600) a round, PORT (a free one).
#
# The world of examples/traffic.py differs from what the first bundle was taught in three slices. The audit has to find these
# and no other; the challenger, trained on what was recorded, has to lose less there. Nothing is written outside FOLDER.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
PATH=${BIN:-$root/.venv/bin}:$PATH
port=${PORT:-0} requests=${REQUESTS:-1600}
[ "$port" != 0 ] || port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
folder=${1:-$(mktemp -d)}
mkdir -p "$folder" && cd "$folder"
export MLFLOW_TRACKING_URI=sqlite:///$PWD/mlflow.db THINKWORTH_STORE_FOLDER=$PWD/store OMP_NUM_THREADS=1
export THINKWORTH_STORE_PROMPTS=text THINKWORTH_EXPLORATION=0.8
mkdir -p models data
# a small world and few iterations: a demonstration, trained in half a minute
printf 'iterations: 40\ncomponents: 16\nholdout_share: 0.3\n' > train.yaml
python "$root/examples/traffic.py" --taxonomy data/taxonomy.yaml  # the one in the working directory is used

say() { printf '\n== %s\n' "$*"; }
ready() {
  for _ in $(seq 300); do curl -sf "http://127.0.0.1:$port/readyz" > /dev/null && return; sleep 0.2; done
  echo "the service did not come up:"; tail serve.log; exit 1
}

say "a first bundle, from simulated logs of the world as it was"
thinkworth simulate --prompts 500 --seed 3 --out september.parquet
thinkworth train september.parquet --config train.yaml --out models/first 2> train.log
thinkworth promote 1 --force --why "the first" --models models

say "serve it; the world has changed"
thinkworth serve --port "$port" > serve.log 2>&1 & server=$!
trap 'kill $server 2> /dev/null || true' EXIT
ready
python "$root/examples/traffic.py" --url "http://127.0.0.1:$port" --requests "$requests" --seed 1 --out before.csv

say "audit: which slices are misrouted?"
thinkworth audit --out report
python "$root/examples/judge.py" slices before.csv report/slices.csv store/decisions.sqlite

say "retrain on what was recorded, without the log of the world as it was; the gate compares challenger and champion"
thinkworth retrain --config train.yaml --without september.parquet --out models/second 2>> train.log
thinkworth promote 2 --why "what the audit found" --models models
thinkworth status --models models

say "the service, which was up all the time, swaps to the new champion; the same world"
curl -sS --fail-with-body -X POST "http://127.0.0.1:$port/admin/reload"; echo
python "$root/examples/traffic.py" --url "http://127.0.0.1:$port" --requests "$requests" --seed 2 --out after.csv
kill "$server"; wait "$server" 2> /dev/null || true
thinkworth audit --out report-after --since "$(python "$root/examples/judge.py" first after.csv)"
python "$root/examples/judge.py" regret before.csv after.csv
echo; echo "in $PWD: report/index.html and report-after/index.html"
