# `bench`: rows of every list, each with its hash; formats; comparison with an earlier result; what
# does not fit is left out and the rest runs.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_device

shape=$dir/shape.json
echo '{"layers": 1, "hidden": 128, "intermediate": 160, "heads": 2, "kv_heads": 1,
       "head_dim": 64, "vocab": 1024, "context": 4096}' >"$shape"

# ---- mistakes, before anything is measured ------------------------------------------------------

refuses 2 "is no number and no range" bench -p 12x --synthetic "$shape"
refuses 2 "nothing is left to measure" bench -p 0 -n 0 --synthetic "$shape"
refuses 2 "text, markdown, csv, json and jsonl" bench --as html --synthetic "$shape"
refuses 2 "exclude each other" bench -m x.gguf --synthetic "$shape"
refuses 1 "Q9_K" bench --synthetic "$shape" --format F16,Q9_K
says "$err" "Q8_0" "an unknown format"
refuses 2 "deepseek-coder-9b" bench --synthetic deepseek-coder-9b
says "$err" "deepseek-coder-1.3b" "an unknown shape"
refuses 1 "gone.gguf" bench -m "$dir/gone.gguf"
refuses 2 "-p needs a LIST that is not empty" bench --synthetic "$shape" -p ''
refuses 2 "more than 64 numbers" bench --synthetic "$shape" -p 1-1048576
refuses 2 "within 0 to 1048576" bench --synthetic "$shape" -d 1048577
refuses 1 "cannot write $dir/gone/x.json" bench --synthetic "$shape" -o "$dir/gone/x.json"
refuses 1 "cannot write $dir/gone/x.json" bench --synthetic "$shape" --trace "$dir/gone/x.json"
printf '{"schema": 1, "models": [1]}' >"$dir/odd.json"
refuses 1 "is no result" bench --synthetic "$shape" --compare "$dir/odd.json"
refuses 1 "is a directory" bench --synthetic "$shape" --compare "$dir"

# ---- rows ---------------------------------------------------------------------------------------

# Two depths of two prompts and one generation; nothing of it depends on chance but the times.
rows() {
    gives 0 bench --synthetic "$shape" --format F16 -p 5,8 -n 6 -d 0,40 -r 2 --no-peaks "$@"
}
number() { # number KEY: of the first line of $out
    sed -n "1s/.*\"$1\":\([-0-9.e+]*\).*/\1/p" "$out"
}

rows --as jsonl -o "$dir/old.json" --trace "$dir/trace.json"
[ "$(wc -l <"$out")" -eq 6 ] || fail "not six rows"
for test in pp5 pp8 tg6 'pp5 @ d40' 'pp8 @ d40' 'tg6 @ d40'; do
    says "$out" "\"test\":\"$test\"" "bench"
done
[ "$(grep -c '"repeatable":true' "$out")" -eq 6 ] || fail "two runs gave different results"
[ "$(grep -c '"runs":2' "$out")" -eq 6 ] || fail "not two runs each"
says "$out" '"model_type":"shape"' "bench"
[ "$(grep -o '"logits_hash":"[^"]*"' "$out" | sort -u | wc -l)" -ge 5 ] ||
    fail "rows of different prompts have the same hash"
awk "BEGIN { exit !($(number avg_ts) > 0 && $(number submits_per_token) > 0 &&
                    $(number thread_cpu_us_per_token) > 0 && $(number first_token_ms_p50) > 0) }" ||
    fail "a figure is not above 0"
cp "$out" "$dir/rows"

# The same again gives the same hashes.
rows --json
grep -o '"logits_hash":.*"' "$out" | grep -o '0x[0-9a-f]*' >"$dir/again"
grep -o '"logits_hash":"[^"]*"' "$dir/rows" | grep -o '0x[0-9a-f]*' >"$dir/first"
same "$dir/first" "$dir/again" "the hashes of two benchmarks"
says "$dir/old.json" '"models"' "-o"

# ---- comparison, plots and ops ------------------------------------------------------------------

