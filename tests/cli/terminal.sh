# `chat` on a terminal, which a program plays: lines are edited, Ctrl-C stops an answer and not the
# chat, a question is asked before turns are left out, and nothing is lost where something fails.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_device
[ -x "${LM_TEST_TERMINAL:-}" ] || skip "LM_TEST_TERMINAL names no program"
"$LM_TEST_TERMINAL" true </dev/null || skip "this machine gives no pseudo-terminal"
need_model
instruct=$dir/tiny-instruct.gguf
cp "$shape" "$dir/tiny-instruct.json"
gives 0 synth "$dir/tiny-instruct.json" --format F16 -o "$instruct" || exit 1
XDG_STATE_HOME=$dir/state
TERM=xterm
export XDG_STATE_HOME TERM

# types CODE STEPS ARGS...: a chat on a terminal; $out has what was shown.
types() {
    types_code=$1
    printf '%s\n' "$2" >"$dir/steps"
    shift 2
    n_checks=$((n_checks + 1))
    "$LM_TEST_TERMINAL" "$lemnos" chat -m "$instruct" --ignore-end "$@" <"$dir/steps" >"$out" 2>"$err"
    code=$?
    [ "$code" -eq "$types_code" ] || fail "chat on a terminal: exit code $code, expected $types_code"
}

# A line is edited: the cursor goes left twice, one letter is put in between and one taken away.
# Then Ctrl-C in an answer, twice, at a line with text and at an empty one; the chat goes on.
types 0 "expect > 
send helxo\e[D\xc3\xa4\x08\x08l\r
bytes 300
send \x03
expect stopped; what was said is kept
expect > 
send /regen\r
bytes 300
send \x03
expect stopped; what was said is kept
expect > 
send half a line
expect half a line
send \x03
expect ^C
expect > 
send \x03
expect Ctrl-D or /exit ends the chat
expect > 
send /rset\r
expect did you mean '/reset'?
expect > 
send /frobnicate\r
expect there is no command '/frobnicate'; see /help
expect > 
send /save\r
expect /save needs a FILE
expect > 
send /exit now\r
expect /exit has no use for 'now'
expect > 
send \e[200~two\rlines\e[201~
expect lines
send \r
bytes 100
send \x03
expect stopped; what was said is kept
expect > 
send \x04"
history=$dir/state/lemnos/chat_history
grep -qx 'hello' "$history" || fail "an edited line is not in the history as it was seen"
says "$history" 'two\012lines' "a pasted text in the history"
grep -q 'half' "$history" && fail "a line that Ctrl-C took is in the history"
[ "$(stat -c %a "$history")" = 600 ] || fail "others may read the history"

# The context is full: nothing is left out unless somebody agrees; what was typed comes back with the
# arrow key. A bad file changes nothing.
echo damaged >"$dir/bad"
types 0 "expect > 
send /save $dir/s\\r
expect nothing to save yet
expect > 
send first question\\r
expect the context of 100 tokens is full
expect > 
send second question\\r
expect 'first question'
expect Leave it out? [y/N]
send n\\r
expect nothing was asked
expect > 
send /load $dir/bad\\r
expect lemnos: $dir/bad
expect > 
send /save $dir/s\\r
expect saved 1 turn to
expect > 
send \\e[A\\e[A\\e[A
expect second question
send \\r
expect Leave it out? [y/N]
send y\\r
expect the context of 100 tokens is full
expect > 
send /save $dir/s2\\r
expect saved 1 turn to
expect > 
send /load $dir/s\\r
expect loaded 1 turn from
expect > 
send /exit\\r" --system B. -c 100

# Without a place for it there is one warning and no history; an argument is answered first.
unset XDG_STATE_HOME
n_checks=$((n_checks + 1))
printf '%s\n' 'expect warning: the history of lines is not kept' 'expect ended after 5 tokens' \
    'expect > ' 'send next\r' 'expect ended after 5 tokens' 'expect > ' 'send \x04' >"$dir/steps"
env -u HOME "$LM_TEST_TERMINAL" "$lemnos" chat -m "$instruct" --system B. --ignore-end -n 5 first \
    <"$dir/steps" >"$out" 2>"$err" || fail "without HOME: exit code $?"
[ "$(grep -c 'history of lines' "$out")" -eq 1 ] || fail "without HOME: not one warning"

finish
