# The README shows what tools/demo.sh prints with the models that come with Lemnos.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
root=$(dirname "$0")/../..
awk '/^<!-- end of demo -->$/ { on = 0 } on && !/^```/; /^<!-- demo -->$/ { on = 1 }' \
    "$root/README.md" >"$dir/shown"
need_device

n_checks=1
sh "$root/tools/demo.sh" "$lemnos" >"$dir/demo" 2>"$err" || fail "tools/demo.sh: exit code $?"
: >"$out"
diff -u "$dir/shown" "$dir/demo" ||
    fail "the README shows another demonstration: run sh tools/train/ship.sh readme LEMNOS"
finish