# Against itself no row can be slower by chance alone, and another device or model is refused.
sed 's/"uuid":.*/"uuid": "of another device",/' "$dir/old.json" >"$dir/device.json"
sed 's/"format":.*"F16"/"format": "Q8_0"/' "$dir/old.json" >"$dir/model.json"
refuses 1 "of another device" bench --synthetic "$shape" --format F16 --compare "$dir/device.json"
refuses 2 "another model: it has shape Q8_0" bench --synthetic "$shape" --format F16 \
    --compare "$dir/model.json"
refuses 1 "is no result" bench --synthetic "$shape" --compare "$shape"
# Faster than a file whose samples are a thousandth, slower than one with a thousand times as many.
sed '/samples_ts/s/\([0-9]\)\([],]\)/\1e-6\2/g' "$dir/old.json" >"$dir/slow.json"
sed '/samples_ts/s/\([0-9]\)\([],]\)/\1e6\2/g' "$dir/old.json" >"$dir/fast.json"
gives 0 bench --synthetic "$shape" --format F16 -p 8 -n 0 -r 2 --compare "$dir/slow.json"
says "$out" "faster" "compare"
says "$out" "0 of 6 rows slower, 1 faster" "compare"
says "$out" "a dependent op" "peaks"
gives 1 bench --synthetic "$shape" --format F16 -p 8 -n 0 -r 2 --no-peaks --compare "$dir/fast.json"
says "$out" "1 of 6 rows slower" "compare"

if command -v python3 >/dev/null; then
    n_checks=$((n_checks + 1))
    python3 - "$dir/trace.json" <<'PYTHON' || fail "the trace is not what a reader expects"
import json, sys
events = json.load(open(sys.argv[1]))["traceEvents"]
ops = [e for e in events if e["ph"] == "X"]
names = {e["name"] for e in ops}
assert len([e for e in events if e["ph"] == "M"]) == 7, "a process and six threads"
assert any(n.startswith("matmul") for n in names) and any(n.startswith("matvec") for n in names)
assert all(e["dur"] >= 0 and e["ts"] >= 0 for e in ops) and sum(e["dur"] for e in ops) > 0
assert all(e["args"]["bytes"] > 0 for e in ops if e["args"]["tensor"].endswith(".weight"))
PYTHON
    n_checks=$((n_checks + 1))
    python3 "$(dirname "$0")/../../tools/plot_bench.py" "$dir/old.json" -o "$dir/plots" >/dev/null &&
        [ -s "$dir/plots/decode_over_depth.svg" ] || fail "no plots"
fi

# ---- keystrokes ---------------------------------------------------------------------------------

# Of eight keys one opens the file, two more come before the pause is over, and the last has none. The
# model is random, so what it writes is none of the test's business.
cat >"$dir/keys.txt" <<'KEYS'
Somebody types.
= a.c
|int f(void)
|{
|    
|}
@ 3:5
?
+ 120 re
+ 20 tu
?
- 300 1
+ 300 x
KEYS
gives 0 bench --synthetic "$shape" --format F16 --no-peaks --infill-trace "$dir/keys.txt" --as jsonl
[ "$(wc -l <"$out")" -eq 1 ] || fail "more than the keystrokes ran"
says "$out" '"test":"infill"' "keystrokes"
says "$out" '"keys":8,"requests":4' "keystrokes"
awk "BEGIN { exit !($(number cached_share) > 0 && $(number cached_share) < 1 &&
                    $(number line_ms_p50) > 0) }" || fail "a figure of the keystrokes is not above 0"
sed 's/@ 3:5/@ 9:9/' "$dir/keys.txt" >"$dir/bad.txt"
refuses 1 "line 7 goes to 9:9, which 'a.c' does not have" bench --synthetic "$shape" \
    --infill-trace "$dir/bad.txt"
refuses 1 "is no trace of keystrokes" bench --synthetic "$shape" --infill-trace "$shape"

# ---- what does not run --------------------------------------------------------------------------

