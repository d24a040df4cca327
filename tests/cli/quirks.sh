# Quirk tables: the shipped one, the user's, one that is named; nonsense in them is one warning.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_device
need_model

gives 0 quirks
says "$out" "quirks.txt:" "quirks"
says "$out" "see=https://" "quirks"
[ -s "$err" ] && fail "quirks: something on stderr"
shipped=$(wc -l <"$out")
gives 0 quirks --json
[ "$(grep -o '"line":' "$out" | wc -l)" -eq "$shipped" ] || fail "quirks --json: not $shipped entries"

gives 0 run -m "$model" -n 12 --ignore-end 'int x'
cp "$out" "$dir/text"

XDG_CONFIG_HOME=$dir
export XDG_CONFIG_HOME
mkdir "$dir/lemnos"
mine=$dir/lemnos/quirks.txt
# Nothing that other shaders would be compiled for: that takes a software device many seconds.
echo 'off=few_barriers,memory_budget limits=group_count=65535 see=https://example.org/7' >"$mine"
gives 0 quirks
[ "$(wc -l <"$out")" -eq $((shipped + 1)) ] || fail "the user's table was not added"
gives 0 devices
says "$out" "few_barriers by a quirk: quirks.txt:1 https://example.org/7" "devices"
says "$out" "  quirks     quirks.txt:1" "devices"
gives 0 devices --json
says "$out" '"name":"few_barriers","used":true,"offered":true,"off":true,"off_by":"a quirk"' "devices --json"
gives 0 run -m "$model" -n 12 --ignore-end 'int x'
same "$dir/text" "$out" "with quirks"
[ "$(wc -l <"$err")" -eq 1 ] || fail "with quirks: not one line of figures on stderr"

# Later entries win, and LM_QUIRKS=none leaves nothing.
echo 'on=few_barriers' >"$dir/named"
LM_QUIRKS=$dir/named gives 0 devices
grep -q 'few_barriers by' "$out" && fail "LM_QUIRKS: few_barriers is still off"
says "$out" "quirks.txt:1, named:1" "LM_QUIRKS"
LM_QUIRKS=none gives 0 devices
grep -q 'by a quirk' "$out" && fail "LM_QUIRKS=none: something is off"
LM_QUIRKS=none gives 0 quirks
[ -s "$out" ] && fail "LM_QUIRKS=none: entries are left"

# Nonsense: one warning that names file and line, the rest holds, the text is the same.
warned() {
    [ "$(grep -c '^lemnos: warning: ' "$err")" -eq 1 ] || fail "$1: not one warning"
    says "$err" "$2" "$1"
}
{
    echo 'off=few_barriers'
    echo 'off=everything'
    head -c 300 /dev/urandom
    echo
    echo 'off=timestamps'
} >"$mine"
gives 0 devices
warned "nonsense" "quirks.txt line 2 is left out: 'everything' cannot be a value of 'off'"
says "$out" "few_barriers by a quirk" "nonsense"
says "$out" "timestamps by a quirk" "nonsense"
gives 0 run -m "$model" -n 12 --ignore-end 'int x'
warned "nonsense, run" "quirks.txt line 2"
same "$dir/text" "$out" "nonsense"
rm "$mine"
for bad in "$dir/none" "$dir" /dev/null; do
    LM_QUIRKS=$bad gives 0 quirks
    warned "LM_QUIRKS=$bad" "$bad"
    [ "$(wc -l <"$out")" -eq "$shipped" ] || fail "LM_QUIRKS=$bad: not $shipped entries"
done

# The user's own wish.
LM_OFF=few_barriers gives 0 run -m "$model" -n 12 --ignore-end 'int x'
same "$dir/text" "$out" "LM_OFF"
LM_OFF=nothing refuses 1 "'nothing' is no optional path" run --synthetic "$shape" x

finish
