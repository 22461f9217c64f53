#!/usr/bin/env bash
# Every test, from a bare Debian 12 or a clean clone. Usage: scripts/test.sh [--quick]
# --quick leaves out the sanitizers, fuzzing, slow tests and the end-to-end tests.
# Prints one line for each phase, and last 'N passed, N failed'. Logs: build/test-logs/.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
quick=false
case ${1:-} in
  '') ;;
  --quick) quick=true ;;
  *) sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac

logs=$root/build/test-logs
rm -rf "$logs"
mkdir -p "$logs"
export TROUPE_MODELS=${TROUPE_MODELS:-$root/models}
export TROUPE_BINARY=$root/build/release/apps/troupe
python=$root/build/venv/bin/python
broken=() # phases that failed

# phase NAME COMMAND…: runs it with its output in a log, and prints name, outcome and seconds. A
# failed phase shows the end of its log and the lines that say which check failed.
phase() {
  local name=$1 begin=$SECONDS log
  shift
  log=$logs/${name// /-}.log
  [ -t 1 ] && printf '%-28s …\r' "$name"
  if "$@" >"$log" 2>&1; then
    printf '%-28s ok      %4d s\n' "$name" $((SECONDS - begin))
  else
    printf '%-28s FAILED  %4d s   (%s)\n' "$name" $((SECONDS - begin)) "$log"
    tail -n 60 "$log"
    grep -aE 'error: in |^E  |WARNING: ThreadSanitizer|ERROR: (AddressSanitizer|libFuzzer)' "$log" |
      tail -n 20
    broken+=("$name")
    return 1
  fi
}

# The last line. Each phase that could not be set up or built counts as one failure.
finish() {
  /usr/bin/python3 - "$logs" "$1" <<'PYTHON' || echo '0 passed, 1 failed'
import glob, sys
import xml.etree.ElementTree as xml

passed = failed = skipped = 0
for file in glob.glob(sys.argv[1] + "/*.xml"):
    for case in xml.parse(file).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"} or case.get("status") == "notrun":
            failed += 1
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
failed += int(sys.argv[2])
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
PYTHON
}

setup_python() {
  local stamp=build/venv/.installed
  if [ -f "$stamp" ] && cmp -s tests/requirements.txt "$stamp"; then return 0; fi
  rm -rf build/venv
  /usr/bin/python3 -m venv build/venv &&
    build/venv/bin/python -m pip install --disable-pip-version-check -r tests/requirements.txt &&
    cp tests/requirements.txt "$stamp"
}

fetch_models() {
  scripts/fetch_model.sh smollm2-135m-instruct "$TROUPE_MODELS" || return 1
  scripts/fetch_model.sh qwen2.5-coder-0.5b-instruct "$TROUPE_MODELS"
}

models_are_there() {
  wait "$fetching" && return 0
  cat "$logs/fetching"
  return 1
}

run_pytest() { # NAME ARGUMENT…
  local name=$1
  shift
  "$python" -m pytest -c tests/pytest.ini --junit-xml "$logs/$name.xml" -p no:cacheprovider "$@"
}

run_ctest() { # PRESET ARGUMENT…
  local preset=$1
  shift
  ctest --preset "$preset" -j 2 --output-junit "$logs/$preset.xml" "$@"
}

# Builds only the executables whose tests carry the label quick (troupe_test names both alike).
build_quick_tests() { # PRESET
  scripts/build.sh "$1" troupe_test_main || return 1
  local targets
  mapfile -t targets < <(ctest --test-dir "build/$1" -N -L quick |
    awk '$1 == "Test" && $2 ~ /^#/ {print $NF}')
  [ ${#targets[@]} -gt 0 ] || { echo "no test is labelled quick"; return 1; }
  scripts/build.sh "$1" "${targets[@]}"
}

unbuilt=0
give_up() { # nothing that follows could run
  finish $((unbuilt + 1))
  exit 1
}

phase 'packages' scripts/setup.sh --tests || give_up
phase 'python packages' setup_python || give_up
# 590 MB come while the compiler works.
fetch_models >"$logs/fetching" 2>&1 &
fetching=$!
trap 'kill "$fetching" 2>/dev/null' EXIT
phase 'tidy' run_pytest tidy tests/tidy
phase 'python client' run_pytest clients tests/clients
phase 'bench harness' run_pytest bench tests/bench
phase 'build release' scripts/build.sh release || give_up
phase 'models' models_are_there || give_up
if $quick; then
  phase 'ctest quick' run_ctest release -L quick
else
  phase 'ctest release' run_ctest release
  phase 'end to end' run_pytest pipeline tests/pipeline
  for preset in asan tsan; do
    if phase "build $preset" build_quick_tests "$preset"; then
      phase "ctest $preset" run_ctest "$preset"
    else
      unbuilt=$((unbuilt + 1))
    fi
  done
  if phase 'build fuzz' scripts/build.sh fuzz fuzz_targets; then
    phase 'ctest fuzz' run_ctest fuzz
  else
    unbuilt=$((unbuilt + 1))
  fi
fi

printf '%-28s         %4d s\n' 'all' "$SECONDS"
[ ${#broken[@]} -eq 0 ] || echo "failed: ${broken[*]}"
finish "$unbuilt"
[ ${#broken[@]} -eq 0 ]
