# The folder for caches: two programs that start at once in an empty one, and one in which nothing
# can be written. Nothing is lost, and one warning at most is given.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
unset LM_SELF_TEST # its record lies there too
need_device
need_model
shaders=${XDG_CACHE_HOME-}/mesa_shader_cache
run="run -m $model -n 12 --ignore-end x"
LM_SELF_TEST=off "$lemnos" $run >"$dir/text" 2>"$err" || fail "run: exit code $?"

# in_folder NAME: caches go there from now on. Compiled shaders may come from the shared cache of the
# driver, which is not ours.
in_folder() {
    XDG_CACHE_HOME=$dir/$1
    export XDG_CACHE_HOME
    mkdir "$XDG_CACHE_HOME"
    [ -d "$shaders" ] && ln -s "$shaders" "$XDG_CACHE_HOME/mesa_shader_cache"
}

warned() {
    [ "$(grep -c 'warning: ' "$1")" -le "$2" ] || fail "$3: more than $2 warnings"
}

# ---- two at once
in_folder two
n_checks=$((n_checks + 2))
"$lemnos" $run >"$dir/first" 2>"$dir/first.err" &
pid=$!
"$lemnos" $run >"$dir/second" 2>"$dir/second.err" || fail "the second of two: exit code $?"
wait $pid || fail "the first of two: exit code $?"
for one in first second; do
    same "$dir/text" "$dir/$one" "two at once"
    warned "$dir/$one.err" 0 "two at once"
done
# What both left is whole: a third finds all of it, and changes nothing.
(cd "$XDG_CACHE_HOME/lemnos" && cksum *) >"$dir/left"
[ "$(grep -c . "$dir/left")" -eq 2 ] || fail "two at once: not a file of shaders and a record"
gives 0 $run
same "$dir/text" "$out" "a third"
warned "$err" 0 "a third"
(cd "$XDG_CACHE_HOME/lemnos" && cksum *) >"$dir/left_again"
same "$dir/left" "$dir/left_again" "a third"

# ---- nothing can be written: the limit on the size of files is as good as a disk that is full
in_folder full
n_checks=$((n_checks + 1))
limited() (
    trap '' XFSZ
    ulimit -f 0
    "$lemnos" $run || echo "exit code $?" >&2
)
{ limited 2>&1 >&3 | cat >"$err"; } 3>&1 | cat >"$out"
grep -q 'exit code' "$err" && fail "a full disk: the run fails"
same "$dir/text" "$out" "a full disk"
warned "$err" 1 "a full disk"
says "$err" "cannot write" "a full disk"
[ -z "$(ls -A "$XDG_CACHE_HOME/lemnos")" ] || fail "a full disk: something is left in the folder"
gives 0 $run
same "$dir/text" "$out" "the disk has room again"
warned "$err" 0 "the disk has room again"

finish
