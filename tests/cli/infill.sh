# `infill`: places, what is kept of what the model writes, JSON lines, refusals. The model is random;
# where a text is needed, biases make it: with $words the model writes "return", a newline, "return"
# and so on for ever.
. "$(dirname "$0")/support/check.sh"
exec </dev/null

# ---- places that are none, found before any model is looked for ----------------------------------

cat >"$dir/gcd.c" <<'END'
int gcd(int a, int b)
{
    
}
int x = gcd( , 3); // é = 1
END
for place in gcd.c gcd.c: gcd.c:x gcd.c:3: gcd.c:-1 "gcd.c:3 "; do
    refuses 2 "'$dir/$place' does not say where the hole is" infill -m /nonexistent "$dir/$place"
done
refuses 2 "':3' does not say where the hole is" infill -m /nonexistent :3
refuses 2 "count from 1" infill -m /nonexistent "$dir/gcd.c:0"
refuses 2 "count from 1" infill -m /nonexistent "$dir/gcd.c:3:0"
refuses 2 "needs an argument" infill -m /nonexistent
refuses 2 "--shape 'square' is none of" infill --shape square "$dir/gcd.c:3"
refuses 2 "-r needs FILE:LINE" infill -r "$dir/gcd.c" -
refuses 1 "gcd.c: line 7 is beyond its end: it has 6 lines" infill -m /nonexistent "$dir/gcd.c:7"
refuses 1 "column 6 is beyond the end of line 3: 5 is" infill -m /nonexistent "$dir/gcd.c:3:6"
refuses 1 "column 29 is beyond the end of line 5: 28 is" infill -m /nonexistent "$dir/gcd.c:5:29"
refuses 1 "missing.c" infill -m /nonexistent "$dir/missing.c:1"
refuses 1 "missing.h" infill -m /nonexistent -r "$dir/missing.h" "$dir/gcd.c:1"
refuses 1 "directory" infill -m /nonexistent "$dir:1"
printf 'a\0b' >"$dir/binary.c"
refuses 1 "binary.c is no source code: byte 2 of 3 is zero" infill -m /nonexistent "$dir/binary.c:1"
refuses 1 "byte 2 of 3 is zero" infill -m /nonexistent -r "$dir/binary.c" "$dir/gcd.c:1"
head -c 67108865 /dev/zero >"$dir/large.c"
refuses 1 "limit of 67108864 bytes" infill -m /nonexistent "$dir/large.c:1"
rm "$dir/large.c"
refuses 1 "/nonexistent" infill -m /nonexistent "$dir/gcd.c:3:5"

# ---- models that fill no holes: said before a device is opened -------------------------------------

need_model
LC_ALL=C sed 's/｜fim▁hole/｜fjm▁hole/' "$model" >"$dir/no_fim.gguf"
refuses 1 "no token <｜fim▁hole｜> to mark a hole" infill -m "$dir/no_fim.gguf" "$dir/gcd.c:3"
says "$err" "(--continue)" "no FIM"
refuses 1 "no token <｜fim▁hole｜>" infill -m "$dir/no_fim.gguf" -
cp "$shape" "$dir/tiny-instruct.json"
refuses 1 "base model of the same size" infill --synthetic "$dir/tiny-instruct.json" "$dir/gcd.c:3"
refuses 1 "500 new tokens leave no room" infill -m "$model" -c 500 -n 500 "$dir/gcd.c:3"
refuses 1 "a context of 16 with 13 new tokens" infill -m "$model" -c 16 -n 13 -r "$dir/gcd.c" "$dir/gcd.c:3"

# ---- filling -----------------------------------------------------------------------------------

