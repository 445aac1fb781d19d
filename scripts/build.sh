#!/usr/bin/env bash
# Makes dist/virtustor, one executable that needs neither Node nor Bun.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
ensure_packages
mkdir -p dist
# Made aside and renamed, so that a running trial keeps its program. In a folder of its own, since bun leaves a scratch file where it works.
scratch=$(mktemp -d dist/.build-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
"$BUN" scripts/build.ts "$scratch/virtustor" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; die "the build failed"; }
mv "$scratch/virtustor" dist/virtustor
say "built dist/virtustor"
