#!/bin/sh
# Makes what ships of the trained models: assets/, the golden file of the tests, and what the README
# shows of them.
#
#   sh tools/train/ship.sh RUN LEMNOS           # of RUN/BASE/model.pt and RUN/instruct/model.pt
#   sh tools/train/ship.sh base RUN LEMNOS      # or one of the four steps alone
#   sh tools/train/ship.sh instruct RUN LEMNOS
#   sh tools/train/ship.sh golden LEMNOS
#   sh tools/train/ship.sh readme LEMNOS
#
# PYTHON is the interpreter that has requirements.txt (python3), BASE the base model's run (nano).
# The demonstration has to come out the same on every vector width of software Vulkan: near-ties of
# two tokens would fall this way here and that way there; take other examples for assets/demo then.

set -eu

PYTHON=${PYTHON:-python3}
BASE=${BASE:-nano}
LIMIT_BYTES=24000000 # both models together
root=$(cd "$(dirname "$0")/../.." && pwd)
base=$root/assets/lemnos-nano-base-Q8_0.gguf
instruct=$root/assets/lemnos-nano-instruct-Q8_0.gguf

fail() {
    printf 'ship.sh: %s\n' "$*" >&2
    exit 1
}

usage() {
    sed -n '2,14p' "$0" | sed 's/^# \{0,1\}//'
    exit 2
}

LM_SELF_TEST=off # the device is not what is looked at here
export LM_SELF_TEST
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ship_one MODEL.pt OUT [OPTION OF export.py]
ship_one() {
    weights=$1
    out=$2
    shift 2
    [ -r "$weights" ] || fail "there is no $weights"
    "$PYTHON" "$root/tools/train/export.py" "$weights" "$run/tokenizer.json" "$work/f32.gguf" "$@"
    "$lemnos" quantize "$work/f32.gguf" "$work/q8_0.gguf" --type Q8_0
    # Loads and runs, and what it is for is what its file says.
    "$lemnos" run -m "$work/q8_0.gguf" -n 4 'def f(x):' >/dev/null
    case $out in
    "$base") "$lemnos" infill -m "$work/q8_0.gguf" -n 4 "$root/assets/demo/account.py:16" ;;
    *) "$lemnos" chat -m "$work/q8_0.gguf" -n 4 x </dev/null ;;
    esac >/dev/null
    cp "$work/q8_0.gguf" "$out"
}

check_size() {
    bytes=$(cat "$base" "$instruct" 2>/dev/null | wc -c)
    [ "$bytes" -le "$LIMIT_BYTES" ] ||
        fail "the models have $bytes bytes together; the limit is $LIMIT_BYTES"
    echo "the models have $bytes bytes together"
}

base() {
    ship_one "$run/$BASE/model.pt" "$base"
    check_size
}

instruct() {
    ship_one "$run/instruct/model.pt" "$instruct" --chat
    check_size
}

golden() {
    "$PYTHON" "$root/tools/golden/make_shipped.py" --lemnos "$lemnos"
}

readme() {
    for width in 128 256 512; do
        LP_NATIVE_VECTOR_WIDTH=$width LEMNOS_ASSETS=$root/assets \
            sh "$root/tools/demo.sh" "$lemnos" >"$work/demo.$width"
        cmp "$work/demo.128" "$work/demo.$width" || {
            diff -u "$work/demo.128" "$work/demo.$width" || true
            fail "the demonstration is another one where vectors have $width bits"
        }
    done
    awk -v demo="$work/demo.128" '
        /^<!-- end of demo -->$/ { skip = 0 }
        !skip { print }
        /^<!-- demo -->$/ {
            skip = 1
            print "```"
            while ((getline line < demo) > 0)
                print line
            print "```"
        }' "$root/README.md" >"$work/README.md"
    grep -qxF '$ lemnos complete account.py -n 22' "$work/README.md" ||
        fail "README.md has no lines '<!-- demo -->' and '<!-- end of demo -->'"
    cat "$work/README.md" >"$root/README.md"
    cat "$work/demo.128"
}

case ${1:-} in
base | instruct | golden | readme)
    steps=$1
    shift
    ;;
*) steps='base instruct golden readme' ;;
esac
case $steps in
base* | instruct)
    [ $# -eq 2 ] || usage
    run=$1
    shift
    ;;
esac
[ $# -eq 1 ] && [ -x "$1" ] || usage
lemnos=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")

for step in $steps; do
    "$step"
done
