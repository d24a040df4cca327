# --safe and LM_SAFE=1: none of the optional paths, the same text, and it is said. Safe mode
# compiles its shaders at every start, so there is one whole run of it.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_device
need_model

gives 0 run -m "$model" -n 12 --ignore-end 'int x'
cp "$out" "$dir/text"
gives 0 run -m "$model" -n 12 --ignore-end --kv f32 -v 'int x'
grep -q 'safe mode' "$err" && fail "safe mode unasked"
hash=$(grep -o 'logits hash 0x[0-9a-f]*' "$err")
gives 0 run -m "$model" -n 12 --ignore-end --safe -v 'int x'
same "$dir/text" "$out" "--safe"
says "$err" "${hash:-no hash}" "--safe: the bits of --kv f32"
says "$err" ", safe mode: 3 prompt tokens" "--safe"
says "$err" "safe mode: no optional path, KV cache in f32" "--safe -v"

# The variable says the same. A context that no machine has room for ends before shaders are compiled.
echo '{"layers": 1024, "hidden": 32, "intermediate": 32, "heads": 2, "kv_heads": 2,
       "head_dim": 128, "vocab": 1024, "context": 1048576}' >"$dir/wide.json"
LM_SAFE=1 gives 1 run --synthetic "$dir/wide.json" -c 1048576 -v --kv f16 x
says "$err" "safe mode: no optional path, KV cache in f32" "LM_SAFE=1 -v"
says "$err" "KV cache 2.0 TiB" "LM_SAFE=1 -v"
LM_SAFE=1 gives 0 devices --json
grep -q '"off":false' "$out" && fail "LM_SAFE=1: a path is on"
says "$out" '"off_by":"safe mode"' "LM_SAFE=1 devices"
for value in 0 '' yes; do
    LM_SAFE=$value gives 0 devices
    grep -q 'safe mode' "$out" && fail "LM_SAFE='$value' is safe"
done

refuses 2 "--safe and --kv q8_0 exclude each other" run --safe --kv q8_0 x
for command in run complete chat infill perplexity; do
    gives 0 "$command" --help
    says "$out" "--safe" "$command --help"
done

finish
