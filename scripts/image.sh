#!/usr/bin/env bash
# Makes dist/virtustor-VERSION.iso; see npm run image -- --help. Needs root, and Debian's packages from a mirror.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
ensure_packages
if [[ " $* " != *" --help "* ]]; then
  [ "$(id -u)" -eq 0 ] || die "the image is made as root, since its files belong to root: run it with sudo"
  ensure_debian_packages "${IMAGE_PACKAGES[@]}"
  scripts/build.sh
fi
exec "$BUN" image/build.ts "$@"
