#!/bin/sh
# Unpacks SwiftShader, a second software Vulkan driver, for the tests: sh tools/swiftshader.sh FOLDER
#
# Debian ships it inside chromium-common. The package is downloaded (31 MB), not installed; two
# files are taken from it.

set -eu
folder=${1:-build/swiftshader}
library=libvk_swiftshader.so
manifest=vk_swiftshader_icd.json

if [ -s "$folder/$library" ] && [ -s "$folder/$manifest" ]; then
    exit 0
fi
command -v apt-get >/dev/null || {
    echo "swiftshader.sh: needs apt-get and Debian's package chromium-common" >&2
    exit 1
}

mkdir -p "$folder"
work=$(mktemp -d "$folder/unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

echo "Downloading chromium-common for SwiftShader"
# Another user fetches for root, and may not enter this folder: harmless, but noisy.
(cd "$work" && apt-get -q -o APT::Sandbox::User=root download chromium-common)
dpkg-deb --fsys-tarfile "$work"/chromium-common_*.deb |
    tar -x -C "$work" --wildcards "*/$library" "*/$manifest"

# The manifest goes last: a folder with it is complete.
find "$work" -name "$library" -exec mv {} "$folder/" \;
find "$work" -name "$manifest" -exec mv {} "$folder/" \;
[ -s "$folder/$manifest" ] && [ -s "$folder/$library" ]
