#!/bin/sh
# The committed SPIR-V of shaders/prebuilt/: modules that variants.txt marks LM_PREBUILT, which need
# a newer glslang than some distributions have.
#
#   sh tools/prebuilt.sh check   rebuild and compare
#   sh tools/prebuilt.sh write   rebuild and replace
#
# Compares words but for the one that names the compiler's version. Another version may still give
# other code: then `check` only makes sure that it compiles and that the committed files are valid,
# and says so. GLSLANG and SPIRV_VAL name the tools.

set -eu
cd "$(dirname "$0")/.."

glslang=${GLSLANG:-glslangValidator}
spirv_val=${SPIRV_VAL:-spirv-val}
folder=shaders/prebuilt
mode=${1:-check}

fail() {
    printf 'prebuilt.sh: %s\n' "$*" >&2
    exit 1
}

case $mode in check | write) ;; *) fail "check or write, not '$mode'" ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$("$glslang" --version | sed -n 's/^Glslang Version: [0-9]*://p')

# Word 2 of a module is its generator's.
body() {
    { head -c 8 "$1" && tail -c +13 "$1"; } | cksum
}

# The lines of the list: name, source, defines.
sed -e 's/#.*//' shaders/variants.txt | grep LM_PREBUILT=1 >"$work/list"

n_other=0
while read -r name source defines; do
    {
        printf '#version 460\n#extension GL_GOOGLE_include_directive : require\n'
        for define in $defines; do
            printf '#define %s %s\n' "${define%%=*}" "${define#*=}"
        done
        printf '#include "%s"\n' "$source"
    } >"$work/$name.main.comp"
    "$glslang" -V --quiet --target-env vulkan1.2 -Ishaders -o "$work/$name.spv" \
        "$work/$name.main.comp" || fail "$name does not compile; glslang 15 or newer is needed"
    "$spirv_val" --target-env vulkan1.2 --scalar-block-layout "$work/$name.spv" ||
        fail "$name is not valid"
    if [ "$mode" = write ]; then
        cp "$work/$name.spv" "$folder/$name.spv"
        continue
    fi
    [ -e "$folder/$name.spv" ] || fail "$folder/$name.spv is missing"
    [ "$(body "$work/$name.spv")" = "$(body "$folder/$name.spv")" ] && continue
    [ "$version" != "$(cat "$folder/glslang.txt")" ] ||
        fail "$folder/$name.spv is not what shaders/ give; run: sh tools/prebuilt.sh write"
    "$spirv_val" --target-env vulkan1.2 --scalar-block-layout "$folder/$name.spv" ||
        fail "$folder/$name.spv is not valid"
    n_other=$((n_other + 1))
done <"$work/list"

if [ "$mode" = write ]; then
    printf '%s\n' "$version" >"$folder/glslang.txt"
    for file in "$folder"/*.spv; do
        name=$(basename "$file" .spv)
        grep -q "^$name " "$work/list" || rm "$file"
    done
elif [ "$n_other" != 0 ]; then
    echo "prebuilt.sh: $n_other modules differ, built by glslang $version and not" \
        "$(cat "$folder/glslang.txt"): compare with that one"
fi
