# `chat` without a terminal: a script on standard input. The model is random, so nothing is asked of
# the answers but how they belong together.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_device
need_model
cp "$shape" "$dir/tiny-instruct.json" # the name makes it an instruct model
instruct=$dir/tiny-instruct.gguf
gives 0 synth "$dir/tiny-instruct.json" --format F16 -o "$instruct" || exit 1

# talk CODE SCRIPT ARGS...: a chat of few words; %b reads the \n of SCRIPT.
talk() {
    talk_code=$1
    printf '%b' "$2" >"$dir/script"
    shift 2
    gives "$talk_code" chat -m "$instruct" -n 10 --ignore-end --system Brief. "$@" <"$dir/script"
}

# field NAME N: of the Nth JSON line of $out.
field() {
    sed -n "$2p" "$out" | sed "s/.*\"$1\":\(\[[^]]*\]\|[^,]*\),.*/\1/"
}

refuses 1 "--any-model chats with it all the same" chat -m "$model" x
says "$err" "is a base model" "a base model"
gives 0 chat -m "$model" --any-model --ignore-end -n 2 x
[ -s "$out" ] || fail "--any-model: no answer"
refuses 2 "exclude each other" chat --system a --system-file b
refuses 2 "the message is empty" chat ''
refuses 1 "no-such-file" chat -m "$instruct" --system-file "$dir/no-such-file" x
refuses 1 "no-such-file" chat -m "$instruct" --load "$dir/no-such-file" x

# ---- turns: what was said before counts, and is not evaluated again
talk 0 'one\n\ntwo\n/reset\ntwo\n/reset\none\n/reset\n/system Other.\none\n/reset\n/system Brief.
one\n/exit\nnever\n' --json
[ "$(wc -l <"$out")" -eq 6 ] || fail "six messages before /exit: not six lines of JSON"
one=$(field tokens 1)
two=$(field tokens 2)
[ "$(field reused_tokens 1)" -eq 0 ] || fail "the first turn reused $(field reused_tokens 1) tokens"
[ "$(field reused_tokens 2)" -ge "$(field prompt_tokens 1)" ] ||
    fail "the second turn reused $(field reused_tokens 2) of $(field prompt_tokens 1) tokens and more"
[ "$(field prompt_tokens 2)" -gt "$(field prompt_tokens 1)" ] || fail "the second prompt is no longer"
[ "$(field tokens 3)" != "$two" ] || fail "what was said before does not count"
[ "$(field tokens 4)" = "$one" ] || fail "/reset leaves something"
[ "$(field tokens 5)" != "$one" ] || fail "/system changes nothing"
[ "$(field tokens 6)" = "$one" ] || fail "/system and --system differ"
says "$err" "a new chat" "/reset"
printf 'Brief.' >"$dir/system"
printf 'one' >"$dir/script"
gives 0 chat -m "$instruct" -n 10 --ignore-end --system-file "$dir/system" --json --logprobs 2 <"$dir/script"
[ "$(field tokens 1)" = "$one" ] || fail "--system-file and --system differ"
[ "$(grep -o '"top":' "$out" | wc -l)" -eq 10 ] || fail "--logprobs: not 10 lists"

# ---- an answer ends with a newline and <|EOT|>, and comes back in the next prompt with one of each
# Biases and a penalty for each time that a token was there make the model say "z", newline, end: of
# the prompt's three newlines each has cost 100.
z=$("$lemnos" tokenize -m "$instruct" --no-bos --ids z 2>/dev/null)
newline=$("$lemnos" tokenize -m "$instruct" --no-bos --ids "$(printf '\nz')" 2>/dev/null | cut -d' ' -f1)
end=$("$lemnos" tokenize -m "$instruct" --no-bos --special --ids '<|EOT|>' 2>/dev/null)
: >"$dir/empty"
printf 'x\nx\n' >"$dir/script"
gives 0 chat -m "$instruct" -n 10 --system-file "$dir/empty" --frequency-penalty 100 \
    --repeat-last-n 1000 --logit-bias "$z=1500" --logit-bias "$newline=1750" \
    --logit-bias "$end=1425" --json <"$dir/script"
[ "$(field text 1)" = '"z\n"' ] && [ "$(field finish 1)" = '"end"' ] || fail "an answer is not 'z', newline"
[ "$(field prompt_tokens 2)" -eq $((2 * $(field prompt_tokens 1) + 3)) ] ||
    fail "an answer comes back with another end"
[ "$(field reused_tokens 2)" -eq $(($(field prompt_tokens 1) + 2)) ] || fail "an answer is evaluated again"

