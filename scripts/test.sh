#!/usr/bin/env bash
# Set-up, types, build and all tests; with arguments only the test files whose path contains one of them.
# The last line is "N passed, N failed"; the exit code is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
# A file that takes longer hangs.
FILE_SECONDS_MAX=900
TEST_MILLISECONDS_MAX=60000

ensure_packages
[ $# -gt 0 ] || ensure_debian_packages "${TEST_PACKAGES[@]}" "${MACHINE_PACKAGES[@]}"
passed=0 failed=0 broken=()
step() { if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)); broken+=("$1"); fi; }
step types scripts/types.sh
step build scripts/build.sh

# A process for each file: one that crashes or leaks takes no other with it.
output=$(mktemp)
trap 'rm -f "$output"' EXIT
while IFS= read -r file; do
  if [ $# -gt 0 ]; then wanted=no; for part in "$@"; do [[ "$file" == *"$part"* ]] && wanted=yes; done; [ $wanted = yes ] || continue; fi
  say "--- $file"
  timeout -k 10 "$FILE_SECONDS_MAX" "$BUN" test --timeout "$TEST_MILLISECONDS_MAX" "./$file" </dev/null >"$output" 2>&1; code=$?
  pass=$(sed -nE 's/^ *([0-9]+) pass$/\1/p' "$output" | tail -n 1); fail=$(sed -nE 's/^ *([0-9]+) fail$/\1/p' "$output" | tail -n 1)
  # What a test has to report besides its verdict.
  grep -E '^# ' "$output"
  passed=$((passed + ${pass:-0})); failed=$((failed + ${fail:-0}))
  if [ $code -ne 0 ] || [ -z "$pass" ]; then
    [ "${fail:-0}" -gt 0 ] || failed=$((failed + 1))
    [ $code -ne 124 ] || say "$file did not end within $FILE_SECONDS_MAX s"
    broken+=("$file"); cat "$output"
  fi
done < <(find test -name '*.test.ts' -not -path '*/scenarios/*' | LC_ALL=C sort; find test -path '*/scenarios/*.test.ts' | LC_ALL=C sort)

[ ${#broken[@]} -eq 0 ] || printf 'not passed: %s\n' "${broken[@]}"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
