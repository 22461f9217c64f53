#!/usr/bin/env bash
# From a bare Debian 12 to a running server. Usage: scripts/serve.sh [--demo] [troupe serve's flags]
# Installs missing packages, builds, fetches the default model, and serves it on
# http://127.0.0.1:8080 and tcp://127.0.0.1:5555. --demo serves on free ports instead, asks one
# question over each, drains and exits.
# A second start finds all of that done: no network, ready in some 0.1 s once weights are packed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

demo=false
names_model=false
flags=()
for flag in "$@"; do
  case $flag in
    --demo) demo=true; continue ;;
    -h | --help) sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    --model | --model=* | --config | --config=*) names_model=true ;;
  esac
  flags+=("$flag")
done

"$root/scripts/setup.sh"
"$root/scripts/build.sh" release troupe
if ! $names_model; then
  "$root/scripts/fetch_model.sh" smollm2-135m-instruct "$root/models"
  flags+=(--model "$root/models/SmolLM2-135M-Instruct.Q4_1.gguf")
fi

troupe=$root/build/release/apps/troupe
if $demo; then
  exec /usr/bin/python3 "$root/scripts/demo.py" "$troupe" "${flags[@]}"
fi
exec "$troupe" serve "${flags[@]}"
