#!/usr/bin/env bash
# Tells the scenarios with real processes again and again; see npm run scenarios -- --help.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
ensure_packages
if [[ " $* " != *" --summary "* && " $* " != *" --help "* ]]; then
  ensure_debian_packages "${TEST_PACKAGES[@]}"
  scripts/build.sh
fi
exec "$BUN" test/scenarios/repeat.ts "$@"
