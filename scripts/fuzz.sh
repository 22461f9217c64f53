#!/usr/bin/env bash
# Feeds readers of untrusted bytes with libFuzzer's inputs (tests/fuzz). As many targets at once as
# there are processors, from the corpus and from what earlier runs found in build/fuzz/grown.
# Usage: scripts/fuzz.sh [TARGET…] [--minutes N]     N minutes (10) for each target (all)
#        scripts/fuzz.sh --minimise TARGET FILE      FILE made as small as still fails
#        scripts/fuzz.sh --test TARGET               20,000 inputs, the same each time (ctest)
# Findings, inputs over a second among them, are written to build/fuzz/findings/TARGET.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
built=$root/build/fuzz/tests/fuzz
export UBSAN_OPTIONS=print_stacktrace=1

usage() {
  sed -n '2,8s/^# //p' "${BASH_SOURCE[0]}"
  exit 2
}

# fuzz TARGET FOLDER OPTION…: begins from the target's seeds, and keeps in FOLDER what it finds new.
fuzz() {
  local target=$1 grown=$2 seeds options
  shift 2
  mapfile -t seeds <"$built/$target.seeds"
  mapfile -t options <"$built/$target.options"
  "$built/${target}_fuzz" "${options[@]}" "$@" "$grown" "${seeds[@]}"
}

# run_for TARGET SECONDS: prints one line when it is over. A finding ends the run.
run_for() {
  local target=$1 findings=$root/build/fuzz/findings/$1 grown=$root/build/fuzz/grown/$1
  local log=$findings/log runs
  mkdir -p "$findings" "$grown"
  if fuzz "$target" "$grown" -max_total_time="$2" -report_slow_units=1 -print_final_stats=1 \
    -artifact_prefix="$findings/" >"$log" 2>&1; then
    runs=$(awk '/number_of_executed_units/ {print $2}' "$log")
    echo "$target: nothing in $runs inputs"
  else
    echo "$target: FAILED; see $log"
    return 1
  fi
}

# The same inputs each time: nothing of an earlier run is read, and nothing is kept. libFuzzer's
# time-out (70) is of the wall's clock: a machine that stood still is no finding, a slow input is
# slow again.
test_target() {
  local scratch status=0 try
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$scratch'" EXIT
  for try in 1 2; do
    mkdir "$scratch/$try"
    status=0
    fuzz "$1" "$scratch/$try" -runs=20000 -seed=1 -artifact_prefix="$root/build/fuzz/" || status=$?
    [ "$status" -eq 70 ] || break
  done
  return "$status"
}

minutes=10
targets=()
case ${1:-} in
  --test) [ $# -eq 2 ] || usage; test_target "$2"; exit ;;
  --run) run_for "$2" "$3"; exit ;; # by itself, below
  --minimise)
    [ $# -eq 3 ] || usage
    exec "$built/$2_fuzz" -minimize_crash=1 -runs=100000 -timeout=5 \
      -exact_artifact_path="$3.small" "$3" ;;
esac
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) [ $# -ge 2 ] || usage; minutes=$2; shift 2 ;;
    -*) usage ;;
    *) targets+=("$1"); shift ;;
  esac
done
[[ $minutes =~ ^[0-9]+$ ]] || usage

"$root/scripts/build.sh" fuzz fuzz_targets
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(cd "$built" && printf '%s\n' *.seeds | sed 's/\.seeds$//')
fi
printf '%s\n' "${targets[@]}" |
  xargs -P "$(nproc)" -I TARGET "${BASH_SOURCE[0]}" --run TARGET $((minutes * 60))
