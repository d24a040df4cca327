#!/bin/sh
# Runs the same model file through lemnos and llama-bench in turn, on the same Vulkan device, and
# prints tokens per second of both and their ratios, round by round.
#
#   sh tools/compare_llamacpp.sh LEMNOS LLAMA_BENCH MODEL.gguf [ROUNDS [PROMPT_TOKENS [NEW_TOKENS]]]
#
# Lemnos's figures are those of whole runs: making pipelines is in them, as is drawing tokens;
# llama-bench warms up first and draws none. On software devices llama.cpp is run without its
# cooperative matrices, which is faster there.

set -eu

[ $# -ge 3 ] || {
    sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'
    exit 2
}
lemnos=$1
bench=$2
model=$3
rounds=${4:-3}
n_prompt=${5:-128}
n_new=${6:-16}

# As many digits as tokens: each is one in this family. BOS is one more.
prompt=$(awk -v n="$n_prompt" 'BEGIN { for (i = 1; i < n; i++) printf "%d", i % 10 }')

number() { # number JSON KEY
    printf '%s\n' "$1" | sed "s/.*\"$2\":\([0-9][0-9]*\).*/\1/"
}

rate() { # rate COUNT NANOSECONDS
    awk -v n="$1" -v ns="$2" 'BEGIN { printf "%.2f", n * 1e9 / ns }'
}

run_lemnos() {
    json=$("$lemnos" run -m "$model" -c 1024 -n "$n_new" --ignore-end --json "$prompt" 2>/dev/null)
    prefill=$(rate "$(number "$json" prompt_tokens)" "$(number "$json" prefill)")
    decode=$(rate "$(number "$json" new_tokens)" "$(number "$json" decode)")
    driver=$(printf '%s\n' "$json" | sed 's/.*"driver":"\([^"]*\)".*/\1/')
}

run_llama() {
    out=$(GGML_VK_VISIBLE_DEVICES=0 GGML_VK_DISABLE_COOPMAT=1 "$bench" -m "$model" -p "$n_prompt" \
        -n "$n_new" -r 1 -t 2 -ngl 99 -o jsonl 2>/dev/null)
    their_prefill=$(printf '%s\n' "$out" | sed -n '1s/.*"avg_ts": \([0-9.]*\).*/\1/p')
    their_decode=$(printf '%s\n' "$out" | sed -n '2s/.*"avg_ts": \([0-9.]*\).*/\1/p')
}

run_lemnos # once to fill the caches of shaders, not counted
printf 'model %s, driver %s, %s prompt and %s new tokens\n' "$(basename "$model")" "$driver" \
    "$n_prompt" "$n_new"
printf '%-6s %16s %16s %7s %16s %16s %7s\n' round 'prefill lemnos' 'llama.cpp' ratio \
    'decode lemnos' 'llama.cpp' ratio
round=1
while [ "$round" -le "$rounds" ]; do
    run_lemnos
    run_llama
    printf '%-6s %16s %16s %7s %16s %16s %7s\n' "$round" "$prefill" "$their_prefill" \
        "$(awk "BEGIN { printf \"%.2f\", $prefill / $their_prefill }")" "$decode" "$their_decode" \
        "$(awk "BEGIN { printf \"%.2f\", $decode / $their_decode }")"
    round=$((round + 1))
done
