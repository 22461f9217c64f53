#!/usr/bin/env bash
# Troupe beside its peers: the same weights, the same minutes. Writes a table, JSON and a plot.
# Usage: bench/compare.sh FOLDER [OPTION…]      bench/compare.sh --help lists the options.
# Installs what is missing into $TROUPE_PEERS (build/peers): one virtual environment for each peer.
# PEERS="llama_cpp openvino vllm" chooses; one that cannot be installed is left out and named.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
peers=${TROUPE_PEERS:-$root/build/peers}
mkdir -p "$peers"

case ${1:-} in
  '') sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}"; exit 2 ;;
  -h | --help) exec python3 bench/compare.py --help ;;
esac

bench/peers/install.sh "$peers" harness || exit 1
options=()
for peer in ${PEERS-llama_cpp openvino vllm}; do
  if bench/peers/install.sh "$peers" "$peer"; then
    options+=(--peer "$peer=$peers/$peer/bin/python")
  else
    echo "compare: $peer could not be installed and is left out" >&2
  fi
done
[ -x build/release/apps/troupe ] || scripts/build.sh release || exit 1
exec "$peers/harness/bin/python" bench/compare.py --cache "$peers/models" "${options[@]}" "$@"
