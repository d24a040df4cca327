# A device that is lost, hangs or cannot be opened, memory that ends, a file that changes: the text
# goes on as if nothing had been, or one sentence ends it, and what was written is there.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_device
need_model
cp "$shape" "$dir/tiny-instruct.json" # the name makes it an instruct model
instruct=$dir/tiny-instruct.gguf
gives 0 synth "$dir/tiny-instruct.json" --format F16 -o "$instruct" || exit 1

# faulty FAULT CODE ARGS...: as `gives`, with a fault in the devices that are opened.
faulty() {
    LM_FAULT=$1
    export LM_FAULT
    shift
    gives "$@"
    unset LM_FAULT
}

# lost N WHAT: N devices were said to be lost, and nothing else.
lost() {
    [ "$(grep -c 'opening the device again' "$err")" -eq "$1" ] || fail "$2: not $1 lost devices"
    [ "$(grep -vc -e 'opening the device again' -e '^\[' "$err")" -eq 0 ] || fail "$2: more is said"
}

# Up to eight tokens take one submit and one wait, the first ones after about 17: a run of 80 tokens
# meets wait 20 however fast the device is.

# ---- run: the same text, greedy and drawn, whatever the first device got to
run="run -m $model -n 90 --ignore-end"
drawn="--temp 1 --seed 5 --repeat-penalty 1.3 --presence-penalty 0.5"
gives 0 $run 'int x' && cp "$out" "$dir/greedy"
gives 0 $run $drawn 'int x' && cp "$out" "$dir/drawn"
for n in 4 16 20; do
    faulty lost@vkQueueSubmit:$n 0 $run 'int x'
    lost 1 "lost in submit $n"
    same "$dir/greedy" "$out" "lost in submit $n"
done
faulty lost@vkWaitSemaphores:20/lost@vkWaitSemaphores:23 0 $run $drawn 'int x'
lost 2 "lost twice"
same "$dir/drawn" "$out" "lost twice"
grep -q 'generating token [0-9]*: ' "$err" || fail "lost twice: not while text was written"

# A stop text that the device's end cuts in two is still found.
stop=$(tail -c 2 "$dir/greedy")
gives 0 $run --stop "$stop" 'int x' && cp "$out" "$dir/stopped"
faulty lost@vkQueueSubmit:20 0 $run --stop "$stop" 'int x'
same "$dir/stopped" "$out" "--stop, lost in submit 20"

# With JSON: one object, all tokens, and no hash of a part.
gives 0 $run --json --logprobs 1 'int x' && cp "$out" "$dir/json"
faulty lost@vkWaitSemaphores:20 0 $run --json --logprobs 1 'int x'
for key in text tokens; do
    [ "$(grep -o "\"$key\":[[\"][^]\"]*" "$out")" = "$(grep -o "\"$key\":[[\"][^]\"]*" "$dir/json")" ] ||
        fail "--json: other $key after the device was lost"
done
[ "$(grep -o '"top":' "$out" | wc -l)" -eq 90 ] || fail "--json: not 90 lists of log-probabilities"
grep -q logits_hash "$out" && fail "--json: a hash of a part of the logits"

# ---- what cannot go on ends with a sentence, and the text so far is there
# ended WORDS WHAT: the sentence, and a beginning of the text on stdout.
ended() {
    says "$err" "$1" "$2"
    head -c "$(wc -c <"$out")" "$dir/greedy" | cmp -s - "$out" || fail "$2: no beginning of the text"
}
faulty lost@vkWaitSemaphores:25/lost@vkQueueSubmit:3 1 $run 'int x'
ended "giving up, as nothing new was written" "lost while loading again"
[ -s "$out" ] || fail "lost while loading again: the text is lost"
faulty lost@vkWaitSemaphores:25/device_memory@vkAllocateMemory:2 1 $run 'int x'
ended "the text cannot go on: " "no memory for the second time"
says "$err" "out of device memory" "no memory for the second time"
faulty lost@vkWaitSemaphores:25/failed@vkCreateDevice:1 1 $run --json 'int x'
grep -q '^{"text":"..*","error":"..*"}$' "$out" || fail "--json: the text is lost"
faulty lost@vkCreateDevice:1/lost@vkCreateDevice:1 1 $run 'int x'
for fault in failed@vkCreateComputePipelines:3 device_memory@vkAllocateMemory:2 \
    host_memory@vkCreateComputePipelines:1 failed@vkCreateDevice:1 host_memory@vkQueueSubmit:3; do
    n_checks=$((n_checks + 1))
    faulty $fault 1 $run 'int x'
    refused "$fault" "vk"
done
refuses_fault() {
    faulty "$1" 1 $run 'int x'
    refused "LM_FAULT=$1" "no fault to inject"
}
refuses_fault lost
refuses_fault lost@vkQueueSubmit:0
refuses_fault hang@vkWaitSemaphores:1

# A device that hangs is lost after a while, and so is its memory. A loaded machine may need seconds
# for what is no hang.
ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-}
LM_LIMITS=wait_s=8
export ASAN_OPTIONS LM_LIMITS
faulty hang@vkQueueSubmit:20 0 $run 'int x'
lost 1 "a hang"
says "$err" "did not answer for 8 s" "a hang"
same "$dir/greedy" "$out" "a hang"
faulty hang@vkQueueSubmit:20/hang@vkQueueSubmit:3 1 $run 'int x'
ended "did not answer for 8 s" "two hangs"
unset ASAN_OPTIONS LM_LIMITS

