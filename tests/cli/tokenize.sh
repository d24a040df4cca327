# `tokenize`: ids and spellings in every form, bytes of any kind, no device.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_model

# No Vulkan at all must make no difference.
VK_DRIVER_FILES=/nonexistent
VK_ICD_FILENAMES=/nonexistent
export VK_DRIVER_FILES VK_ICD_FILENAMES

gives 0 tokenize -m "$model" 'int main(void)'
cp "$out" "$dir/lines"
n=$(wc -l <"$dir/lines")
says "$err" "$n tokens" "tokenize"
[ "$(wc -l <"$err")" -eq 1 ] || fail "tokenize: more than the count on stderr"
says "$dir/lines" "<｜begin▁of▁sentence｜>" "tokenize"

# The forms agree: ids on one line are the first column, JSON holds the same.
gives 0 tokenize -m "$model" --ids 'int main(void)'
ids=$(cat "$out")
[ "$(wc -l <"$out")" -eq 1 ] || fail "--ids: not one line"
[ "$ids" = "$(awk '{ printf "%s%s", s, $1; s = " " }' "$dir/lines")" ] || fail "--ids: other ids"
gives 0 tokenize -m "$model" --json 'int main(void)'
says "$out" "\"ids\":[$(echo "$ids" | tr ' ' ',')]" "--json"
says "$out" "\"n_tokens\":$n," "--json"

# The same model without its file, and the same text from a file and from stdin.
printf 'int main(void)' >"$dir/text"
gives 0 tokenize --synthetic "$shape" --ids 'int main(void)'
[ "$(cat "$out")" = "$ids" ] || fail "--synthetic: other ids than its file"
gives 0 tokenize -m "$model" --ids -f "$dir/text"
[ "$(cat "$out")" = "$ids" ] || fail "-f FILE: other ids"
gives 0 tokenize -m "$model" --ids -f - <"$dir/text"
[ "$(cat "$out")" = "$ids" ] || fail "-f -: other ids"

# BOS and special tokens.
gives 0 tokenize -m "$model" --ids --no-bos 'int main(void)'
[ "$(cat "$out")" = "${ids#* }" ] || fail "--no-bos is not the rest: $(cat "$out")"
gives 0 tokenize -m "$model" --ids ''
[ "$(cat "$out")" = "${ids%% *}" ] || fail "the empty text is not just BOS"
gives 0 tokenize -m "$model" --ids --no-bos --special '<|EOT|>'
[ "$(wc -w <"$out")" -eq 1 ] || fail "--special: <|EOT|> is not one token"
gives 0 tokenize -m "$model" --ids --no-bos '<|EOT|>'
[ "$(wc -w <"$out")" -gt 1 ] || fail "user text made a special token"

# Bytes that are no text: every one is kept, JSON stays UTF-8.
printf 'a\0b\377\300\200\355\240\200\342\202' >"$dir/bytes"
gives 0 tokenize -m "$model" --no-bos --json -f "$dir/bytes"
iconv -f UTF-8 -t UTF-8 "$out" >/dev/null 2>&1 || fail "--json of bytes is no UTF-8"
gives 0 tokenize -m "$model" --no-bos -f "$dir/bytes"
[ "$(wc -l <"$out")" -eq 11 ] || fail "11 odd bytes gave $(wc -l <"$out") tokens"

if [ -n "$LM_SHARED" ] && [ -f "$LM_SHARED/tokenizer/ggml-vocab-deepseek-coder.gguf" ]; then
    vocabulary=$LM_SHARED/tokenizer/ggml-vocab-deepseek-coder.gguf
    gives 0 tokenize -m "$vocabulary" --ids --special 'Führer<|EOT|>'
    [ "$(cat "$out")" = "32013 37 32009 71 6247 32021" ] || fail "the real vocabulary"
    gives 0 tokenize -m "$vocabulary" --ids --no-bos 'Hello world'
    [ "$(cat "$out")" = "17535 1835" ] || fail "the real vocabulary"
else
    echo "not tried: the real vocabulary (LM_SHARED has none)"
fi

finish
