#!/usr/bin/env bash
# Unpacks chat templates and vocabularies of known model families into build/llama.cpp/models; called by make.
# They are in the source distribution of llama-cpp-python, the version that constraints.txt names.
set -euo pipefail

folder=build/llama.cpp
[[ -d $folder/models/templates ]] && exit 0

llama=$(grep -E '^llama[-_]cpp[-_]python==' constraints.txt)
downloads=$(mktemp -d)
trap 'rm -rf "$downloads"' EXIT
echo "fetching the source of $llama"
"${VENV:-.venv}/bin/python" -m pip --disable-pip-version-check --quiet download --no-deps --no-binary :all: \
  --dest "$downloads" "$llama"
mkdir -p "$folder"
tar -xzf "$downloads"/*.tar.gz -C "$folder" --strip-components=3 --wildcards '*/vendor/llama.cpp/models'
