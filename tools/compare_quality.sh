#!/bin/sh
# Evaluates the same quantised files with llama.cpp and with lemnos, and compares what they say of
# every token of a text: KL divergence of lemnos from llama.cpp, perplexity of both.
#
#   sh tools/compare_quality.sh LEMNOS LLAMA_PERPLEXITY FLOATS.gguf TEXT [TYPE ...]
#
# FLOATS.gguf has weights in F32 or F16; each TYPE (default: all kinds) is made from it with
# `lemnos quantize`. llama.cpp runs on the CPU, where it rounds activations to 8 bits before it
# multiplies them with quantised weights. Both keep K and V in f32. CHUNKS (8) windows of
# CTX (128) tokens are read. What llama.cpp says goes to WORK (a new folder, removed at the end) and
# is not computed again where it is there.

set -eu

[ $# -ge 4 ] || {
    sed -n '2,12p' "$0" | sed 's/^# \{0,1\}//'
    exit 2
}
lemnos=$1
llama=$2
floats=$3
text=$4
shift 4
[ $# -gt 0 ] || set -- F32 F16 BF16 Q8_0 Q6_K Q5_K_M Q5_1 Q5_0 Q4_K_M Q4_1 Q4_0 Q3_K_M Q2_K
ctx=${CTX:-128}
chunks=${CHUNKS:-8}
if [ -z "${WORK:-}" ]; then
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
fi

number() { # number KEY: from the JSON in $json, after "kl" for a key in there
    printf '%s\n' "$json" | sed "s/.*\"$1\":\([-+0-9.e]*\).*/\1/"
}

# llama-perplexity tells the perplexity up to each window, and may end before the last is told. The
# file that it writes tells nothing less probable than exp(-16) of the largest.
told() { # told LOG: the number of windows and their perplexity
    tr ',' '\n' <"$1" | sed -n 's/.*\[\([0-9]*\)\]\([0-9.]*\)$/\1 \2/p' | tail -n 1
}

ours() { # ours WINDOWS: the perplexity of lemnos over as many, from $json
    printf '%s\n' "$json" | tr '{' '\n' |
        sed -n 's/^"tokens":\([0-9]*\),"nll":\([-+0-9.e]*\).*/\1 \2/p' |
        awk -v k="$1" 'NR <= k { n += $1; nll += $2 } END { printf "%.4f", exp(nll / n) }'
}

printf '%-8s %14s %14s %9s %12s %12s %10s\n' type 'ppl llama.cpp' 'ppl lemnos' 'ratio-1' \
    'KL, mean' 'KL, largest' 'same top'
for type in "$@"; do
    model=$WORK/$type.gguf
    "$lemnos" quantize "$floats" "$model" --type "$type" --allow-requantize 2>/dev/null
    [ -s "$WORK/$type.base" ] || "$llama" -m "$model" -f "$text" -c "$ctx" -b "$ctx" \
        --chunks "$chunks" -t 2 -ngl 0 -dev none -fa off -ctk f32 -ctv f32 \
        --kl-divergence-base "$WORK/$type.base" >"$WORK/$type.log" 2>&1 || {
        tail -n 5 "$WORK/$type.log" >&2
        exit 1
    }
    json=$("$lemnos" perplexity -m "$model" --kv f32 --kl-base "$WORK/$type.base" --json "$text" \
        2>/dev/null)
    told=$(told "$WORK/$type.log")
    theirs=${told#* }
    mine=$(ours "${told% *}")
    printf '%-8s %14s %14s %9s %12.2e %12.2e %10.4f\n' "$type" "$theirs" "$mine" \
        "$(awk "BEGIN { printf \"%.6f\", $mine / $theirs - 1 }")" "$(number mean)" \
        "$(number maximum)" "$(number same_top)"
    rm -f "$model"
done
