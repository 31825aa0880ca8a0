#!/bin/sh
# Install Chromium for the tests of the pages, where it is allowed.
for name in chromium chromium-browser google-chrome; do
    command -v $name >/dev/null && exit 0
done
[ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] && exit 0
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
if command -v apt-get >/dev/null && as_root true 2>/dev/null; then
    echo "Installing Chromium with apt-get, for the tests of the pages"
    as_root apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive as_root apt-get install -qq -y \
            --no-install-recommends chromium fonts-dejavu-core >/dev/null &&
        exit 0
fi
echo "NO CHROMIUM: the tests of the pages will be skipped." >&2
[ -z "${CI:-}" ]
