# Sourced by every test of the command line, which is started as: sh TEST.sh PROGRAM
#
# Gives $lemnos, an empty folder $dir that goes away at the end, and the checks below. A test ends
# with `finish`. Every check reads standard input, so give it </dev/null or a file.

lemnos=$1
if [ ! -x "$lemnos" ]; then
    echo "usage: sh $0 PROGRAM" >&2
    exit 1
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
# What a test makes fail is nothing for the user's own log of failures.
XDG_STATE_HOME=$dir/.state
export XDG_STATE_HOME
out=$dir/.stdout
err=$dir/.stderr
n_checks=0
n_failures=0

fail() {
    n_failures=$((n_failures + 1))
    echo "FAILED: $*"
    head -c 2000 "$err" 2>/dev/null | awk '{ print "    stderr: " $0 }'
    head -c 2000 "$out" 2>/dev/null | awk '{ print "    stdout: " $0 }'
}

# gives CODE ARGS...: runs the program and checks its exit code; $out and $err hold what it wrote.
gives() {
    want=$1
    shift
    n_checks=$((n_checks + 1))
    "$lemnos" "$@" >"$out" 2>"$err"
    code=$?
    [ "$code" -eq "$want" ] && return 0
    fail "lemnos $*: exit code $code, expected $want"
    return 1
}

# refused NAME WORDS: $err is one sentence that begins with "lemnos: " and contains WORDS, in any
# case, and $out is empty.
refused() {
    if [ "$(wc -l <"$err")" -ne 1 ]; then
        fail "$1: not exactly one line on stderr"
    elif ! grep -q '^lemnos: ..*' "$err"; then
        fail "$1: the sentence does not begin with 'lemnos: '"
    elif ! grep -qiF -e "$2" "$err"; then
        fail "$1: the sentence does not say '$2'"
    elif [ -s "$out" ]; then
        fail "$1: something on stdout"
    fi
}

# refuses CODE WORDS ARGS...: both of the above.
refuses() {
    refuses_code=$1
    refuses_words=$2
    shift 2
    gives "$refuses_code" "$@" && refused "lemnos $*" "$refuses_words"
}

# says FILE WORDS WHAT: FILE contains WORDS.
says() {
    n_checks=$((n_checks + 1))
    grep -qF -e "$2" "$1" || fail "$3: '$2' is missing"
}

# same FILE FILE WHAT
same() {
    n_checks=$((n_checks + 1))
    cmp -s "$1" "$2" || fail "$3: $1 and $2 differ"
}

skip() {
    echo "SKIPPED: $*"
    exit 77
}

# Skips the test where no device can run a model, unless LM_REQUIRE_DEVICES lists LM_TEST_DEVICE, as
# for the other tests (tests/support/device.h).
need_device() {
    "$lemnos" devices </dev/null >"$out" 2>"$err" && grep -q '^  state  *chosen' "$out" && return 0
    case "${LM_REQUIRE_DEVICES:+,$LM_REQUIRE_DEVICES,}" in
    *",$LM_TEST_DEVICE,"*)
        fail "$LM_TEST_DEVICE must be there, and no device can run a model"
        exit 1
        ;;
    esac
    skip "no Vulkan device can run a model"
}

# The smallest model that has everything: $shape, a JSON file, and $model, a GGUF file.
need_model() {
    shape=$dir/shape.json
    model=$dir/model.gguf
    echo '{"layers": 1, "hidden": 128, "intermediate": 160, "heads": 2, "kv_heads": 1,
           "head_dim": 64, "vocab": 1024, "context": 4096}' >"$shape"
    gives 0 synth "$shape" --format F16 -o "$model" </dev/null || exit 1
}

finish() {
    echo "$n_checks checks, $n_failures failed"
    [ "$n_failures" -eq 0 ]
    exit
}