gives 0 bench --synthetic "$shape" --format F16 -p 8,5000 -n 0 -r 1 --no-peaks
says "$out" "pp5000  left out: needs a context of 5002 tokens" "a prompt longer than the model's context"
gives 1 bench --synthetic "$shape" --format F16 -p 5000 -n 0 -r 1 --no-peaks
says "$err" "every row is longer" "nothing but that"

# A model that memory has no room for, or a buffer, is told with its plan, and the next one comes.
sed 's/heads": [12]/heads": 32/g; s/4096/1048576/' "$shape" >"$dir/wide.json"
sed 's/heads": 32/heads": 8/g; s/layers": 1/layers": 64/' "$dir/wide.json" >"$dir/long.json"
gives 1 bench --synthetic "$dir/long.json,$dir/wide.json,$shape" --format F16 -p 8 -n 0 \
    -d 1000000 -r 1 --no-peaks
says "$err" "long.json with a context of 1000010 tokens does not fit: weights" "too little memory"
says "$err" "the longest context that fits" "too little memory"
says "$err" "wide.json, pp8 @ d1000000: " "too small buffers"
says "$err" "shape.json is left out: every row is longer" "the model behind those"
[ "$(grep -c '^left out: ' "$out")" -eq 3 ] || fail "what does not fit is not told"

# --ops without timestamps: told, and the rest runs.
n_checks=$((n_checks + 1))
LM_OFF=timestamps "$lemnos" bench --synthetic "$shape" --format F16 -p 8 -n 0 -r 1 --no-peaks --ops \
    >"$out" 2>"$err" || fail "--ops without timestamps"
says "$err" "ops are not timed" "--ops without timestamps"
says "$out" "pp8" "--ops without timestamps"

# Ctrl-C prints what is finished, and no run that is not. A slow machine gets more time.
n_checks=$((n_checks + 1))
for seconds in 2 10 40; do
    timeout --foreground -s INT --preserve-status "$seconds" "$lemnos" bench --synthetic "$shape" \
        --format F16 -p 0 -n 50,51 -r 1000 --no-peaks -o "$dir/half.json" >"$out" 2>"$err"
    code=$?
    [ "$code" -eq 130 ] && [ ! -s "$out" ] || break
done
[ "$code" -eq 130 ] || fail "Ctrl-C: exit code $code"
grep -q '^tg50  *[0-9]' "$out" || fail "Ctrl-C: the finished runs are missing"
grep -q 'differ between runs' "$out" && fail "Ctrl-C: half a run counts"
says "$out" "tg51    left out: interrupted" "Ctrl-C"
says "$out" "Interrupted: these are the rows that were finished." "Ctrl-C"
says "$dir/half.json" '"interrupted":	true' "Ctrl-C"

# ---- edits --------------------------------------------------------------------------------------

printf 'A comment.\n=== a.c\nDo it.\n--- before\nint first = 1;\nint second = 2;\n' >"$dir/edits"
printf -- '--- after\nint first = 1;\nint third = 3;\nint second = 2;\n' >>"$dir/edits"
refuses 2 "needs --edits" bench --synthetic "$shape" --lookup on
refuses 2 "goes with one model" bench --synthetic "$shape" --edits "$dir/edits" -p 8
refuses 2 "exclude each other" bench --synthetic "$shape" --edits "$dir/edits" --lookup off
refuses 2 "'1' is no number" bench --synthetic "$shape" --edits "$dir/edits" -n 1
refuses 1 "has no edit task" bench --synthetic "$shape" --edits "$shape"
refuses 1 "gone.txt" bench --synthetic "$shape" --edits "$dir/gone.txt"
gives 0 bench --synthetic "$shape" --format F16 --edits "$dir/edits" --lookup on -r 1 --json
says "$out" '"forced":true' "edits"
[ "$(grep -o '"same":true' "$out" | wc -l)" -eq 2 ] || fail "an answer is another one with lookup"
grep -o '"lookup":{.*' "$out" | grep -q '"accepted":[1-9]' || fail "no draft was taken"

finish