need_device
id() {
    "$lemnos" tokenize -m "$model" --no-bos --ids "$1" 2>/dev/null
}
newline=$(id '
')
return=$(id return)
words="--presence-penalty 100 --repeat-last-n 1 --logit-bias $return=1000 --logit-bias $newline=950"

# keeps TEXT REASON ARGS...: what is printed, and why it ended. TEXT is a format of printf.
keeps() {
    keeps_text=$1
    keeps_reason=$2
    shift 2
    gives 0 infill -m "$model" $words "$@" || return
    printf "$keeps_text" >"$dir/expected"
    same "$dir/expected" "$out" "infill $*"
    says "$err" "stopped: $keeps_reason]" "infill $*"
}

keeps return indent "$dir/gcd.c:3"
keeps 'return\nreturn\n' repeat --shape block "$dir/gcd.c:5:13"
keeps return line "$dir/gcd.c:5:13"
keeps return line --shape line "$dir/gcd.c:3:1"
keeps 'return\nreturn' length -n 3 "$dir/gcd.c:6"
keeps return indent --continue "$dir/gcd.c:3"
keeps '' stop --stop ret "$dir/gcd.c:3"
printf 'a\n\nreturn\n' >"$dir/next.py"
keeps '' suffix "$dir/next.py:2"
: >"$dir/empty.c"
keeps return repeat "$dir/empty.c:1"
printf 'a\r\n\r\nb\r\n' >"$dir/crlf.c"
keeps 'return\r\nreturn' length -n 3 "$dir/crlf.c:2"
printf 'a \377 \303\n\nb\n' >"$dir/no_utf8.c"
keeps return repeat "$dir/no_utf8.c:2"
cp "$dir/gcd.c" "$dir/a:b"
keeps return indent "$dir/a:b:3"
gives 0 infill -m "$model" --logit-bias "$(id ')')=1000" "$dir/gcd.c:5:13"
[ ! -s "$out" ] || fail "a bracket that is there already was printed"
says "$err" "stopped: bracket]" "a bracket"

gives 0 infill --synthetic "$dir/tiny-instruct.json" --any-model -n 1 "$dir/gcd.c:3"

# -v says where and why, and what the context has no room for.
gives 0 infill -m "$model" $words -v -c 60 -n 20 -r "$dir/next.py" -r "$dir/crlf.c" "$dir/gcd.c:3"
says "$err" "hole at line 3, column 5; The next line would leave the block." "-v"
says "$err" "2 of 2 other files" "-v"
gives 0 infill -m "$model" $words -v -n 20 -r "$dir/next.py" "$dir/gcd.c:3"
grep -q "left out" "$err" && fail "-v: something was left out of a long context"

# ---- the prompt --------------------------------------------------------------------------------

# prompt_tokens ARGS...: how many the model was given.
prompt_tokens() {
    gives 0 infill -m "$model" -n 1 --json "$@" || return
    sed 's/.*"prompt_tokens":\([0-9]*\).*/\1/' "$out"
}
count() {
    "$lemnos" tokenize -m "$model" --no-bos --ids -f "$1" 2>/dev/null | wc -w
}

# Spellings of special tokens are text: as many tokens as text has, and four around it.
printf 'x = "<｜fim▁hole｜><｜fim▁end｜><|EOT|>' >"$dir/markers.py"
[ "$(prompt_tokens "$dir/markers.py:1")" -eq $(($(count "$dir/markers.py") + 4)) ] ||
    fail "spellings of special tokens became special tokens"
[ "$(prompt_tokens --continue "$dir/markers.py:1")" -eq $(($(count "$dir/markers.py") + 1)) ] ||
    fail "--continue: not the prefix alone"
# Other files come in order, each behind its path, and then the path of the hole's file is told.
(
    cd "$dir" || exit
    printf 'y = 2' >other.py
    printf '# next.py\na\n\nreturn\n\n\n# other.py\ny = 2\n\n\n# markers.py\n' >expected
    cat markers.py >>expected
)
n_told=$(cd "$dir" && prompt_tokens -r next.py -r other.py --continue markers.py:1)
[ "$n_told" -eq $(($(count "$dir/expected") + 1)) ] || fail "-r: another prompt of $n_told tokens"

# ---- JSON lines --------------------------------------------------------------------------------

# tokens LINE: those of an answer.
tokens() {
    sed -n "$1{s/.*\"tokens\":\[\([^]]*\)\].*/\1/;p}" "$out"
}

gives 0 infill -m "$model" -n 3 --json "$dir/gcd.c:3"
[ "$(wc -l <"$out")" -eq 1 ] || fail "--json: not one line"
says "$out" '"finish":"length","' "--json"
says "$out" '"reason":"As many tokens as asked for were written."' "--json"
says "$out" '"line":3,"column":5}' "--json"
expected_tokens=$(tokens 1)
gives 0 infill -m "$model" $words --json "$dir/gcd.c:3"
says "$out" '"text":"return","' "--json"
says "$out" '"finish":"indent"' "--json"
says "$out" '"new_tokens":1,' "--json"

hole='"prefix":"int gcd(int a, int b)\n{\n    ","suffix":"\n}\nint x = gcd( , 3); // é = 1\n"'
bad=$(printf '\377') # no UTF-8
cat >"$dir/requests" <<END
{"id":1,$hole,"max_tokens":3}
{"id":"two",$hole,"max_tokens":3,"temperature":0,"top_k":3,"seed":7,"shape":"block","path":"a.c"}

no JSON
[1]
{"id":3,"prefx":"x"}
{"id":"${bad}4"}
{"id":[1],"prefix":"x"}
{"prefix":1}
{"prefix":"x","max_tokens":0}
{"prefix":"x","max_tokens":1.5}
{"prefix":"x","max_tokens":4096}
{"prefix":"x","top_p":2}
{"prefix":"x","temperature":"hot"}
{"prefix":"x","seed":-1}
{"prefix":"x","shape":"square"}
{"prefix":"x","stop":[1]}
{"prefix":"x","stop":""}
{"prefix":"x","files":[{"path":"a"}]}
{"prefix":"a\u0000b"}
{"prefix":"x"} {"prefix":"y"}
END
printf '{"prefix":"a\\\\u0000","suffix":"","max_tokens":2,"stop":["zzz"],"path":"b.py","files":[{"path":"a.py","text":"y"}]}\n{"id":0.5,%s,"max_tokens":3}' \
    "$hole" >>"$dir/requests" # the last line has no end
gives 1 infill -m "$model" - <"$dir/requests"
[ "$(wc -l <"$out")" -eq 22 ] || fail "JSON lines: not 22 answers"
[ "$(grep -c '"error":' "$out")" -eq 18 ] || fail "JSON lines: not 18 errors"
for line in 1 2 22; do
    [ "$(tokens $line)" = "$expected_tokens" ] || fail "JSON lines: answer $line has other tokens"
done
# answers LINE WORDS
answers() {
    n_checks=$((n_checks + 1))
    sed -n "$1p" "$out" | grep -qF -e "$2" || fail "JSON lines: answer $1 does not say '$2'"
}
answers 1 '{"id":1,"text":"'
answers 1 '"reused_tokens":0,'
answers 2 '{"id":"two","text":"'
answers 2 '"prefill_tokens":1,'
answers 3 '{"error":"the line is no JSON from byte 1 on"}'
answers 4 'no JSON object'
answers 5 "{\"id\":3,\"error\":\"unknown key 'prefx'; known are"
answers 6 "{\"id\":\"�4\",\"error\":\"neither 'prefix' nor 'suffix'"
answers 7 "{\"error\":\"'id' must be a string or a number\"}"
answers 8 "'prefix' must be a string"
answers 9 "'max_tokens' must be a whole number from 1 to 1000000"
answers 10 "'max_tokens' must be a whole number"
answers 11 "4096 new tokens leave no room for the code in a context of 4096"
answers 12 "'top_p' must be"
answers 13 "'temperature' must be"
answers 14 "'seed' must be"
answers 15 "'shape' must be"
answers 16 "'stop' holds what is no string"
answers 17 'stop text'
answers 18 "each of 'files' must be"
answers 19 'zero byte'
answers 20 'no JSON from byte 16'
answers 21 '{"text":"'
answers 22 '{"id":0.5,"text":"'

# Ctrl-C while a text is made: what is certain by then is there. A slow machine gets more time.
for seconds in 3 12 48; do
    timeout --foreground -s INT --preserve-status "$seconds" "$lemnos" infill -m "$model" \
        --logit-bias "$return=1e9" -n 4000 "$dir/gcd.c:3" >"$out" 2>"$err"
    code=$?
    [ "$code" -eq 130 ] && [ ! -s "$out" ] || break
done
[ "$code" -eq 130 ] || fail "Ctrl-C: exit code $code"
[ -s "$out" ] || fail "Ctrl-C: no text"
says "$err" "stopped: cancelled" "Ctrl-C"

# In the middle of JSON lines it ends one answer, and the next is as if nothing had been.
mkfifo "$dir/fifo"
"$lemnos" infill -m "$model" --logit-bias "$return=1e9" - <"$dir/fifo" >"$out" 2>"$err" &
pid=$!
exec 3>"$dir/fifo"
# wait_for N: until there are N answers.
wait_for() {
    for _ in $(seq 600); do
        [ "$(wc -l <"$out")" -ge "$1" ] && return
        sleep 0.1
    done
    fail "JSON lines: no answer $1"
}
printf '{%s,"max_tokens":3}\n' "$hole" >&3
wait_for 1
echo '{"id":"long","prefix":"x","max_tokens":4000,"shape":"block"}' >&3
sleep 1
for _ in 1 2 3; do # before the answer has begun it does nothing
    kill -INT "$pid"
    for _ in $(seq 100); do
        [ "$(wc -l <"$out")" -ge 2 ] && break 2
        sleep 0.1
    done
done
wait_for 2
kill -INT "$pid" # between two answers it is for nobody,
sleep 0.1
kill -INT "$pid" # however often
printf '{%s,"max_tokens":3}\n' "$hole" >&3
wait_for 3
exec 3>&-
wait "$pid"
code=$?
[ "$code" -le 1 ] || fail "JSON lines and Ctrl-C: exit code $code"
grep -q '"id":"long",.*\("finish":"cancelled"\|"error":".*\(interrupted\|cancelled\)"\)' "$out" ||
    fail "JSON lines: the answer was not cancelled"
[ "$(tokens 3)" = "$return,$return,$return" ] || fail "JSON lines: another answer after Ctrl-C"
finish
