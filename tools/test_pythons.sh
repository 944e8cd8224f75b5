#!/usr/bin/env bash
# Runs the fast tests and the demo on each Python that is installed, in an environment of its own
# (build/python3.*); says which are not installed. Called by make.
set -euo pipefail

MINORS="11 12 13 14"

runs() { "$1" -c "import sys; sys.exit(sys.version_info[:2] != (3, $2))" >/dev/null 2>&1; }

# pyenv has a command for every version and lets only the chosen one run, so its folders are looked at too.
find_python() {
  local candidate
  for candidate in "python3.$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$1".*/bin/python3; do
    if runs "$candidate" "$1"; then echo "$candidate"; return; fi
  done
}

passed=0 failed=0 skipped=0
for minor in $MINORS; do
  python=$(find_python "$minor")
  if [ -z "$python" ]; then
    echo "== python3.$minor: skipped, it is not installed"
    skipped=$((skipped + 1))
    continue
  fi
  echo "== python3.$minor: $("$python" --version)"
  if make --no-print-directory test-fast demo PYTHON="$python" VENV="build/python3.$minor"; then
    passed=$((passed + 1))
  else
    echo "== python3.$minor: failed" >&2
    failed=$((failed + 1))
  fi
done

echo "pythons: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
