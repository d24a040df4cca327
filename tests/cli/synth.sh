# `synth`: a reproducible file, complete or not there at all; `info` on it without a device.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_model

gives 0 synth "$shape" --format F16 -o "$dir/again.gguf"
same "$model" "$dir/again.gguf" "the same shape and format twice"
gives 0 synth "$shape" -o "$dir/again.gguf" # replaced; the default format is another
cmp -s "$model" "$dir/again.gguf" && fail "F16 and the default format gave the same file"

mkdir "$dir/folder"
refuses 1 "folder/absent/x.gguf" synth "$shape" -o "$dir/folder/absent/x.gguf"
refuses 1 "folder" synth "$shape" -o "$dir/folder"
refuses 1 "Q9_K" synth "$shape" --format Q9_K -o "$dir/folder/x.gguf"
refuses 1 "deepseek-coder-9b" synth deepseek-coder-9b -o "$dir/folder/x.gguf"
refuses 1 "gone.json" synth "$dir/gone.json" -o "$dir/folder/x.gguf"

# Interrupted: nothing is left, the old file stays.
echo old >"$dir/folder/big.gguf"
n_checks=$((n_checks + 1))
timeout --foreground -s INT --preserve-status 1 "$lemnos" synth deepseek-coder-6.7b --format F16 \
    -o "$dir/folder/big.gguf" >"$out" 2>"$err"
code=$?
[ "$code" -eq 130 ] || fail "synth, interrupted: exit code $code"
[ "$(ls -A "$dir/folder")" = big.gguf ] || fail "left behind: $(ls -A "$dir/folder")"
[ "$(cat "$dir/folder/big.gguf")" = old ] || fail "an interrupted synth replaced the old file"

# What is in it, with no driver: the facts, no plan, exit code 0.
VK_DRIVER_FILES=/nonexistent
VK_ICD_FILENAMES=/nonexistent
export VK_DRIVER_FILES VK_ICD_FILENAMES
gives 0 info "$model"
says "$out" "F16" "info"
says "$out" "blk.0.attn_q.weight" "info"
says "$out" "1 layers, hidden 128, intermediate 160, 2 heads of 64, 1 KV heads" "info"
says "$out" "context of 4,096 tokens" "info"
says "$out" "no plan: " "info"
gives 0 info --json "$model"
says "$out" '"hidden":128,"intermediate":160,"heads":2,"kv_heads":1,"head_dim":64,"vocab":1024,"context":4096' "info --json"
says "$out" '"devices":[],"error":"' "info --json"
gives 0 info --synthetic "$shape" --format F16
gives 0 info --synthetic deepseek-coder-33b

finish
