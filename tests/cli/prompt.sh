# Prompts that cannot be continued, found before any device is opened.
. "$(dirname "$0")/support/check.sh"

refuses 2 "prompt is empty" run -m /nonexistent '' </dev/null
refuses 1 "standard input is empty" complete -m /nonexistent - </dev/null
: >"$dir/empty.c"
refuses 1 "empty.c is empty" complete -m /nonexistent "$dir/empty.c" </dev/null
refuses 1 "missing.c" complete -m /nonexistent "$dir/missing.c" </dev/null
refuses 1 "directory" complete -m /nonexistent "$dir" </dev/null
refuses 1 "directory" tokenize -m /nonexistent -f "$dir" </dev/null

head -c 67108865 /dev/zero >"$dir/large"
refuses 1 "limit of 67108864 bytes" complete -m /nonexistent "$dir/large" </dev/null
refuses 1 "limit of 67108864 bytes" complete -m /nonexistent - <"$dir/large"
refuses 1 "limit of 67108864 bytes" tokenize -m /nonexistent -f - <"$dir/large"
rm "$dir/large"

# Standard input that is closed or cannot be read is a sentence, not a wait.
refuses 1 "standard input" complete -m /nonexistent - <&-
refuses 1 "standard input" complete -m /nonexistent - <"$dir"

if [ "$(id -u)" -ne 0 ]; then
    echo text >"$dir/secret.c"
    chmod 000 "$dir/secret.c"
    refuses 1 "secret.c" complete -m /nonexistent "$dir/secret.c" </dev/null
fi

# A name cannot forge a second line.
refuses 1 "missing?lemnos" complete -m /nonexistent "$dir/missing
lemnos: all is well" </dev/null

finish
