# Shared by the scripts beside it; sourced with the project's folder as the working directory. Nothing here needs npm's packages.
say() { printf '%s\n' "$*" >&2; }
die() { say "virtustor: $*"; exit 1; }

# Debian packages that the tests need beyond a minimal system.
TEST_PACKAGES=(systemd etcd-server libiscsi-bin qemu-utils qemu-block-extra xfsprogs e2fsprogs iproute2 iputils-arping iputils-ping util-linux mount fdisk dosfstools grub2-common grub-pc-bin grub-efi-amd64-bin chromium fonts-inter)
# What makes the image, and what boots it in a virtual machine.
IMAGE_PACKAGES=(mmdebstrap squashfs-tools xorriso mtools grub-common grub-pc-bin grub-efi-amd64-bin cpio kmod busybox-static zstd xz-utils)
MACHINE_PACKAGES=(qemu-system-x86 ovmf)

# npm's packages as the lock file has them. npm writes node_modules/.package-lock.json as its last act.
ensure_packages() {
  command -v node >/dev/null && command -v npm >/dev/null || die "node and npm are needed (on Debian: apt install nodejs npm)"
  # npm ci empties what a link points to, which other working copies share: a linked folder is used as it is, never written.
  if [ -L node_modules ]; then
    find_bun && return
    die "node_modules is a link to a folder without a usable Bun; run npm ci where it points to, or remove the link"
  fi
  if [ -f node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] && find_bun; then return; fi
  say "installing npm packages into node_modules (npm ci)"
  local log; log=$(mktemp)
  # Install scripts are not needed: bun's only moves a file, and newer npm does not run them unasked.
  if ! npm ci --no-audit --no-fund --ignore-scripts --include=dev --include=optional </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2; rm -f "$log"
    die "npm ci failed; it needs the npm registry (network or a proxy setting)"
  fi
  rm -f "$log"
  touch node_modules/.package-lock.json
  find_bun || die "none of the Bun builds in node_modules runs on this machine ($(uname -m), glibc $(getconf GNU_LIBC_VERSION 2>/dev/null || echo none))"
}

# Sets BUN to a Bun that runs here. It lies in bun/ when npm ran its install script, else in the package for this machine; a CPU
# without AVX2 gets the baseline build where there is one (from 1.4 on the ordinary build runs there too).
find_bun() {
  local candidates=(node_modules/bun/bin/bun.exe node_modules/@oven/bun-linux-*/bin/bun) candidate
  if [ "$(uname -m)" = x86_64 ] && ! grep -qw avx2 /proc/cpuinfo; then candidates=(node_modules/@oven/bun-linux-*-baseline/bin/bun "${candidates[@]}"); fi
  for candidate in "${candidates[@]}"; do
    # Without its install script bun/bin/bun.exe is a text of a few lines that only says so.
    [ -f "$candidate" ] && [ "$(stat -Lc %s "$candidate")" -gt 1000000 ] || continue
    if "$candidate" --version >/dev/null 2>&1; then BUN="$PWD/$candidate"; return 0; fi
  done
  return 1
}

# Debian packages, only those that are missing. Says what it installs; needs root or sudo without a question.
ensure_debian_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "the tests need these Debian packages, and this is no Debian: ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null </dev/null || as_root=(none)
    [ "${#as_root[@]}" -eq 0 ] && as_root=(sudo -n)
    [ "${as_root[0]}" != none ] || die "the tests need Debian packages; run as root: apt-get install ${missing[*]}"
  fi
  say "installing Debian packages: ${missing[*]}"
  local log; log=$(mktemp)
  # The packages' services must not start: a trial runs its own etcd. invoke-rc.d asks this file; 101 says no.
  local policy=/usr/sbin/policy-rc.d ours=no
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null && "${as_root[@]}" chmod 755 "$policy" && ours=yes
  fi
  local failed=no
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@"' sh "${missing[@]}" </dev/null >"$log" 2>&1 || failed=yes
  [ "$ours" = no ] || "${as_root[@]}" rm -f "$policy"
  if [ "$failed" = yes ]; then tail -n 20 "$log" >&2; rm -f "$log"; die "apt-get could not install ${missing[*]} (is there a network?)"; fi
  rm -f "$log"
}
