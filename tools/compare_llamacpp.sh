#!/bin/sh
# Runs the same model file through `lemnos bench` and llama-bench in turn, on the same Vulkan device,
# and prints tokens per second of both, round by round, then the median ratio with least and most.
#
#   sh tools/compare_llamacpp.sh LEMNOS LLAMA_BENCH MODEL.gguf [ROUNDS [PROMPT_TOKENS [NEW_TOKENS]]]
#
# Both warm up before each figure. PROMPT_TOKENS and NEW_TOKENS may be lists like 128,512. How
# llama-bench is run stands in tools/compare_llamacpp.settings. With RESULTS=FOLDER in the
# environment what both programs printed is kept there.

set -eu

[ $# -ge 3 ] || {
    sed -n '2,9p' "$0" | sed 's/^# \{0,1\}//'
    exit 2
}
lemnos=$1
bench=$2
model=$3
rounds=${4:-3}
n_prompt=${5:-128}
n_new=${6:-16}
. "$(dirname "$0")/compare_llamacpp.settings"

kept=${RESULTS:-}
if [ -n "$kept" ]; then
    mkdir -p "$kept"
else
    kept=$(mktemp -d)
    trap 'rm -rf "$kept"' EXIT
    trap 'exit 1' HUP INT TERM
fi
: >"$kept/lemnos.jsonl"
: >"$kept/llama.jsonl"

# text KEY: of the first line of stdin; both programs write JSON lines, one with spaces.
text() {
    sed -n "1s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"
}

run_lemnos() {
    "$lemnos" bench -m "$model" -p "$n_prompt" -n "$n_new" -r 1 --no-peaks --as jsonl \
        >>"$kept/lemnos.jsonl"
}

run_llama() {
    # shellcheck disable=SC2086 # lists of words
    env $llama_env "$bench" -m "$model" -p "$n_prompt" -n "$n_new" -r 1 $LLAMA_ARGS -o jsonl \
        2>>"$kept/llama.log" >>"$kept/llama.jsonl"
}

run_lemnos # once to fill the caches of shaders, not counted
driver=$(text driver <"$kept/lemnos.jsonl")
device=$(text gpu_info <"$kept/lemnos.jsonl")
: >"$kept/lemnos.jsonl"
case "$device$driver" in
*llvmpipe* | *lavapipe* | *SwiftShader*) llama_env=$LLAMA_SOFTWARE_ENV ;;
*) llama_env=$LLAMA_GPU_ENV ;;
esac
run_llama # likewise
: >"$kept/llama.jsonl"

round=1
while [ "$round" -le "$rounds" ]; do
    run_lemnos
    run_llama
    round=$((round + 1))
done

build=$(text build_number <"$kept/llama.jsonl")
printf 'model %s, device %s, driver %s\n' "$(basename "$model")" "$device" "$driver"
printf 'llama-bench: %s %s%s\n' "$llama_env" "$LLAMA_ARGS" "${build:+, build $build}"
case $driver in
*"$LLAMA_DRIVER"*) ;;
*) echo "Note: the settings are frozen for $LLAMA_DRIVER and llama.cpp $LLAMA_VERSION." ;;
esac

# One figure a line from both files: program, test, tokens per second; then pairs by round.
{
    sed 's/^/ours /' "$kept/lemnos.jsonl"
    sed 's/^/theirs /' "$kept/llama.jsonl"
} | awk '
    function value(key,    at, rest) {
        at = match($0, "\"" key "\": *[-0-9.e+]*")
        if (!at)
            return 0
        rest = substr($0, RSTART, RLENGTH)
        sub(/^[^:]*: */, "", rest)
        return rest + 0
    }
    function sort(at, n,    i, j, x) {
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && at[j] < at[j - 1]; j--) {
                x = at[j]; at[j] = at[j - 1]; at[j - 1] = x
            }
    }
    {
        test = value("n_prompt") > 0 ? "pp" value("n_prompt") : "tg" value("n_gen")
        speed[$1, test, ++n[$1, test]] = value("avg_ts")
        if (!(test in known)) {
            known[test] = ++n_tests
            name[n_tests] = test
        }
    }
    END {
        printf "%-8s %6s %12s %12s %8s\n", "test", "round", "lemnos", "llama.cpp", "ratio"
        for (t = 1; t <= n_tests; t++) {
            test = name[t]
            pairs = 0
            for (i = 1; i <= n["ours", test] && i <= n["theirs", test]; i++) {
                ours = speed["ours", test, i]
                theirs = speed["theirs", test, i]
                if (ours <= 0 || theirs <= 0)
                    continue
                ratio[++pairs] = ours / theirs
                printf "%-8s %6d %12.2f %12.2f %8.2f\n", test, i, ours, theirs, ours / theirs
            }
            if (pairs == 0) {
                printf "%-8s %6s nothing to compare\n", test, ""
                failed = 1
                continue
            }
            sort(ratio, pairs)
            middle = pairs % 2 ? ratio[(pairs + 1) / 2] : (ratio[pairs / 2] + ratio[pairs / 2 + 1]) / 2
            printf "%-8s %6s %34.2f  (%.2f to %.2f, %d rounds)\n", test, "median", middle, ratio[1],
                ratio[pairs], pairs
        }
        exit failed
    }'
