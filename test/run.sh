#!/usr/bin/env bash
# Sets up and runs every check and test; the last line counts them.
#
#   bash test/run.sh [--fast]     --fast leaves out the build, the end-to-end tests and Deno's run
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fast=0
[ "${1:-}" = --fast ] && fast=1
passed=0
failed=0
skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if ! [ -x node_modules/.bin/bun ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error || exit 1
fi
bun=node_modules/.bin/bun
deno=node_modules/.bin/deno
"$bun" --version >/dev/null 2>&1 || node node_modules/bun/install.js || exit 1
# Deno asks nobody for updates and fetches nothing.
export DENO_NO_UPDATE_CHECK=1 NO_COLOR=1

# What tests compare with or talk to; those that miss theirs skip, and say so.
declare -A packages=(
  [evtxexport]=libevtx-utils
  [nats-server]=nats-server
  [chromium]=chromium
  [wine]=wine
  [x86_64-w64-mingw32-gcc]=gcc-mingw-w64-x86-64
  [faketime]=faketime
  [openssl]=openssl
  [/lib/systemd/systemd-journal-remote]=systemd-journal-remote
)
missing=()
for program in "${!packages[@]}"; do
  command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
if [ "$fast" = 0 ] && [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "== Installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update >"$log" 2>&1
  for package in "${missing[@]}"; do
    apt-get install -y --no-install-recommends "$package" >>"$log" 2>&1 ||
      echo "$package could not be installed; tests that need it will be skipped"
  done
fi

step() { # NAME COMMAND...: one check that passes or fails as a whole
  local name=$1
  shift
  echo "== $name"
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    tail -n 100 "$log"
    echo "FAILED: $name"
  fi
}

number() { # PATTERN: the sum of the numbers that stand before it in the log
  grep -oE "[0-9]+ $1" "$log" | awk '{ sum += $1 } END { print sum + 0 }'
}

suite() { # NAME COMMAND...: a test runner whose counts are added
  local name=$1 before=$failed status=0
  shift
  echo "== $name"
  "$@" >"$log" 2>&1 || status=$?
  grep -aE '(^|\s)(skip|SKIP|skipped:)' "$log" | sort -u | head -n 20
  case "$name" in
    *Bun*)
      passed=$((passed + $(number 'pass$')))
      failed=$((failed + $(number 'fail$')))
      skipped=$((skipped + $(number 'skip$')))
      ;;
    *)
      local line
      line=$(grep -aE '[0-9]+ passed.*[0-9]+ failed' "$log" | tail -n 1)
      passed=$((passed + $(echo "$line" | sed -nE 's/.* ([0-9]+) passed.*/\1/p' | head -n 1 || echo 0)))
      failed=$((failed + $(echo "$line" | sed -nE 's/.* ([0-9]+) failed.*/\1/p' | head -n 1 || echo 0)))
      local ignored
      ignored=$(echo "$line" | sed -nE 's/.* ([0-9]+) ignored.*/\1/p')
      skipped=$((skipped + ${ignored:-0}))
      ;;
  esac
  if [ "$status" -ne 0 ] || [ "$failed" -gt "$before" ]; then
    [ "$failed" -gt "$before" ] || failed=$((failed + 1))
    grep -aE '^\(fail\)|FAILED|error:|Error' "$log" | head -n 60
    tail -n 60 "$log"
    echo "FAILED: $name"
  fi
}

mapfile -t unit < <(find test -name '*.test.ts' -not -path 'test/e2e/*' | sort)
mapfile -t e2e < <(find test/e2e -name '*.test.ts' 2>/dev/null | sort)

step "Type check (Deno)" "$deno" check mod.ts cli/main.ts src/admin/ui/page/main.js cli/scan_worker.ts cli/rules_worker.ts cli/service_worker.ts "${unit[@]}" \
  ${e2e[@]+"${e2e[@]}"} bench/*.ts
step "Lint (Deno)" "$deno" lint
step "Format (Deno)" "$deno" fmt --check
suite "Unit, property and corpus tests on Bun" "$bun" test --timeout 300000 "${unit[@]/#/./}"
if [ "$fast" = 0 ]; then
  suite "The same tests on Deno" "$deno" test -A --no-check --quiet "${unit[@]}"
  step "Build" bash compile.sh
  if [ ${#e2e[@]} -gt 0 ]; then
    suite "End-to-end tests of the executable on Bun" "$bun" test --timeout 600000 "${e2e[@]/#/./}"
  fi
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
