#!/usr/bin/env bash
# Set-up, build, and a trial in the foreground until Ctrl-C. Arguments go to `virtustor trial run`.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh
exec ./dist/virtustor trial run "$@"
