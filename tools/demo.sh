#!/bin/sh
# What the models that come with Lemnos write: source files continued, a question answered. What is
# new stands behind a "+".
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

chat() { # chat MESSAGE
    show chat "$1"
    text=$("$lemnos" chat "$1" </dev/null)
    printf '%s\n' "$text" | new
}

complete account.py -n 22
echo
complete rectangle.py -n 7
echo
chat 'Return True if the value is a string.'
