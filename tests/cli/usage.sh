# Mistakes in the command line: exit code 2, one sentence that names what is wrong, no work done.
. "$(dirname "$0")/support/check.sh"
exec </dev/null

refuses 2 "no command"
refuses 2 "did you mean 'tokenize'" tokenise x
refuses 2 "did you mean 'run'" rnu x
refuses 2 "no command 'frobnicate'; see" frobnicate
refuses 2 "--frobnicate" run --frobnicate x
refuses 2 "did you mean --json" run --jsn x
refuses 2 "-z" run -z x
refuses 2 "no option -o" run -o file x
refuses 2 "needs an argument" run
refuses 2 "needs an argument" complete
refuses 2 "needs an argument" synth
refuses 2 "'two'" run one two
refuses 2 "'x'" devices x
refuses 2 "-n needs a value" run -n
refuses 2 "--stop needs a TEXT" run --stop '' x
refuses 2 "--json takes no value" run --json=yes x
refuses 2 "exclude each other" run -m a --synthetic b x
refuses 2 "--format needs --synthetic" run -m a --format F16 x
refuses 2 "exclude each other" tokenize --ids --json x
refuses 2 "-f FILE" tokenize
refuses 2 "-f FILE" tokenize -f file text
refuses 2 "-o FILE" synth deepseek-coder-1.3b
refuses 2 "one model" info -m a b

# Numbers: words, signs, spaces, fractions, overflow, both ends of the range.
for number in abc -1 +1 ' 1' 1x 1.5 0x10 '' 0 1000001 4294967297 18446744073709551617; do
    refuses 2 "'$number' is not a whole number from 1 to 1000000" run -n "$number" x
    refuses 2 "'$number' is not a whole number from 1 to 1000000" complete --tokens="$number" x
done
for number in k -5 0 1 1048577 99999999999999999999999; do
    refuses 2 "'$number' is not a whole number from 2 to 1048576" run -c "$number" x
    refuses 2 "'$number' is not a whole number from 2 to 1048576" info -c "$number" x
done
for number in k -5 18446744073709551616; do
    refuses 2 "--seed '$number'" run --seed "$number" x
done
for number in warm nan inf -1 0,5 1e-30 100.1 ''; do
    refuses 2 "--temp '$number' is not 0 or a number from 0.001 to 100" run --temp "$number" x
done
for number in p nan -0.1 0 1.01 ''; do
    refuses 2 "--top-p '$number' is not a number from 1e-06 to 1" run --top-p "$number" x
done
for number in p nan -0.1 1.01; do
    refuses 2 "--min-p '$number' is not a number from 0 to 1" run --min-p "$number" x
done
for number in r nan 0 -1 101; do
    refuses 2 "'$number' is not a number from 0.01 to 100" run --repeat-penalty "$number" x
done
for name in frequency-penalty presence-penalty; do
    for number in a nan -100.1 101; do
        refuses 2 "--$name '$number' is not a number from -100 to 100" run --$name "$number" x
    done
done
refuses 2 "--top-k '-1' is not a whole number from 0 to" run --top-k -1 x
refuses 2 "--repeat-last-n '0' is not a whole number from 1 to" run --repeat-last-n 0 x
for number in 0 21; do
    refuses 2 "--logprobs '$number' is not a whole number from 1 to 20" run --json --logprobs $number x
done
refuses 2 "--logprobs needs --json" run --logprobs 5 x
refuses 2 "--logit-bias '5' is not ID=V" run --logit-bias 5 x
for id in '' -1 x 2147483648 99999999999999999999999999999; do
    refuses 2 "'$id' is not the id of a token" run --logit-bias "$id=1" x
done
for number in '' b nan 1.1e9; do
    refuses 2 "--logit-bias '$number' is not a number from -1e+09 to 1e+09" run --logit-bias "5=$number" x
done
# shellcheck disable=SC2046 # many words
refuses 2 "--logit-bias can be given at most 64 times" run $(seq -f '--logit-bias %.0f=1' 65) x
refuses 2 "--stop with a text of 257 bytes exceeds the limit of 256" run --stop "$(printf '%0257d' 0)" x
# shellcheck disable=SC2046
refuses 2 "--stop can be given at most 16 times" run $(seq -f '--stop %.0f' 17) x
refuses 2 "--stop needs a TEXT that is not empty" run --stop '' x
refuses 2 "--kv 'f8' is unknown; known are f16, f32 and q8_0" run --kv f8 x

# What is accepted gets as far as the missing model.
for number in 0 0.0 0e5 0.001 0.8 100; do
    refuses 1 /nonexistent run -m /nonexistent --temp "$number" x
done
refuses 1 /nonexistent run -m /nonexistent --stop "$(printf '%0256d' 0)" x
refuses 1 /nonexistent run -m/nonexistent -vn1000000 -c1048576 --seed 18446744073709551615 -- x
refuses 1 /nonexistent run -m /nonexistent --top-k 40 --top-p 0.95 --min-p 0.05 --repeat-penalty 1.1 \
    --repeat-last-n 256 --frequency-penalty -0.5 --presence-penalty 0.5 --logit-bias 7=-1e9 \
    --logit-bias 8=2 --json --logprobs 20 x
refuses 1 /nonexistent run x --model=/nonexistent --kv=f32 --stop a --stop b --device=d
refuses 1 /nonexistent run -m /nonexistent -- --help

for command in run complete tokenize devices info synth; do
    for help in "$command --help" "$command -h" "help $command" "$command --json --help"; do
        case $help in synth*json*) continue ;; esac
        # shellcheck disable=SC2086 # several words
        gives 0 $help
        says "$out" "Usage: lemnos $command" "$help"
        says "$out" "  lemnos $command " "$help"
        says "$out" "130 interrupted" "$help"
        [ -s "$err" ] && fail "$help: something on stderr"
    done
    gives 0 --help
    says "$out" "  $command " --help
done
says "$out" "Exit codes:" --help
gives 0 --version
grep -qx 'lemnos [0-9][0-9.]*' "$out" || fail "--version: $(cat "$out")"

finish
