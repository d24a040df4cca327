# A stdout that takes nothing: one sentence, exit code 1, whatever the command.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_model

# unwritable WORDS ARGS...: with stdout closed, and full where the system has such a device.
unwritable() {
    n_checks=$((n_checks + 1))
    : >"$out"
    "$lemnos" "$@" 2>"$err" >&-
    code=$?
    [ "$code" -eq 1 ] || fail "lemnos $*, stdout closed: exit code $code"
    refused "lemnos $*, stdout closed" "standard output"
    [ -c /dev/full ] || return 0
    "$lemnos" "$@" 2>"$err" >/dev/full
    code=$?
    [ "$code" -eq 1 ] || fail "lemnos $*, stdout full: exit code $code"
    refused "lemnos $*, stdout full" "standard output"
}

unwritable --help
unwritable --version
unwritable run --help
unwritable tokenize -m "$model" x
unwritable tokenize -m "$model" --ids x
unwritable tokenize -m "$model" --json x
unwritable tokenize -m "$model" -f "$lemnos"
unwritable info "$model"
unwritable info --json "$model"

# A model must not be written into a stdout that was closed, nor a file take its number.
"$lemnos" synth "$shape" -o "$dir/third.gguf" --format F16 >&- 2>"$err" <&-
same "$model" "$dir/third.gguf" "synth with stdin and stdout closed"

finish
