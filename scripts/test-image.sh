#!/usr/bin/env bash
# Makes the image, then installs and sets up three virtual machines from it by keystrokes; --keep leaves their drives and screens.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
ensure_packages
ensure_debian_packages "${MACHINE_PACKAGES[@]}" qemu-utils
scripts/image.sh
exec "$BUN" test/system/image/walk.ts "$@"
