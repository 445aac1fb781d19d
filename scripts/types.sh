#!/usr/bin/env bash
# Checks the types of everything.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
ensure_packages
node_modules/.bin/tsc -p .
