# doctor checks a sound device and tells of it in one report; what it found is not looked for again,
# and no cache that is damaged or cannot be written is more than a warning.

. "$(dirname "$0")/support/check.sh"
unset LM_SELF_TEST # other tests are spared it
refuses 2 "one model" doctor -m a.gguf b.gguf </dev/null
refuses 1 "no-such-model.gguf" doctor no-such-model.gguf </dev/null
need_device
need_model
XDG_CACHE_HOME_BEFORE=${XDG_CACHE_HOME-}

gives 0 doctor "$model" </dev/null
says "$out" "the device is sound" doctor
says "$out" "half_unpack" "doctor's list of optional paths"
says "$out" "bandwidth" "doctor's probes"
grep -q "WRONG\|unknown" "$out" && fail "doctor finds something wrong with a sound device"
grep -q -e "$dir" -e "model.gguf" "$out" "$err" && fail "the report names a file"
[ -s "$err" ] && fail "doctor says something on stderr"

gives 0 doctor --json "$model" </dev/null
for words in '"sound":true' '"failed":0' '"op":"attention"' '"name":"few_barriers"' '"plan":{'; do
    says "$out" "$words" "doctor --json"
done

# The last failures: of the device alone, the latest last, no more than 16, whatever the file holds.
log=$XDG_STATE_HOME/lemnos/faults.txt
grep -q "last errors" "$out" && fail "doctor tells of errors that nobody had"
gives 1 run -m "$dir/no-such.gguf" x </dev/null
[ -e "$log" ] && fail "a file that is not there is no failure of the device"
mkdir -p "$XDG_STATE_HOME/lemnos"
i=0
while [ $i -lt 20 ]; do
    i=$((i + 1))
    printf '2026-01-02T03:04:05Z\t0.1.0\tdevice_lost\told failure %d\n' $i
    printf 'nonsense \033[31m\n2026\t\t\t\n'
done >"$log"
LM_FAULT=failed@vkCreateComputePipelines:1/lost@vkCreateDevice:1
export LM_FAULT
gives 1 run -m "$model" 'int secret' </dev/null
unset LM_FAULT
[ "$(wc -l <"$log")" -eq 16 ] || fail "the log has not 16 lines"
grep -q "secret\|model.gguf\|$dir" "$log" && fail "the log tells of the user's files or texts"
gives 0 doctor "$model" </dev/null
says "$out" "last errors" "doctor after a failure"
says "$out" "vkCreateComputePipelines" "doctor after a failure"
says "$out" "old failure 20" "doctor after a failure"
grep -q "old failure 5\$" "$out" && fail "the log keeps more than 16"
gives 0 doctor --json "$model" </dev/null
says "$out" '"status":"device_lost","text":"old failure 20"' "doctor --json after a failure"

# The record: written by whoever came first, and used by the next.
XDG_CACHE_HOME=$dir/cache
export XDG_CACHE_HOME
mkdir "$dir/cache"
# Compiled shaders may come from the shared cache of the driver; the record must not.
[ -d "$XDG_CACHE_HOME_BEFORE/mesa_shader_cache" ] &&
    ln -s "$XDG_CACHE_HOME_BEFORE/mesa_shader_cache" "$dir/cache/mesa_shader_cache"
run() {
    gives 0 run -m "$model" -n 4 --ignore-end 'int x' </dev/null
}
run
cp "$out" "$dir/text"
record=$(echo "$dir"/cache/lemnos/selftest-*)
[ -f "$record" ] || fail "run left no record of its check"
cp "$record" "$dir/record"
run
same "$dir/record" "$record" "a second run"

# Damaged, it is made anew without a word.
printf 'X' | dd of="$record" bs=1 seek=200 conv=notrunc 2>/dev/null
run
same "$dir/text" "$out" "run with a damaged record"
[ "$(grep -c 'warning' "$err")" -eq 0 ] || fail "a damaged record is a warning"
same "$dir/record" "$record" "the record made anew"

# A folder in its place: at most one warning, and the text is the same.
rm -f "$dir"/cache/lemnos/*
rmdir "$dir/cache/lemnos" && touch "$dir/cache/lemnos"
run
same "$dir/text" "$out" "run without a cache"
[ "$(grep -c 'warning' "$err")" -le 1 ] || fail "more than one warning without a cache"

finish
