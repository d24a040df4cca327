#!/bin/sh
# What the models that come with Lemnos write: a source file continued, a line filled in, a question
# answered. What is new stands behind a "+".
#
#   sh tools/demo.sh LEMNOS
#
# The README shows this very output, and tests/cli/demo.sh compares.

set -eu
case $1 in
/*) lemnos=$1 ;;
*) lemnos=$PWD/$1 ;;
esac
cd "$(dirname "$0")/../assets/demo"

show() { # show ARGS...: the command as one would type it
    printf '$ lemnos'
    for argument in "$@"; do
        case $argument in
        *[!A-Za-z0-9_.:/-]*) printf " '%s'" "$argument" ;;
        *) printf ' %s' "$argument" ;;
        esac
    done
    printf '\n'
}

old() {
    sed 's/^/  /; s/ *$//'
}

new() {
    sed 's/^/+ /; s/ *$//'
}

complete() { # complete FILE OPTIONS...
    show complete "$@"
    old <"$1"
    text=$("$lemnos" complete "$@")
    printf '%s\n' "$text" | new
}

infill() { # infill FILE LINE, of which there is only the indentation
    show infill "$1:$2"
    sed -n "1,$(($2 - 1))p" "$1" | old
    text=$("$lemnos" infill "$1:$2")
    printf '%s%s\n' "$(sed -n "$2p" "$1")" "$text" | new
    sed -n "$(($2 + 1)),\$p" "$1" | old
}

chat() { # chat MESSAGE
    show chat "$1"
    text=$("$lemnos" chat "$1" </dev/null)
    printf '%s\n' "$text" | new
}

complete account.py -n 48
echo
infill words.py 5
echo
chat 'Write a function that returns the sum of the squares of a list of numbers.'
