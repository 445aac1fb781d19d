#!/usr/bin/env bash
# Tells random stories of a whole simulated cluster; see npm run simulate -- --help.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
ensure_packages
exec "$BUN" test/simulator/simulate.ts "$@"
