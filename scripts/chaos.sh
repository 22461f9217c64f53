#!/usr/bin/env bash
# A real node under load, whose processes are killed and hindered; every answer is compared with an
# undisturbed run's. Usage: scripts/chaos.sh --minutes N --seed S      (--help lists the options)
#   scripts/chaos.sh --kills 1000                1,000 kills of the worker under 16 streams
#   scripts/chaos.sh --kills 100 --role front    100 kills of the front
#   scripts/chaos.sh --stress --minutes 10       stress-ng beside it: nothing may be restarted
# TROUPE_BINARY, TROUPE_MODELS and PYTHON name others than the tree's own.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export TROUPE_MODELS=${TROUPE_MODELS:-$root/models}
exec "${PYTHON:-$root/build/venv/bin/python}" "$root/tests/pipeline/chaos.py" "$@"
