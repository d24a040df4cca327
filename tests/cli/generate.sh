# `run` and `complete` on a device: the same text in every form, limits, stops, a broken pipe and
# Ctrl-C. The model is random, so nothing is asked of the text but that it is always the same.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_device
need_model

gives 0 run -m "$model" -n 12 --ignore-end 'int x'
cp "$out" "$dir/text"
[ -s "$dir/text" ] || fail "run printed nothing"
[ "$(wc -l <"$err")" -eq 1 ] || fail "run: not one line of figures on stderr"
says "$err" "12 new tokens" "run"
says "$err" "stopped: length" "run"
gives 0 run -m "$model" -n 12 --ignore-end 'int x'
same "$dir/text" "$out" "the same prompt twice"
gives 0 run --synthetic "$shape" --format F16 -n 12 --ignore-end 'int x'
same "$dir/text" "$out" "--synthetic and its file"
printf 'int x' >"$dir/prompt"
gives 0 complete -m "$model" -n 12 --ignore-end "$dir/prompt"
same "$dir/text" "$out" "run and complete"
gives 0 complete -m "$model" -n 12 --ignore-end - <"$dir/prompt"
same "$dir/text" "$out" "complete FILE and complete -"
gives 0 run -m "$model" -n 12 --ignore-end -c 64 'int x'
same "$dir/text" "$out" "another context"

gives 0 run -m "$model" -n 12 --ignore-end -v 'int x'
same "$dir/text" "$out" "-v"
says "$err" "logits hash 0x" "-v"
says "$err" "plan for 4,096 tokens" "-v"

gives 0 run -m "$model" -n 12 --ignore-end --json 'int x'
iconv -f UTF-8 -t UTF-8 "$out" >/dev/null 2>&1 || fail "--json is no UTF-8"
says "$out" '"finish":"length"' "--json"
says "$out" '"new_tokens":12' "--json"
[ "$(wc -l <"$out")" -eq 1 ] || fail "--json: not one line"
[ "$(sed 's/.*"tokens":\[\([^]]*\)\].*/\1/' "$out" | tr ',' '\n' | wc -l)" -eq 12 ] ||
    fail "--json: not 12 token ids"

# Sampling: the seed decides, and with nothing to draw from but one token it is the greedy text.
gives 0 run -m "$model" -n 12 --ignore-end --temp 1 --seed 5 'int x'
cp "$out" "$dir/drawn"
gives 0 run -m "$model" -n 12 --ignore-end --temp 1 --seed 5 'int x'
same "$dir/drawn" "$out" "the same seed twice"
gives 0 run -m "$model" -n 12 --ignore-end --temp 1 --seed 6 'int x'
cmp -s "$dir/drawn" "$out" && fail "another seed: the same text"
gives 0 run -m "$model" -n 12 --ignore-end --temp 1 --top-k 1 'int x'
same "$dir/text" "$out" "--top-k 1"
gives 0 run -m "$model" -n 12 --ignore-end --json --logprobs 3 'int x'
[ "$(grep -o '"top":' "$out" | wc -l)" -eq 12 ] || fail "--logprobs: not 12 lists"
[ "$(grep -o '"logprob":-' "$out" | wc -l)" -eq 48 ] || fail "--logprobs: not 4 for each token"
refuses 1 "token 1024, which is outside the vocabulary of 1024" run -m "$model" --logit-bias 1024=1 x

# Drafts, right or wrong, change nothing but how many tokens are evaluated together.
{
    cat "$dir/prompt" "$dir/text"
    printf 'and more of it'
} >"$dir/whole"
gives 0 run -m "$model" -n 12 --ignore-end --lookup on --lookup-file "$dir/whole" --json 'int x'
says "$out" '"lookup":{"steps":' "--lookup-file --json"
gives 0 run -m "$model" -n 12 --ignore-end --lookup on --lookup-file "$dir/whole" 'int x'
same "$dir/text" "$out" "--lookup on"
gives 0 run -m "$model" -n 12 --ignore-end --lookup off 'int x'
same "$dir/text" "$out" "--lookup off"
refuses 1 "$dir/none" run -m "$model" --lookup-file "$dir/none" x
refuses 2 "--lookup 'perhaps' is none of auto, on and off" run --lookup perhaps x
refuses 2 "--lookup-file and --lookup off exclude each other" run --lookup off --lookup-file x x

# A stop text ends the text before it. Any printable character of it will do.
stop=$(LC_ALL=C tr -cd '!-~' <"$dir/text" | head -c 1)
if [ -n "$stop" ]; then
    gives 0 run -m "$model" -n 12 --ignore-end --stop "$stop" 'int x'
    says "$err" "stopped: stop" "--stop"
    grep -qF -e "$stop" "$out" && fail "--stop: '$stop' was printed"
    head -c "$(wc -c <"$out")" "$dir/text" | cmp -s - "$out" || fail "--stop: another text before it"
