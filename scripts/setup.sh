#!/usr/bin/env bash
# Installs the Debian packages of scripts/packages.txt that are missing, those for tests too with
# --tests. Usage: scripts/setup.sh [--tests]
# With nothing missing it only asks dpkg: no network, a few milliseconds.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

groups='^run '
[ "${1:-}" = --tests ] && groups='^(run|test) '
mapfile -t wanted < <(grep -E "$groups" "$root/scripts/packages.txt" | awk '{print $2}')

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not Debian: install yourself what scripts/packages.txt names:" >&2
  echo "  ${wanted[*]}" >&2
  exit 0 # the build says what is really missing
fi

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
  awk '$1 == "installed" {print $2}' || true)
missing=()
for package in "${wanted[@]}"; do
  grep -Fqx -- "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif command -v sudo >/dev/null; then
  as_root=(sudo)
else
  echo "setup: ${#missing[@]} packages are missing, and installing needs root. As root, run:" >&2
  echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "setup: installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q)
if ! "${apt[@]}" update || ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; then
  echo "setup: apt-get could not install the packages; see its message above." >&2
  echo "  This needs Debian 12 and a reachable package mirror. Run it again once that is so." >&2
  exit 1
fi
