#!/usr/bin/env bash
# Builds the executable: rules are bundled, then everything is compiled into one file with Bun.
#
#   bash compile.sh [--target NAME|all]... [--rules DIR]... [--out DIR]
#
# Targets: linux-x64 linux-arm64 windows-x64 darwin-x64 darwin-arm64; default: this machine.
# --rules embeds other rules than those of rules/ and may be repeated.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

ALL_TARGETS=(linux-x64 linux-arm64 windows-x64 darwin-x64 darwin-arm64)
targets=()
rules=()
out=dist

usage() {
  sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//'
  exit "$1"
}

while [ $# -gt 0 ]; do
  case "$1" in
    --target)
      [ $# -ge 2 ] || usage 3
      if [ "$2" = all ]; then targets=("${ALL_TARGETS[@]}"); else targets+=("$2"); fi
      shift 2
      ;;
    --rules)
      [ $# -ge 2 ] || usage 3
      rules+=("$2")
      shift 2
      ;;
    --out)
      [ $# -ge 2 ] || usage 3
      out=$2
      shift 2
      ;;
    -h | --help) usage 0 ;;
    *)
      echo "compile.sh: unknown argument $1" >&2
      usage 3
      ;;
  esac
done

host_target() {
  local system machine
  case "$(uname -s)" in
    Linux) system=linux ;;
    Darwin) system=darwin ;;
    MINGW* | MSYS* | CYGWIN*) system=windows ;;
    *) echo "compile.sh: name a --target, this system is not one of them" >&2; exit 3 ;;
  esac
  case "$(uname -m)" in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) echo "compile.sh: name a --target, this machine is not one of them" >&2; exit 3 ;;
  esac
  echo "$system-$machine"
}

[ ${#targets[@]} -gt 0 ] || targets=("$(host_target)")
[ ${#rules[@]} -gt 0 ] || rules=(rules)
for target in "${targets[@]}"; do
  case " ${ALL_TARGETS[*]} " in
    *" $target "*) ;;
    *) echo "compile.sh: unknown target $target; known: ${ALL_TARGETS[*]}" >&2; exit 3 ;;
  esac
done

# The toolchain is what package-lock.json pins, and npm is all it needs.
bun=node_modules/.bin/bun
if ! [ -x "$bun" ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "Installing the pinned toolchain (npm ci)"
  npm ci --no-audit --no-fund --loglevel=error
fi
if ! "$bun" --version >/dev/null 2>&1; then
  # npm may be set up not to run install scripts; Bun's only moves its binary into place.
  node node_modules/bun/install.js
fi

# The compiler for another system embeds that system's Bun, which npm has as a package.
runtime_of() {
  case "$1" in
    linux-arm64) echo @oven/bun-linux-aarch64 ;;
    linux-x64) echo @oven/bun-linux-x64 ;;
    windows-x64) echo @oven/bun-windows-x64 ;;
    darwin-x64) echo @oven/bun-darwin-x64 ;;
    darwin-arm64) echo @oven/bun-darwin-aarch64 ;;
  esac
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

echo "Bundling rules: ${rules[*]}"
"$bun" cli/main.ts rules bundle build "${rules[@]}" -o "$work/rules.bundle"

for target in "${targets[@]}"; do
  name=picket
  [ "$target" = "$(host_target)" ] || name=picket-$target
  case "$target" in windows-*) name=$name.exe ;; esac
  args=()
  if [ "$target" != "$(host_target)" ]; then
    version=$("$bun" --version)
    package=$(runtime_of "$target")
    echo "Fetching the runtime for $target ($package $version)"
    (cd "$work" && npm pack --silent "$package@$version" >/dev/null)
    mkdir -p "$work/$target"
    tar -xzf "$work/$(echo "${package#@}" | tr / -)-$version.tgz" -C "$work/$target"
    executable=$(find "$work/$target" -type f \( -name bun -o -name bun.exe \) | head -n 1)
    args+=(--compile-executable-path="$executable")
  fi
  echo "Compiling $out/$name"
  "$bun" build --compile --minify --splitting --target="bun-$target" ${args[@]+"${args[@]}"} \
    --root=cli --asset-naming='[name].[ext]' cli/main.ts cli/scan_worker.ts cli/rules_worker.ts cli/service_worker.ts "$work/rules.bundle" \
    --outfile "$out/$name" >/dev/null
done

(cd "$out" && rm -f SHA256SUMS && {
  if command -v sha256sum >/dev/null; then sha256sum picket*; else shasum -a 256 picket*; fi
} >SHA256SUMS)
echo "Built:"
(cd "$out" && ls -l picket* | awk '{ printf "  %s (%.1f MB)\n", $NF, $5 / 1e6 }')
