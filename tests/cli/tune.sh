# tune measures the variants of ops and keeps a table that later commands use; a table that is
# damaged or was made with another driver is left alone, with a warning.

. "$(dirname "$0")/support/check.sh"
refuses 2 "one model" tune -m a.gguf b.gguf </dev/null
refuses 2 "--variants" tune --variants 0 a.gguf </dev/null
refuses 1 "no-such-model.gguf" tune no-such-model.gguf </dev/null
need_device
need_model
# A cache of its own for tables; compiled shaders may come from that of the driver.
XDG_CACHE_HOME_BEFORE=${XDG_CACHE_HOME-}
XDG_CACHE_HOME=$dir/cache
export XDG_CACHE_HOME
mkdir "$dir/cache"
[ -d "$XDG_CACHE_HOME_BEFORE/mesa_shader_cache" ] &&
    ln -s "$XDG_CACHE_HOME_BEFORE/mesa_shader_cache" "$dir/cache/mesa_shader_cache"

gives 0 tune --variants 2 --json "$model" </dev/null
for words in '"kept":true' '"tried":2' '"wrong":0' '"refused":0' '"what":"matvec F16 1024 x 128'; do
    says "$out" "$words" "tune --json"
done
grep -q '"table":"0x0000000000000000"' "$out" && fail "the table is empty"
[ -s "$err" ] && fail "tune says something on stderr"
table=$(echo "$dir"/cache/lemnos/tuning-*)
[ -f "$table" ] || fail "tune left no table"
cp "$table" "$dir/table"

run() {
    gives 0 run -m "$model" -n 4 --ignore-end 'int x' </dev/null
}
warns() {
    run
    says "$err" "warning: the tuning table" "a run with $1"
    says "$err" "$2" "a run with $1"
    says "$err" "run lemnos tune again" "a run with $1"
}
quiet() {
    run
    grep -q "warning" "$err" && fail "a run with $1 warns"
}
quiet "a good table"
same "$dir/table" "$table" "a run"

# A byte of an entry, and the driver's version in the stamp.
printf 'X' | dd of="$table" bs=1 seek=120 conv=notrunc 2>/dev/null
warns "a changed table" "is damaged"
cp "$dir/table" "$table"
printf 'X' | dd of="$table" bs=1 seek=48 conv=notrunc 2>/dev/null
warns "another driver's table" "another driver"
LM_TUNING=off
export LM_TUNING
quiet "LM_TUNING=off"
unset LM_TUNING

# Measured again it is whole.
gives 0 tune --variants 1 "$model" </dev/null
says "$out" "nothing to choose from" "tune with one variant"
[ "$(wc -c <"$table")" -lt "$(wc -c <"$dir/table")" ] || fail "the other driver's table is kept"

finish
