#!/usr/bin/env bash
# Sets up $VENV with pinned versions; says what takes long. Called by make.
set -euo pipefail

python=${PYTHON:-python3}
venv=${VENV:-.venv}

fail() { echo "setup: $*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python is not there; install Python 3.11 or later, or say PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || fail "$("$python" --version) is too old; Python 3.11 or later is needed (PYTHON=/path/to/python3 names another)"
"$python" -c 'import ensurepip, venv' 2>/dev/null \
  || fail "$python has no venv module; on Debian and Ubuntu: apt install python3-venv"
for compiler in gcc g++; do
  command -v "$compiler" >/dev/null || fail "$compiler is not there; llama.cpp is compiled here (Debian and Ubuntu: apt install build-essential)"
done

pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }

echo "setup: creating $venv/"
"$python" -m venv "$venv"

# llama-cpp-python comes as source. Everything else comes as wheels.
llama=$(grep -E '^llama[-_]cpp[-_]python==' constraints.txt)
if ! "$venv/bin/python" -c 'import llama_cpp' 2>/dev/null; then
  echo "setup: compiling llama.cpp ($llama): about 6 minutes on 2 cores, once; later set-ups take it from pip's cache"
  started=$SECONDS
  log=$venv/llama-cpp-build.log
  # pip compiles for each version of Python, though the wheel is the same for all; so it is shown where one lies.
  compiled=$("$venv/bin/python" -m pip cache list "${llama/==/-}" --format abspath 2>/dev/null | head -n 1) || compiled=
  "$venv/bin/python" -m pip --disable-pip-version-check install --verbose -c constraints.txt \
    ${compiled:+--find-links "$(dirname "$compiled")"} "$llama" 2>&1 \
    | "$venv/bin/python" tools/build_progress.py --log "$log" \
    || { tail -n 30 "$log" >&2; fail "llama.cpp did not compile; the lines above are the end of $log"; }
  echo "setup: llama.cpp is ready after $((SECONDS - started)) s"
fi

echo "setup: installing the other packages"
pip install -c constraints.txt -e '.[all,dev]'
echo "setup: done; $venv/bin/gateway --help shows what there is"