fi

# The context ends the text or refuses the prompt; which number is too large by how much is said.
gives 0 run -m "$model" -c 16 --ignore-end 'int x'
says "$err" "stopped: context" "-c 16"
long_prompt=$(printf '%0200d' 0)
n=$("$lemnos" tokenize -m "$model" --ids "$long_prompt" 2>/dev/null | wc -w)
if [ "$n" -gt 16 ]; then
    refuses 1 "$((n + 1 - 16)) too many for a context of 16" run -m "$model" -c 16 -n 5 "$long_prompt"
    says "$err" "pass -c $((n + 5))" "a long prompt"
fi
refuses 1 "model's context of 4,096" complete -m "$model" "$lemnos"

refuses 1 "no-such-device" run -m "$model" --device no-such-device x
refuses 1 "00000000-dead-beef" run -m "$model" --device 00000000-dead-beef-0000-000000000000 x
# More than any machine has: little weight and 1 TiB of KV cache, then 1.8 TiB of weights. Nothing is
# loaded. Each single tensor is small enough for a buffer of 1 GiB.
echo '{"layers": 1024, "hidden": 32, "intermediate": 32, "heads": 2, "kv_heads": 2,
       "head_dim": 128, "vocab": 1024, "context": 1048576}' >"$dir/wide.json"
refuses 1 "tokens fits" run --synthetic "$dir/wide.json" -c 1048576 x
refuses 1 "1048576 tokens of context needs" run --synthetic "$dir/wide.json" -c 1048576 --kv f32 --json x
gives 0 info --synthetic "$dir/wide.json" -c 1048576
says "$out" "does not fit, up to " "info"
echo '{"layers": 1024, "hidden": 8192, "intermediate": 8192, "heads": 64, "kv_heads": 64,
       "head_dim": 128, "vocab": 1024, "context": 4096}' >"$dir/heavy.json"
refuses 1 "no context fits" run --synthetic "$dir/heavy.json" --format F32 x
gives 0 info --synthetic "$dir/wide.json" -c 256 --sessions 3
says "$out" "device memory for 3 sessions of 256 tokens" "info --sessions"
refuses 2 "--sessions '5' is not a whole number from 1 to 4" info --sessions 5
gives 0 info --synthetic "$dir/heavy.json" --format F32
says "$out" "does not fit with any context" "info"

uuid=$("$lemnos" devices | awk '/^  state  *chosen/ { c = 1 } c && /^  uuid/ { print $2; exit }')
gives 0 run -m "$model" -n 12 --ignore-end --device "$uuid" 'int x'
same "$dir/text" "$out" "--device UUID"

# A reader that goes away.
n_checks=$((n_checks + 1))
{
    "$lemnos" run -m "$model" --ignore-end -n 4000 'int x' 2>"$err"
    echo $? >"$dir/code"
} | head -c 1 >/dev/null
: >"$out"
[ "$(cat "$dir/code")" -eq 1 ] || fail "a broken pipe: exit code $(cat "$dir/code")"
refused "a broken pipe" "standard output"
"$lemnos" run -m "$model" --ignore-end -n 4000 'int x' 2>"$err" >&-
code=$?
[ "$code" -eq 1 ] || fail "a closed stdout: exit code $code"
refused "a closed stdout" "standard output"

# A cache that cannot be used is one warning, and the text is the same.
for cache in relative /dev/null/cache; do
    n_checks=$((n_checks + 1))
    env -u HOME XDG_CACHE_HOME=$cache "$lemnos" run -m "$model" -n 12 --ignore-end 'int x' \
        >"$out" 2>"$err" || fail "XDG_CACHE_HOME=$cache: exit code $?"
    same "$dir/text" "$out" "XDG_CACHE_HOME=$cache"
    [ "$(grep -c '^lemnos: warning: ' "$err")" -eq 1 ] || fail "XDG_CACHE_HOME=$cache: not one warning"
done

# Ctrl-C while text streams: 130, and the text so far is there. A slow machine gets more time.
# --foreground: without it timeout sends the signal twice, and the second one kills.
echo '{"layers": 2, "hidden": 512, "intermediate": 1024, "heads": 4, "kv_heads": 4,
       "head_dim": 128, "vocab": 1024, "context": 131072}' >"$dir/long.json"
n_checks=$((n_checks + 1))
for seconds in 2 10 40; do
    timeout --foreground -s INT --preserve-status "$seconds" "$lemnos" run --synthetic "$dir/long.json" \
        --ignore-end -c 131072 -n 1000000 'int x' >"$out" 2>"$err"
    code=$?
    [ "$code" -eq 130 ] || break
    [ -s "$out" ] && break
done
[ "$code" -eq 130 ] || fail "Ctrl-C: exit code $code"
[ -s "$out" ] || fail "Ctrl-C: no text"
says "$err" "stopped: cancelled" "Ctrl-C"

finish
