# --check with the commands that run a model, and what is said of a text that repeats itself.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_device
need_model

# checked WHAT: one line says what agreed.
checked() {
    [ "$(grep -c '^lemnos: checked: .* ops of .* steps agree with the host; .*matvec ' "$err")" -eq 1 ] ||
        fail "$1: not one line about what agreed"
}

gives 0 run -m "$model" -n 4 --ignore-end 'int x'
cp "$out" "$dir/text"
gives 0 run -m "$model" -n 4 --ignore-end --check 'int x'
same "$dir/text" "$out" "run with and without --check"
checked "run"
says "$err" "ops of 5 steps agree" "run"
says "$err" "in the first 4 steps of prompts" "run"
gives 0 run -m "$model" -n 4 --ignore-end --check-steps 1 'int x'
checked "--check-steps"
says "$err" "ops of 2 steps agree" "--check-steps 1"
printf 'int f(int x) { return x + 1; }\nint g(int y) { return y; }\n' >"$dir/code.c"
gives 0 perplexity -m "$model" -c 16 --chunks 1 --check "$dir/code.c"
checked "perplexity"
gives 0 chat -m "$model" --any-model -n 2 --ignore-end --check-steps 1 x
checked "chat"
gives 0 complete -m "$model" -n 2 --ignore-end --check-steps 1 "$dir/code.c"
checked "complete"
says "$err" "ops of 2 steps agree" "complete"
gives 0 infill -m "$model" --any-model --shape block -n 2 --ignore-end --check-steps 1 "$dir/code.c:1"
checked "infill"
printf '{"prefix": "int a", "max_tokens": 2}\n{"prefix": "int b", "max_tokens": 2}\n' >"$dir/lines"
gives 0 infill -m "$model" --any-model --ignore-end --check-steps 1 - <"$dir/lines"
checked "infill -"
refuses 2 "--check-steps '0'" run -m "$model" --check-steps 0 x

# A bias that no logit outweighs makes one token of every draw. 200 has a letter or not.
gives 0 run -m "$model" -n 120 --logit-bias 200=1000000 'int x'
says "$err" "warning: the text repeats token 200 (" "a text that repeats itself"
says "$err" "stopped: length" "a text that repeats itself"
gives 0 run -m "$model" -n 120 --logit-bias 200=1000000 --stop-repetition --json 'int x'
says "$out" '"finish":"repetition"' "--stop-repetition"
says "$out" '"repetition":{"tokens":[200],"times":' "--stop-repetition"
gives 0 run -m "$model" -n 12 --stop-repetition --json 'int x'
grep -q '"repetition":{' "$out" && fail "a text of 12 tokens repeats itself"

finish
