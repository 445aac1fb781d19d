#!/usr/bin/env bash
# Writes every page of the web UI, in light and dark, 1440 and 390 pixels wide, into dist/screenshots: to be looked at.
# With an argument only the pages whose name contains it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
ensure_packages
ensure_debian_packages "${TEST_PACKAGES[@]}"
scripts/build.sh
exec "$BUN" test/browser/screenshots.ts dist/screenshots "$@"
