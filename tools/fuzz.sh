#!/bin/sh
# Fuzzes one of tests/fuzz, or all, with libFuzzer under AddressSanitizer and UBSan.
#
# What it learns stays in build/fuzz; what crashes is made small and put into tests/fuzz/corpus,
# where it is a test from then on: name what it shows, mend it, commit both.

set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C

usage() {
    cat <<'END'
Usage: sh tools/fuzz.sh TARGET|all [RUNS|SECONDSs]

  TARGET   a file of tests/fuzz without its ending, such as gguf
  RUNS     how many inputs to try, 1000000 where it is not given; 60s tries for a minute

LM_FUZZ_BUILD names a build folder of the preset fuzz; build/fuzz where it is not set.
END
}

fail() {
    printf 'fuzz.sh: %s\n' "$*" >&2
    exit 1
}

build=${LM_FUZZ_BUILD:-build/fuzz}

# Sets *seconds* or *runs*.
read_amount() {
    runs=-1 seconds=0
    case $1 in
    *[!0-9s]* | '' | s | *s?*) fail "'$1' is neither a number of runs nor of seconds, such as 60s" ;;
    *s) seconds=${1%s} ;;
    *) runs=$1 ;;
    esac
}

# What a log shows, as a name: "must-hold-a-text-comes-back", "heap-buffer-overflow-in-read-key".
name_of() {
    sed -n -e 's/^must hold: /must hold /p' \
        -e 's/^SUMMARY: [A-Za-z]*: \([a-z-]*\).* in \([A-Za-z_]*\).*/\1 in \2/p' \
        -e 's/.*runtime error: \([a-z -]*\).*/\1/p' \
        -e 's/^SUMMARY: libFuzzer: \([a-z-]*\).*/\1/p' "$1" |
        head -n 1 | tr -c 'a-zA-Z0-9\n' '-' | sed 's/--*/-/g; s/^-//; s/-$//' | cut -c 1-60
}

# keep_crash TARGET PROGRAM INPUT LOG
keep_crash() {
    name=$(name_of "$4")
    name=${name:-crash}
    small=tests/fuzz/corpus/$1/$name
    case $3 in
    */crash-* | */leak-*)
        "$2" -minimize_crash=1 -runs=100000 -max_total_time=60 -exact_artifact_path="$small" \
            "$3" >"$4.small" 2>&1 || true
        ;;
    esac
    [ -s "$small" ] || cp "$3" "$small"
    printf '%s: %s\n' "$1" "$small"
}

# fuzz TARGET
fuzz() {
    program=$build/tests/fuzz_$1
    seeds=tests/fuzz/corpus/$1
    [ -x "$program" ] || fail "$program is missing; build the preset fuzz"
    mkdir -p "$build/learned/$1" "$build/found/$1"
    log=$build/found/$1.log
    rm -f "$build/found/$1"/*
    dictionary=tests/fuzz/dictionaries/$1
    # Speed falls with length: most formats show all they have in a few hundred bytes.
    case $1 in
    gguf | gguf_split | vocabulary) longest=16384 ;;
    tokenizer) longest=256 ;;
    *) longest=2048 ;;
    esac
    set -- "$1" "$program" -runs="$runs" -max_total_time="$seconds" -timeout=20 \
        -max_len="$longest" \
        -rss_limit_mb=3000 -print_final_stats=1 -artifact_prefix="$build/found/$1/"
    target=$1
    shift
    scratch=$(mktemp -d)
    [ ! -f "$dictionary" ] || set -- "$@" -dict="$dictionary"
    if TMPDIR=$scratch "$@" "$build/learned/$target" "$seeds" >"$log" 2>&1; then
        ok=yes
    else
        ok=no
    fi
    rm -r "$scratch"
    sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) second.*/\1 runs in \2 s/p
            s/^stat::number_of_executed_units: *\([0-9]*\)/\1 inputs/p
            s/^stat::average_exec_per_sec: *\([0-9]*\)/\1 a second/p' "$log" |
        awk -v target="$target" '{ line = line (NR > 1 ? ", " : "") $0 }
            END { print target ": " line }'
    [ "$ok" = no ] || return 0
    for input in "$build/found/$target"/[!s]*; do # not slow-unit-*
        [ ! -f "$input" ] || keep_crash "$target" "$program" "$input" "$log"
    done
    tail -n 30 "$log"
    return 1
}

case ${1:-} in
'' | -h | --help)
    usage
    exit 2
    ;;
esac
read_amount "${2:-1000000}"
[ "$1" = all ] || [ -f "tests/fuzz/$1.c" ] ||
    fail "there is no tests/fuzz/$1.c; targets: $(ls tests/fuzz/corpus | tr '\n' ' ')"
if [ -z "${LM_FUZZ_BUILD:-}" ]; then
    [ -e build/fuzz/build.ninja ] || cmake --preset fuzz
    cmake --build --preset fuzz
fi
if [ "$1" != all ]; then
    fuzz "$1"
    exit
fi
bad=
for source in tests/fuzz/*.c; do
    target=$(basename "$source" .c)
    fuzz "$target" || bad="$bad $target"
done
[ -z "$bad" ] || fail "these crashed or hung:$bad"
