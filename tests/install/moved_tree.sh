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

# The models, what they are and whose work they were made from, and the examples. Without them there
# is nothing to run.
assets=$scratch/prefix/share/lemnos
for name in lemnos-nano-base-Q8_0.gguf lemnos-nano-instruct-Q8_0.gguf MODEL_CARD.md NOTICE; do
    cmp "$source/assets/$name" "$assets/$name"
done
cmp "$source/assets/demo/account.py" "$assets/demo/account.py"
if [ ! -r "${VK_DRIVER_FILES:-}" ]; then
    echo "skipped: no lavapipe here"
    exit 77
fi

# Without -m, the program has to find its models in the installed assets, told on stderr.
finds() { # finds MODEL ARGS...
    name=$1
    shift
    "$program" "$@" >text 2>told </dev/null || { cat told; exit 1; }
    [ -s text ] || { echo "the installed program has nothing to say: $*"; exit 1; }
    grep -qF "share/lemnos/$name" told || { echo "$* takes another model:"; cat told; exit 1; }
}
finds lemnos-nano-base-Q8_0.gguf complete -n 4 --ignore-end "$assets/demo/account.py"
finds lemnos-nano-instruct-Q8_0.gguf chat -n 4 --ignore-end 'Write a function.'

# Without its quirk table the program works on, and says so once.
rm "$scratch/prefix/share/lemnos/quirks.txt"
"$program" devices >devices 2>warning
if [ "$(grep -c '^lemnos: warning: no quirk table' warning)" -ne 1 ] || [ ! -s devices ]; then
    echo "without its quirk table the installed program should list devices with one warning"
    exit 1
fi
