#!/bin/sh
# What is installed works when the tree it was built from is gone.
#
#     sh moved_tree.sh SOURCE_TREE SCRATCH_FOLDER
#
# Builds a copy of the tree, installs it, deletes the copy, and runs the program from elsewhere.

set -eu
source=$1
scratch=$2

rm -rf "$scratch"
mkdir -p "$scratch/tree" "$scratch/elsewhere"
tar -C "$source" --exclude=./build --exclude=./.git -cf - . | tar -C "$scratch/tree" -xf -

cmake -S "$scratch/tree" -B "$scratch/tree/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DBUILD_TESTING=OFF >/dev/null
cmake --build "$scratch/tree/build" >/dev/null
cmake --install "$scratch/tree/build" --prefix "$scratch/prefix" >/dev/null
rm -rf "$scratch/tree"

cd "$scratch/elsewhere"
unset LEMNOS_ASSETS
program=$scratch/prefix/bin/lemnos

"$program" --version

if ldd "$program" | grep libvulkan; then
    echo "lemnos is linked with libvulkan: it would not start on a machine without Vulkan"
    exit 1
fi

model=$scratch/prefix/share/lemnos/lemnos-demo.gguf
if [ ! -e "$model" ]; then
    echo "skipped: no model among the assets yet"
    exit 77
fi
if [ ! -r "${VK_DRIVER_FILES:-}" ]; then
    echo "skipped: no lavapipe here"
    exit 77
fi
# Without -m, the program has to find its model in the installed assets.
printf 'int main(void)\n{\n' | "$program" complete -n 4 - >text
[ -s text ] || { echo "the installed program completed nothing"; exit 1; }

# Without its quirk table the program works on, and says so once.
rm "$scratch/prefix/share/lemnos/quirks.txt"
"$program" devices >devices 2>warning
if [ "$(grep -c '^lemnos: warning: no quirk table' warning)" -ne 1 ] || [ ! -s devices ]; then
    echo "without its quirk table the installed program should list devices with one warning"
    exit 1
fi
