# `perplexity`: its figures against a plain calculation and against what `run` says of single
# tokens, divergence from itself and from a coarser format, and input that cannot be scored.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_device
need_model

# number KEY: the first number of that name in the JSON of $out.
number() {
    sed "s/.*\"$1\":\(-\{0,1\}[0-9.e+-]*\).*/\1/" "$out"
}

# close WHAT GOT WANT LIMIT: within LIMIT; a NaN is not.
close() {
    n_checks=$((n_checks + 1))
    awk -v got="$2" -v want="$3" -v limit="$4" 'BEGIN {
        d = got - want
        exit !(d <= limit && -d <= limit)
    }' || fail "$1: $2 is not $3 within $4"
}

# check_sums: perplexity, error-free mean and bits per byte of $out from its windows alone.
check_sums() {
    tr '{' '\n' <"$out" | sed -n 's/^"tokens":\([0-9]*\),"nll":\([0-9.]*\)}.*/\1 \2/p' >"$dir/windows"
    set -- $(awk -v bytes="$(number bytes)" '
        { n += $1; sum += $2 }
        END { printf "%d %d %.12g %.12g", NR, n, exp(sum / n), sum / log(2) / bytes }' "$dir/windows")
    n_windows=$1
    close "tokens" "$(sed 's/.*"nll_error":[^,]*,"tokens":\([0-9]*\).*/\1/' "$out")" "$2" 0
    close "perplexity" "$(sed 's/^{"perplexity":\([0-9.]*\).*/\1/' "$out")" "$3" 1e-6
    close "bits per byte" "$(number bits_per_byte)" "$4" 1e-9
}

awk 'BEGIN { for (i = 0; i < 45; i++) printf "for (i = %d; i < n; i++) sum%d += x[i];\n", i, i % 7 }' \
    >"$dir/text"
bytes=$(wc -c <"$dir/text")
n=$("$lemnos" tokenize -m "$model" --ids -f "$dir/text" 2>/dev/null | wc -w)

gives 0 perplexity -m "$model" -c 64 --chunks 5 --json "$dir/text"
check_sums
close "windows" "$n_windows" 5 0
close "tokens of a window" "$(awk '$1 != 31' "$dir/windows" | wc -l)" 0 0
says "$out" '"complete":true' "--json"
cp "$out" "$dir/json"
gives 0 perplexity -m "$model" -c 64 --chunks 5 --json - <"$dir/text"
same "$dir/json" "$out" "from a file and from standard input"
gives 0 perplexity -m "$model" -c 64 --chunks 5 "$dir/text"
says "$out" "over 155 tokens in 5 windows of 64" "figures"
says "$out" "$(printf 'perplexity              %.4f +/- ' "$(sed 's/^{"perplexity":\([0-9.]*\).*/\1/' "$dir/json")")" \
    "figures"
[ -s "$err" ] && fail "something on stderr"

# With a stride every token but BOS counts, so the bytes are those of the file.
gives 0 perplexity -m "$model" -c 256 --stride 200 --json "$dir/text"
check_sums
close "bytes" "$(number bytes)" "$bytes" 0
close "tokens" "$(awk '{ n += $1 } END { print n }' "$dir/windows")" $((n - 1)) 0
gives 0 perplexity -m "$model" -c 256 --stride 200 --chunks 2 -v "$dir/text"
[ "$(grep -c '^window ' "$err")" -eq 2 ] || fail "-v: not a line a window"

# Two windows of four tokens, BOS in the first place of each: BOS ; W # and BOS ! 9 @. Of each its
# last token counts, and `run`, which a bias forces to draw that token, says the same of it.
text=';W#Z!9@'
printf '%s' "$text" >"$dir/short"
ids=$("$lemnos" tokenize -m "$model" --ids "$text" 2>/dev/null)
if [ "$(echo "$ids" | wc -w)" -eq 8 ]; then
    gives 0 perplexity -m "$model" -c 4 --json "$dir/short"
    check_sums
    got=$(awk '{ print $2 }' "$dir/windows" | tr '\n' ' ')
    gives 0 run -m "$model" -n 1 --ignore-end --json --logprobs 1 \
        --logit-bias "$(echo "$ids" | cut -d ' ' -f 4)=1e9" ';W'
    close "the first window" "$(echo "$got" | cut -d ' ' -f 1)" \
        "$(sed 's/.*"logprobs":\[{"token":[0-9]*,"logprob":-\([0-9.]*\).*/\1/' "$out")" 1e-4
    gives 0 run -m "$model" -n 1 --ignore-end --json --logprobs 1 \
        --logit-bias "$(echo "$ids" | cut -d ' ' -f 8)=1e9" '!9'
    close "the second window" "$(echo "$got" | cut -d ' ' -f 2)" \
        "$(sed 's/.*"logprobs":\[{"token":[0-9]*,"logprob":-\([0-9.]*\).*/\1/' "$out")" 1e-4
else
    fail "'$text' is not eight tokens: $ids"
fi

# Divergence: none from itself but for the 16 bits of the file, and little of Q8_0 from F16.
gives 0 perplexity -m "$model" -c 64 --chunks 5 --kl-save "$dir/base.kld" --json "$dir/text"
same "$dir/json" "$out" "--kl-save"
gives 0 perplexity -m "$model" --kl-base "$dir/base.kld" --json "$dir/text"
check_sums
close "windows of the base" "$n_windows" 5 0
close "divergence from itself" "$(number maximum)" 0 1e-4
close "divergence from itself" "$(number minimum)" 0 1e-4
close "the base's perplexity over its own" "$(number log_ratio)" 0 1e-4
close "the same top token" "$(number same_top)" 1 0.02
gives 0 quantize "$model" "$dir/q8.gguf" --type Q8_0
gives 0 perplexity -m "$dir/q8.gguf" --kl-base "$dir/base.kld" --json "$dir/text"
close "divergence of Q8_0" "$(number mean)" 0 0.01
n_checks=$((n_checks + 1))
awk -v got="$(number mean)" 'BEGIN { exit !(got > 1e-6) }' || fail "Q8_0 does not differ from F16"
gives 0 perplexity -m "$dir/q8.gguf" --kl-base "$dir/base.kld" --chunks 2 "$dir/text"
says "$out" "62 tokens in 2 windows" "--chunks with a base"
says "$out" "same top token" "figures"

# What cannot be scored.
: >"$dir/empty"
refuses 1 "is empty" perplexity -m "$model" "$dir/empty"
refuses 1 "has 8 tokens, and two windows of 512 need 1024" perplexity -m "$model" "$dir/short"
refuses 1 "cannot open" perplexity -m "$model" "$dir/nowhere"
refuses 1 "exceeds the 4096 tokens" perplexity -m "$model" -c 8192 "$dir/text"
refuses 2 "whole number from 4" perplexity -m "$model" -c 3 "$dir/text"
refuses 2 "at most 511" perplexity -m "$model" --stride 512 "$dir/text"
refuses 2 "exclude each other" perplexity --stride 4 --kl-save "$dir/x" "$dir/text"
refuses 2 "exclude each other" perplexity --kl-base "$dir/x" --kl-save "$dir/x" "$dir/text"
refuses 1 "cannot write" perplexity -m "$model" -c 64 --kl-save "$dir/no/x" "$dir/text"
refuses 1 "base.kld has windows of 64 tokens, -c says 128" \
    perplexity -m "$model" -c 128 --kl-base "$dir/base.kld" "$dir/text"
sed 's/sum1/sum2/' "$dir/text" >"$dir/other"
refuses 1 "base.kld was made from another text: its token" \
    perplexity -m "$model" --kl-base "$dir/base.kld" "$dir/other"
head -c 200 "$dir/text" >"$dir/less"
refuses 1 "base.kld was made from another text: it has 320 tokens" \
    perplexity -m "$model" --kl-base "$dir/base.kld" "$dir/less"
sed 's/1024/512/' "$shape" >"$dir/smaller.json"
refuses 1 "base.kld has a vocabulary of 1024 tokens, $dir/smaller.json one of 512" \
    perplexity --synthetic "$dir/smaller.json" --kl-base "$dir/base.kld" "$dir/text"
head -c 5000 "$dir/base.kld" >"$dir/cut.kld"
refuses 1 "cut.kld is truncated" perplexity -m "$model" --kl-base "$dir/cut.kld" "$dir/text"
refuses 1 "text is no file of log-probabilities" \
    perplexity -m "$model" --kl-base "$dir/text" "$dir/text"

# Ctrl-C: 130, with the figures of the windows that are done, and no half of a file.
awk 'BEGIN { for (i = 0; i < 40000; i++) printf "x%d = %d;\n", i, i * 7 }' >"$dir/long"
n_checks=$((n_checks + 1))
for seconds in 2 8 40; do
    timeout --foreground -s INT --preserve-status "$seconds" "$lemnos" perplexity -m "$model" -c 16 \
        --kl-save "$dir/half.kld" "$dir/long" >"$out" 2>"$err"
    code=$?
    [ "$code" -eq 130 ] || break
    [ -s "$out" ] && break
done
[ "$code" -eq 130 ] || fail "Ctrl-C: exit code $code"
says "$out" "windows of 16" "Ctrl-C"
says "$err" "is not written" "Ctrl-C"
[ -e "$dir/half.kld" ] && fail "Ctrl-C: a half of a file"

finish
