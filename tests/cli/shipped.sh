# Which of the models that come with Lemnos a command takes where none is given: chat the instruct
# model, every other the base; and one sentence where it is not there. No device is needed: the model
# is told before one is looked for.
. "$(dirname "$0")/support/check.sh"
exec </dev/null

base=lemnos-nano-base-Q8_0.gguf
instruct=lemnos-nano-instruct-Q8_0.gguf
LEMNOS_ASSETS=$dir/assets
VK_DRIVER_FILES=/nonexistent
VK_ICD_FILENAMES=/nonexistent
export LEMNOS_ASSETS VK_DRIVER_FILES VK_ICD_FILENAMES
mkdir "$dir/assets"
need_model
mv "$model" "$dir/assets/$base"
cp "$shape" "$dir/small-instruct.json" # the name makes it an instruct model
gives 0 synth "$dir/small-instruct.json" --format F16 -o "$dir/assets/$instruct" || exit 1
printf 'def f(x):\n    return x\n' >"$dir/f.py"

# tells MODEL CODE ARGS...: the command takes that model and says what it is.
tells() {
    tells_model=$1
    tells_code=$2
    shift 2
    gives "$tells_code" "$@" || return
    says "$err" "this is the demonstration model, $LEMNOS_ASSETS/$tells_model:" "lemnos $*"
    says "$err" "no coding assistant; choose your own with -m FILE" "lemnos $*"
    [ "$(grep -c 'demonstration model' "$err")" -eq 1 ] || fail "lemnos $*: told more than once"
}

tells $base 0 tokenize x
tells $base 0 info
tells $base 1 run x
tells $base 1 complete "$dir/f.py"
tells $base 1 infill "$dir/f.py:2"
tells $base 1 perplexity "$dir/f.py"
tells $instruct 1 chat x
says "$err" "install" "chat without a device" # it got that far: this model answers

# With a model of one's own nothing is told.
gives 0 tokenize -m "$dir/assets/$base" x
grep -q 'demonstration model' "$err" && fail "tokenize -m: told of a demonstration"

# A file that is not there is not replaced by its neighbour, and one that is none is a sentence.
cp "$lemnos" "$dir/lemnos" # away from its build tree's neighbours
lemnos=$dir/lemnos
mv "$dir/assets/$instruct" "$dir/elsewhere.gguf"
gives 1 chat x
grep -qF "$base" "$err" && fail "chat: takes the base model"
echo nothing >"$dir/assets/$base"
refuses 1 "$base" run x
finish
