#!/bin/sh
# Run the tests on SQLite with each Python that pyproject.toml declares and
# that is installed, and tell which were not.
#     sh tools/versions.sh [option of run_tests.py ...] [module ...]
cd "$(dirname "$0")/.." || exit 1

find_python() {
    # The one of the path may be a shim without anything behind it
    for path in "$(command -v "python$1")" \
            "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python \
            "$HOME/.local/share/uv/python/cpython-$1".*/bin/python; do
        if [ -x "$path" ] && "$path" -c '' 2>/dev/null; then
            echo "$path"
            return
        fi
    done
    return 1
}

ran= missing= failed=
for version in $(sed -n \
        's/.*"Programming Language :: Python :: \(3\.[0-9]*\)".*/\1/p' \
        pyproject.toml); do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        missing="$missing $version"
        continue
    fi
    venv=.cache/python$version
    echo "Python $version: $python"
    if PYTHON=$python sh tools/install.sh "$venv" &&
            "$venv/bin/python" tools/run_tests.py --backend sqlite "$@"; then
        ran="$ran $version"
    else
        failed="$failed $version"
    fi
done
echo "passed with:${ran:- none}"
echo "failed with:${failed:- none}"
echo "not installed here:${missing:- none}"
[ -z "$failed" ] && [ -n "$ran" ]
