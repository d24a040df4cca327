# Model files that are not what they should be: one sentence that names the file, exit code 1.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_model

# rejected FILE WORDS: by every command that reads a model.
rejected() {
    refuses 1 "$2" info "$1"
    refuses 1 "$2" run -m "$1" x
    refuses 1 "$2" complete -m "$1" "$shape"
}

# unreadable FILE WORDS: not even a vocabulary can be taken from it.
unreadable() {
    rejected "$1" "$2"
    refuses 1 "$2" tokenize -m "$1" x
}

# A copy of the model as $dir/NAME.gguf, in $file.
copy() {
    file=$dir/$1.gguf
    cp "$model" "$file"
}

# patch OFFSET BYTES: BYTES as printf has them, into $file.
patch() {
    # shellcheck disable=SC2059 # the bytes are a format on purpose
    printf "$2" | dd of="$file" bs=1 seek="$1" conv=notrunc 2>/dev/null
}

# where TEXT: the offset right behind the first TEXT in $file.
where() {
    at=$(LC_ALL=C grep -aboF -e "$1" "$file" | head -n 1 | cut -d : -f 1)
    [ -n "$at" ] || fail "no '$1' in the synthetic model"
    echo $((at + ${#1}))
}

unreadable "$dir/missing.gguf" "missing.gguf"
unreadable "$dir" "directory"
mkfifo "$dir/pipe.gguf"
unreadable "$dir/pipe.gguf" "pipe"
: >"$dir/zero.gguf"
unreadable "$dir/zero.gguf" "zero.gguf"
printf 'not a model at all, just a line of text that somebody named so\n' >"$dir/text.gguf"
unreadable "$dir/text.gguf" "text.gguf"

copy magic
patch 0 'GGML'
unreadable "$file" "magic.gguf"
copy bigendian
patch 4 '\0\0\0\3'
unreadable "$file" "big-endian"
copy version
patch 4 '\143\0\0\0'
unreadable "$file" "99"
copy tensors
patch 8 '\377\377\377\377\377\377\377\177'
unreadable "$file" "tensors.gguf"
copy keys
patch 16 '\377\377\377\377\377\377\377\177'
unreadable "$file" "keys.gguf"
copy length
patch 24 '\377\377\377\377\377\377\377\177' # of the first key's name
unreadable "$file" "length.gguf"

# Truncated: in the fixed header, in the metadata, in the tensors' data.
size=$(wc -c <"$model")
for bytes in 3 23 100 $((size / 2)) $((size - 1)); do
    head -c "$bytes" "$model" >"$dir/cut-$bytes.gguf"
    unreadable "$dir/cut-$bytes.gguf" "cut-$bytes.gguf"
done

copy architecture
patch $(($(where general.architecture) + 12)) 'qwen2'
rejected "$file" "qwen2"

# A tensor's entry: name, u32 dimensions, u64 each (two here), u32 type, u64 offset.
copy overlap
patch $(($(where blk.0.attn_k.weight) + 24)) '\0\0\0\0\0\0\0\0'
unreadable "$file" "overlap"
copy type
patch $(($(where blk.0.attn_q.weight) + 20)) '\143\0\0\0'
rejected "$file" "99"
copy format
patch $(($(where blk.0.attn_q.weight) + 20)) '\24\0\0\0'
rejected "$file" "IQ4_NL"
copy vocabulary
patch $(($(where tokenizer.ggml.pre) + 12)) 'unheard-of-one'
refuses 1 "'unheard-of-one'; known are 'deepseek-coder' and 'deepseek-llm'" tokenize -m "$file" x
refuses 1 "'unheard-of-one'; known are" run -m "$file" x
gives 0 info "$file"
says "$err" "'unheard-of-one'; known are" "info"
copy layers
patch $(($(where llama.block_count) + 4)) '\2\0\0\0'
rejected "$file" "block_count"
copy name
patch $(($(where blk.0.attn_q.weig) - 4)) 'x'
rejected "$file" "blk.0.attn_q.weight"

if [ "$(id -u)" -ne 0 ]; then
    copy secret
    chmod 000 "$file"
    unreadable "$file" "secret.gguf"
fi

if [ -n "$LM_SHARED" ] && [ -f "$LM_SHARED/tokenizer/ggml-vocab-deepseek-coder.gguf" ]; then
    rejected "$LM_SHARED/tokenizer/ggml-vocab-deepseek-coder.gguf" "a vocabulary and no "
else
    echo "not tried: a vocabulary-only file (LM_SHARED has none)"
fi

# Models that are made rather than read.
for command in "run x" "complete $shape" "info" "tokenize x"; do
    # shellcheck disable=SC2086 # several words
    refuses 1 "deepseek-coder-9b" $command --synthetic deepseek-coder-9b
    # shellcheck disable=SC2086
    refuses 1 "Q9_K" $command --synthetic "$shape" --format Q9_K
done
echo '{"layers": 1, "heads": "many"}' >"$dir/word.json"
refuses 1 "heads" info --synthetic "$dir/word.json"
echo '{"layers": 1, "colour": 3}' >"$dir/unknown.json"
refuses 1 "colour" info --synthetic "$dir/unknown.json"
echo '{"layers": 1' >"$dir/open.json"
refuses 1 "open.json" info --synthetic "$dir/open.json"

# The context is the model's at most; both numbers are said. No device is needed to know.
for command in "run -m $model x" "complete -m $model $shape" "info $model"; do
    # shellcheck disable=SC2086
    refuses 1 "4096" $command -c 4097
    says "$err" "4097" "$command -c 4097"
done

# Without -m there is the demonstration model or a sentence.
LEMNOS_ASSETS=$dir/nowhere
export LEMNOS_ASSETS
cp "$lemnos" "$dir/lemnos" # away from its build tree's neighbours
if "$dir/lemnos" tokenize x >"$out" 2>"$err"; then
    says "$err" "demonstration model" "tokenize without -m"
else
    refused "tokenize without -m" "-m FILE"
fi

finish