# Whoever is stopped for longer than a device may take goes on.
n_checks=$((n_checks + 1))
LM_LIMITS=wait_s=8 "$lemnos" run -m "$model" -n 400 -c 4096 --ignore-end 'int x' >"$out" 2>"$err" &
pid=$!
for second in $(seq 120); do
    [ -s "$out" ] && break
    sleep 0.5
done
kill -STOP $pid
sleep 9
kill -CONT $pid
wait $pid || fail "a stopped process: exit code $?"
lost 0 "a stopped process"
unset pid

# The file must be the one that was loaded: it changes between two requests, and the device is lost
# in one of the next.
n_checks=$((n_checks + 1))
cp "$model" "$dir/other.gguf"
mkfifo "$dir/requests"
exec 3<>"$dir/requests"
LM_FAULT=lost@vkWaitSemaphores:24 "$lemnos" infill -m "$dir/other.gguf" --any-model --ignore-end - \
    <"$dir/requests" >"$out" 2>"$err" 3>&- &
pid=$!
printf '{"prefix": "int a", "max_tokens": 1}\n' >&3
for second in $(seq 120); do
    [ -s "$out" ] && break
    sleep 0.5
done
touch -d 2001-01-01 "$dir/other.gguf"
for name in b c d e f g h i; do
    printf '{"prefix": "int %s", "max_tokens": 60}\n' $name >&3
done
exec 3>&-
wait $pid && fail "a changed file: exit code 0"
[ "$(grep -c . "$out")" -eq 9 ] || fail "a changed file: not an answer to every request"
says "$out" "its size, time or header has changed" "a changed file"

# ---- the other commands
printf 'int f(void)\n{\n    return \n}\n' >"$dir/f.c"
complete="complete -m $model -n 80 --ignore-end $dir/f.c"
gives 0 $complete && cp "$out" "$dir/text"
faulty lost@vkWaitSemaphores:20 0 $complete
lost 1 complete
same "$dir/text" "$out" complete
infill="infill -m $model --any-model --shape block -n 80 --ignore-end $dir/f.c:3"
gives 0 $infill && cp "$out" "$dir/text"
faulty lost@vkWaitSemaphores:20 0 $infill
lost 1 infill
same "$dir/text" "$out" infill
printf '{"prefix": "int a", "id": 1}\n{"prefix": "int b", "id": 2}\n{"prefix": "int c", "id": 3}\n' >"$dir/lines"
gives 0 infill -m "$model" --any-model -n 20 --ignore-end - <"$dir/lines"
grep -o '"id":[0-9]*,"text":"[^"]*"' "$out" >"$dir/text"
faulty lost@vkWaitSemaphores:30/lost@vkWaitSemaphores:26 0 infill -m "$model" --any-model -n 20 \
    --ignore-end - <"$dir/lines"
grep -o '"id":[0-9]*,"text":"[^"]*"' "$out" | cmp -s - "$dir/text" || fail "infill -: other answers"

printf 'one\ntwo\n/regen\n/reset\nthree\n' >"$dir/script"
chat="chat -m $instruct -n 30 --ignore-end --system Brief. --temp 0.8"
gives 0 $chat <"$dir/script" && cp "$out" "$dir/text"
for n in 20 34; do
    faulty lost@vkWaitSemaphores:$n/lost@vkWaitSemaphores:34 0 $chat <"$dir/script"
    [ "$(grep -c 'opening the device again' "$err")" -ge 1 ] || fail "chat, wait $n: nothing was lost"
    same "$dir/text" "$out" "chat, lost in wait $n"
done
faulty lost@vkWaitSemaphores:30/failed@vkCreateDevice:1 1 $chat <"$dir/script"
says "$err" ": the text cannot go on: " "chat: a script ends"

# /save and /load go on too. Which wait is whose depends on time, so the one of a file is looked for.
printf 'one\n/save %s\n/reset\n/load %s\ntwo\n' "$dir/saved" "$dir/saved" >"$dir/script"
chat="chat -m $instruct -n 1 --ignore-end --system B."
gives 0 $chat <"$dir/script" && cp "$out" "$dir/text"
found=no
for n in $(seq 8 2 60); do # a file takes three
    faulty lost@vkWaitSemaphores:$n 0 $chat <"$dir/script"
    same "$dir/text" "$out" "a chat that is saved, lost in wait $n"
    grep -q 'opening the device again for the file$' "$err" && found=yes && break
done
[ $found = yes ] || fail "no wait of /save or /load was found"

# A window begins anew; a file of log-probabilities has each row once.
awk 'BEGIN { for (i = 0; i < 30; i++) print "sum" i " += x[" i "];" }' >"$dir/text.c"
perplexity="perplexity -m $model -c 64 --chunks 3 --json $dir/text.c"
gives 0 $perplexity --kl-save "$dir/rows" && cp "$out" "$dir/text"
faulty lost@vkWaitSemaphores:18 0 $perplexity --kl-save "$dir/rows_again"
[ "$(grep -c 'begins anew' "$err")" -ge 1 ] || fail "perplexity: no window began anew"
same "$dir/text" "$out" perplexity
same "$dir/rows" "$dir/rows_again" "perplexity --kl-save"
faulty lost@vkWaitSemaphores:18/lost@vkQueueSubmit:3 1 $perplexity
says "$err" "the windows cannot go on: " "perplexity, lost while loading again"

fill="run -m $model --fill 100 -n 120 --ignore-end x"
gives 0 $fill && cp "$out" "$dir/text"
faulty lost@vkWaitSemaphores:20 0 $fill
lost 1 "run --fill"
same "$dir/text" "$out" "run --fill"

finish