# ---- messages of several lines, and of a slash
talk 0 '"""\na\\\n\n/exit\n"""\r\n/reset\na\\\nb\r\n/reset\n"""\na\nb\n"""\n/reset\n//exit\n' --json
[ "$(wc -l <"$out")" -eq 4 ] || fail "messages of several lines: not four answers"
block=$(field tokens 1)
slash=$(field tokens 4)
[ "$(field tokens 2)" = "$(field tokens 3)" ] || fail "a backslash and a block differ"
[ "$(field tokens 2)" != "$block" ] || fail "two messages get one answer"
answer() {
    gives 0 chat -m "$instruct" -n 10 --ignore-end --system Brief. --json "$1"
}
answer "$(printf 'a\\\n\n/exit')"
[ "$(field tokens 1)" = "$block" ] || fail "a block and an argument differ"
answer /exit
[ "$(field tokens 1)" = "$slash" ] || fail "// and an argument with a slash differ"
talk 1 '"""\na\n'
says "$err" 'line 1: the message that """ begins has no end' "a block without an end"

# ---- commands that are wrong end a script, and say where
talk 1 '\n/sav x\nnever\n'
says "$err" "line 2: there is no command '/sav'; did you mean '/save'?" "/sav"
talk 1 '/regen\n'
says "$err" "no answer yet" "/regen at the beginning"

# ---- /regen: the next seed; without drawing there is nothing to draw again
talk 0 'one\n/regen\n' --json
[ "$(wc -l <"$out")" -eq 1 ] || fail "/regen with temperature 0: another answer"
says "$err" "would be the same" "/regen with temperature 0"
talk 0 'one\n/regen\ntwo\n' --json --temp 1 --seed 5
first=$(field tokens 1)
again=$(field tokens 2)
[ "$first" != "$again" ] || fail "/regen: the same answer"
after=$(field tokens 3)
talk 0 'one\ntwo\n' --json --temp 1 --seed 6
[ "$(field tokens 1)" = "$again" ] || fail "/regen is not what the next seed gives"
[ "$(field tokens 2)" != "$after" ] || fail "the seed of /regen stays"

# ---- /save and /load
talk 0 "one\n/save $dir/s\ntwo\n" --json
two=$(field tokens 2)
talk 0 'two\n' --load "$dir/s" --json
[ "$(field tokens 1)" = "$two" ] || fail "a loaded chat goes on in another way"
[ "$(field reused_tokens 1)" -gt 20 ] || fail "a loaded chat is evaluated again"
talk 0 "x\n/load $dir/s\ntwo\n" --json --system Other.
[ "$(field tokens 2)" = "$two" ] || fail "/load in a chat goes on in another way"
talk 0 '/system\n' --load "$dir/s" --system Other.
says "$err" "Other." "--system and --load"
head -c 2000 "$dir/s" >"$dir/cut"
talk 1 "one\n/load $dir/cut\nnever\n" --json
[ "$(wc -l <"$out")" -eq 1 ] || fail "a script goes on after a file that is cut"
says "$err" "line 2: " "a file that is cut"
says "$err" "$dir/cut" "a file that is cut"
gives 0 synth "$dir/tiny-instruct.json" --format Q8_0 -o "$dir/other-instruct.gguf"
gives 1 chat -m "$dir/other-instruct.gguf" --load "$dir/s" x
says "$err" "$dir/s" "the session of another model"
[ -s "$out" ] && fail "the session of another model was taken"
gives 1 chat -m "$instruct" --kv f32 --load "$dir/s" x
[ -s "$out" ] && fail "a session with another KV cache was taken"

# ---- the context: nothing is left out unless somebody agreed
long=$(printf '%040d' 0)
talk 1 "$long\nsecond\n$long$long\nnever\n" -c 230
says "$err" "line 3: the chat has " "a chat that is too long"
says "$err" "the context 230" "a chat that is too long"
says "$err" "--drop-oldest" "a chat that is too long"
says "$err" "'0000000000000000000000000000000000000000'" "a chat that is too long"
talk 0 "$long\nsecond\n$long$long\n" -c 230 --drop-oldest --json
[ "$(wc -l <"$out")" -eq 3 ] || fail "--drop-oldest: not three answers"
says "$err" "left out is the" "--drop-oldest"
talk 1 "$long$long$long$long$long$long\n" -c 230
says "$err" "the message alone has" "a message that is too long"

# ---- Ctrl-C ends a script as it ends any program
n_checks=$((n_checks + 1))
for seconds in 1 5 40; do
    timeout --foreground -s INT --preserve-status "$seconds" "$lemnos" chat -m "$instruct" \
        --ignore-end -n 100000 x >"$out" 2>"$err"
    code=$?
    [ "$code" -eq 130 ] && [ -s "$out" ] && break
done
[ "$code" -eq 130 ] || fail "Ctrl-C: exit code $code"

finish
