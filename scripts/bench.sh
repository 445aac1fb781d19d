#!/usr/bin/env bash
# Builds, then measures a trial of its own; arguments go to the bench.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
ensure_packages
scripts/build.sh
exec "$BUN" bench/main.ts "$@"
