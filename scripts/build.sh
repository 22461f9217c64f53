#!/usr/bin/env bash
# Configures a preset if that is needed and builds. Usage: scripts/build.sh PRESET [TARGET…]
# With nothing to do it takes the tenth of a second that ninja needs to see so.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
preset=$1
shift

configured=build/$preset/.configured # newer than the presets it was made with
if [ ! -f "$configured" ] || [ CMakePresets.json -nt "$configured" ]; then
  cmake --preset "$preset" || {
    echo "build: cmake could not configure; run scripts/setup.sh if something was not found" >&2
    exit 1
  }
  touch "$configured"
fi
ninja -C "build/$preset" -j "$(nproc)" "$@"
