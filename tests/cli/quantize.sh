# `quantize`: a file in another format that runs, complete or not there at all.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_model # in F16

mkdir "$dir/folder"
made=$dir/folder/made.gguf
gives 0 quantize "$model" "$made" --type q4_0
says "$err" "made.gguf: Q4_0, " "quantize"
[ -s "$out" ] && fail "quantize: something on stdout"
gives 0 info "$made"
says "$out" "mostly Q4_0" "info"
says "$out" "output.weight                Q8_0" "info"
gives 0 info "$model"
gives 0 quantize --type=F16 "$model" "$dir/folder/same.gguf"
gives 0 info "$dir/folder/same.gguf"
says "$out" "mostly F16" "info"

refuses 2 "take a file in F32, F16 or BF16" quantize "$made" "$dir/folder/x.gguf" --type F16
says "$err" "--allow-requantize" "quantize"
gives 0 quantize "$made" "$dir/folder/again.gguf" --type F16 --allow-requantize
says "$err" "quantised already; the loss adds up" "quantize"

refuses 2 "did you mean Q4_K_M" quantize "$model" "$dir/folder/x.gguf" --type q4_km
refuses 2 "Q4_K_M, Q5_K_S" quantize "$model" "$dir/folder/x.gguf" --type IQ2_XXS
refuses 2 "needs --type" quantize "$model" "$dir/folder/x.gguf"
refuses 2 "needs an argument" quantize "$model" --type F16
refuses 1 "is the model itself" quantize "$model" "$dir/folder/../$(basename "$model")" --type F16
refuses 1 "folder" quantize "$model" "$dir/folder" --type F16
refuses 1 "absent" quantize "$model" "$dir/absent/x.gguf" --type F16
refuses 1 "gone.gguf" quantize "$dir/gone.gguf" "$dir/folder/x.gguf" --type F16
[ "$(ls -A "$dir/folder" | tr '\n' ' ')" = "again.gguf made.gguf same.gguf " ] ||
    fail "left behind: $(ls -A "$dir/folder")"

finish
