#!/bin/sh
# Checks what a tool can check: formatting, sizes, layers, and that no file names a machine.
#
# An exception is a line in tools/style_exceptions.txt: the finding as printed here up to the
# colon, then the reason.

set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C

found=$(mktemp)
trap 'rm -f "$found"' EXIT
trap 'exit 1' INT TERM

# Tracked files and new ones, without what git ignores; also works in a copy without git.
files() {
    if ! git ls-files -co --exclude-standard 2>/dev/null; then
        find . -name .git -prune -o -path ./build -prune -o -type f -print | sed 's|^\./||'
    fi | sort | while read -r file; do
        [ ! -f "$file" ] || printf '%s\n' "$file"
    done
}

code() {
    files | grep -E '\.(c|h|comp|glsl)$'
}

# ---- sizes --------------------------------------------------------------------------------------

# Functions are found by their braces: clang-format puts those of a function into the first column.
code | while read -r file; do
    awk -v file="$file" '
        BEGIN {
            limit = file ~ /\.c$/ ? 800 : 250
        }
        {
            gsub(/[\200-\277]/, "") # so that length counts characters of UTF-8
            if (length($0) > 100)
                printf "columns %s:%d: %d columns, the limit is 100\n", file, FNR, length($0)
        }
        /^[A-Za-z].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
        /^\{/ { start = FNR }
        /^\}/ && start {
            if (FNR - start + 1 > 100)
                printf "function %s %s: %d lines, the limit is 100\n", file, name, FNR - start + 1
            start = 0
        }
        END {
            if (FNR > limit)
                printf "file %s: %d lines, the limit is %d\n", file, FNR, limit
        }' "$file"
done >>"$found"

# ---- layers -------------------------------------------------------------------------------------

# What each folder may include besides its own files. System headers are not looked at.
code | grep -E '^(app|runtime|tokenizer|shaders)/' | while read -r file; do
    awk -v file="$file" '
        BEGIN {
            base = "base"
            gpu = base " gpu modules.h interface"
            ops = gpu " ops"
            ref = ops " ref"
            gguf = base " gguf"
            tokenizer = gguf " tokenizer"
            model = ops " gguf model"
            check = model " ref check lm_check.h"
            selftest = model " ref selftest"
            gen = selftest " check lm_check.h tokenizer gen lm.h"

            below["runtime/base"] = base
            below["runtime/gpu"] = gpu
            below["runtime/ops"] = ops
            below["runtime/ref"] = ref
            below["runtime/gguf"] = gguf
            below["tokenizer"] = tokenizer
            below["runtime/model"] = model
            below["runtime/check"] = check
            below["runtime/selftest"] = selftest
            below["runtime/gen"] = gen
            below["runtime"] = gen
            below["app/assist"] = base " tokenizer lm.h"
            below["app/bench"] = base " tokenizer lm.h assist bench"
            below["app/cli"] = gguf " tokenizer model lm.h assist bench"
            below["shaders"] = "interface lib"
            below["shaders/interface"] = "interface"
            below["shaders/lib"] = "interface lib"

            folder = file
            sub(/\/[^\/]*$/, "", folder)
            if (!(folder in below))
                printf "layer %s: its folder has no place in the layers\n", file
            n = split(below[folder], names, " ")
            for (i = 1; i <= n; i++)
                allowed[names[i]] = 1
        }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            header = $0
            sub(/^[^"]*"/, "", header)
            sub(/".*/, "", header)
            top = header
            sub(/\/.*/, "", top)
            own = index(header, "/") == 0 && !(header ~ /^(lm|modules)\.h$/)
            if (!own && !(top in allowed))
                printf "layer %s %s: %s stands beside or above it\n", file, header, header
        }' "$file"
done >>"$found"

# ---- words --------------------------------------------------------------------------------------

# Paths of somebody's machine have no place in the project.
files | grep -vE '^tools/check_style\.sh$|\.(gguf|spv|png)$' | while read -r file; do
    grep -nE '(^|[^A-Za-z0-9_.$}])/(home|root|work|Users)/' "$file" |
        sed -E "s|^([0-9]+):.*|words $file:\\1: names a folder of some machine|" || true
done >>"$found"

# ---- documentation ------------------------------------------------------------------------------

# The tests and files that docs/reliability.md leans on are there, and so are all twenty rows.
reliability=docs/reliability.md
grep -oE '`(unit|op|model|golden|cli|fuzz)\.[a-z0-9_]+`' $reliability | tr -d '`' | sort -u |
    while IFS=. read -r level name; do
        [ -f "tests/$level/$name.c" ] || [ -f "tests/$level/$name.sh" ] ||
            echo "test $reliability $level.$name: there is no such test"
    done >>"$found"
grep -oE '`(app|assets|runtime|tests|tools)/[a-z0-9_./]+`' $reliability | tr -d '`' | sort -u |
    while read -r file; do
        [ -e "$file" ] || echo "file $reliability $file: there is no such file"
    done >>"$found"
row=1
while [ $row -le 20 ]; do
    grep -qE "^\\| $row \\|.*\\| \`(unit|op|model|golden|cli|fuzz)\.[^|]* \\|\$" $reliability ||
        echo "row $reliability $row: it is missing or names no test"
    row=$((row + 1))
done >>"$found"

# ---- formatting ---------------------------------------------------------------------------------

formatter=
for name in clang-format-14 clang-format; do
    if command -v "$name" >/dev/null; then
        formatter=$name
        break
    fi
done
if [ -n "$formatter" ]; then
    # Shader interfaces are GLSL as well, which clang-format does not know.
    for file in $(code | grep -E '\.[ch]$' | grep -v '^shaders/'); do
        "$formatter" --dry-run -Werror "$file" >/dev/null 2>&1 ||
            echo "format $file: differs from what $formatter -i makes of it"
    done >>"$found"
else
    echo "No clang-format here: the formatting was not checked."
fi

# ---- verdict ------------------------------------------------------------------------------------

# Exceptions that no longer match anything are findings too.
if awk '
    FNR == NR {
        if ($0 !~ /^(#|$)/) {
            at = index($0, ": ")
            excepted[substr($0, 1, at - 1)] = 1
        }
        next
    }
    {
        key = substr($0, 1, index($0, ": ") - 1)
        if (key in excepted)
            used[key] = 1
        else {
            print
            bad = 1
        }
    }
    END {
        for (key in excepted)
            if (!(key in used)) {
                print "exception without a finding: " key
                bad = 1
            }
        exit bad
    }' tools/style_exceptions.txt "$found"; then
    echo "Style, sizes and layers: nothing found in $(files | wc -l) files."
else
    exit 1
fi
