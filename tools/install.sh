#!/bin/sh
# Make the virtual environment of the project in the folder given.
set -eu
venv=$1
python=${PYTHON:-python3}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

if ! command -v "$python" >/dev/null; then
    echo "Python 3.10 or newer is needed: $python is not found." >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "Python 3.10 or newer is needed, this is $("$python" -V)." >&2
    echo "Name another one with: make PYTHON=python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian has them in a package of their own
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if command -v apt-get >/dev/null && as_root true 2>/dev/null; then
        echo "Installing python$version-venv with apt-get"
        as_root apt-get update -qq
        as_root apt-get install -qq -y "python$version-venv" >/dev/null
    else
        echo "Install first: python$version-venv" >&2
        exit 1
    fi
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "Installing the packages in $venv"
"$venv/bin/python" -m pip install -q --disable-pip-version-check \
    -e '.[test,demo,dev]'
