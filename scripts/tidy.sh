#!/usr/bin/env bash
# The rules of the house: who imports whom, the one door to the outside, names and lengths of files.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
ensure_packages
exec "$BUN" test ./test/tidy.test.ts
