#!/usr/bin/env bash
# Makes every call of Sensorium's CARLA client once against your simulator and prints a table. Facts about real servers come from
# such tables: please send yours with its version. The simulator is left as it was found (asynchronous, no actor more).
#   tools/carla_calls.sh [HOST] [PORT]
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo run --release --quiet -- drive --check-server --host "${1:-127.0.0.1}" --port "${2:-2000}" --timeout 60
