// Where an infill ends, on code in many languages. Each case is also asked after every byte: until
// it is complete it is open, and from then on the verdict never changes.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assist/infill.h"
#include "support/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct infill_case {
    const char *path, *prefix, *suffix;
    const char *text; // what the model writes
    const char *kept;
    lm_infill_end end;
    bool at_end; // known only when the model has ended the text
};

#define MODEL   LM_INFILL_END_MODEL
#define LINE    LM_INFILL_END_LINE
#define BRACKET LM_INFILL_END_BRACKET
#define BLOCK   LM_INFILL_END_BLOCK
#define INDENT  LM_INFILL_END_INDENT
#define BLANK   LM_INFILL_END_BLANK
#define SUFFIX  LM_INFILL_END_SUFFIX
#define REPEAT  LM_INFILL_END_REPEAT

static const struct infill_case python[] = {
    {"a.py", "def f(x):\n    ", "\n\nprint(f(1))\n", "return x + 1", "return x + 1", MODEL, 0},
    {"a.py", "def f(x):\n    ", "\n\nprint(f(1))\n", "return x + 1\n\n", "return x + 1", MODEL, 0},
    {"a.py", "def f(x):\n    ", "", "y = x\n    return y\n\ndef g():\n    pass\n",
     "y = x\n    return y", INDENT, 0},
    {"a.py", "def f(x):", "", "\n    y = x\n\n    return y\n\nprint(f(1))\n",
     "\n    y = x\n\n    return y", INDENT, 0},
    {"a.py", "    def f(self):", "", "\n        pass\n\n    def g(self):\n        pass\n",
     "\n        pass", INDENT, 0},
    {"a.py", "    if a:", "", "\n        b()\n    else:\n        c()\n    d()\n",
     "\n        b()\n    else:\n        c()", INDENT, 0},
    {"a.py", "try:", "", "\n    a()\nexcept E:\n    b()\nfinally:\n    c()\n\nd()\n",
     "\n    a()\nexcept E:\n    b()\nfinally:\n    c()", INDENT, 0},
    {"a.py", "def f():\n    x = [\n        ", "\n    ]\n    return x\n", "1,\n        2,\n    ]\n",
     "1,\n        2,", BRACKET, 0},
    {"a.py", "x = foo(", ")\n", "1, bar(2))\n", "1, bar(2)", BRACKET, 0},
    {"a.py", "x = foo(", "\n", "1, bar(2))\ny = 3", "1, bar(2))\ny = 3", MODEL, 0},
    {"a.py", "x = foo(", "", "\n    1,\n    2,\n)\ny = 3\n", "\n    1,\n    2,\n)", INDENT, 0},
    {"a.py", "print(\"hello ", "\")\n", "world\")\nprint(2)\n", "world", BRACKET, 0},
    {"a.py", "print(\"hello ", "\")\n", "world", "world", MODEL, 0},
    {"a.py", "print(\"hello ", "\", x)\n", "world\",", "world", MODEL, 0},
    {"a.py", "x = a", " + c\n", " + b\n", " + b", LINE, 0},
    {"a.py", "x = ", " + third\n", "first + second + third\n", "first + second", LINE, 0},
    {"a.py", "for i in range(", "):\n    pass\n", "10):\n    print(i)\n", "10", BRACKET, 0},
    {"a.py", "def f():\n    a = 1\n", "    return a\n", "    a += 1\n    return a\n    return a\n",
     "    a += 1\n", SUFFIX, 0},
    {"a.py", "def f():\n    a = 1\n    ", "\n    return a\n", "a += 1\n    return a\n", "a += 1",
     SUFFIX, 0},
    {"a.py", "def f():\n    a = 1\n    ", "\n    return a\n", "a += 1\n    return a", "a += 1",
     SUFFIX, 1},
    {"a.py", "def f():\n    a = 1\n    ", "\n    return a\n",
     "if a:\n        return a\n    a += 1\n    return a\n", "if a:\n        return a\n    a += 1",
     SUFFIX, 0},
    {"a.py", "import os\n", "", "import sys\n\nx = 1\n", "import sys", BLANK, 0},
    {"a.py", "", "", "import sys\n\n\n\nimport os", "import sys", BLANK, 0},
    {"a.py", "def f():\n    ", "", "x = 1\n\n    y = 2\n\n\n    z = 3\n", "x = 1\n\n    y = 2",
     BLANK, 0},
    {"a.py", "def f():\n    ", "\n", "\n\n\n    x = 1", "", BLANK, 0},
    {"a.py", "def f():\n    ", "", "\"\"\"Doc.\n\n\nNot (closed\n\"\"\"\n    return 1\nx = 2\n",
     "\"\"\"Doc.\n\n\nNot (closed\n\"\"\"\n    return 1", INDENT, 0},
    {"a.py", "def f():\n    ", "", "x = ')'  # it's :-)\n    return x\nf()\n",
     "x = ')'  # it's :-)\n    return x", INDENT, 0},
    {"a.py", "def f():\n    ", "", "a //= (b // 2)\n    return a\nf()",
     "a //= (b // 2)\n    return a", INDENT, 0},
    {"a.py", "def f():\n    ", "", "print(1)\n    print(1)\n    print(1)\n    print(1)\n",
     "print(1)", REPEAT, 0},
    {"a.py", "def f():\n    ", "",
     "alpha = 1\n    beta = 2\n    alpha = 1\n    beta = 2\n    gamma", "alpha = 1\n    beta = 2",
     REPEAT, 0},
    {"a.py", "def f():\n    alpha = 1\n    beta = 2\n    ", "", "alpha = 1\n    beta = 2\n", "",
     REPEAT, 0},
    {"a.py", "x = [\n    ", "\n]\n", "0,\n    0,\n    0,\n    0,\n    0,",
     "0,\n    0,\n    0,\n    0,\n    0,", MODEL, 0},
    {"a.py", "\tif a:\n\t\t", "", "b()\n\t\tc()\n\td()\n", "b()\n\t\tc()", INDENT, 0},
    {"a.py", "if a:\n        ", "", "b()\n\tc()\nd()\n", "b()\n\tc()", INDENT, 0}, // 8 columns
    {"a.py", "def f():\n    ", "", "x = (1 +\n  2)\n    return x\nf()\n",
     "x = (1 +\n  2)\n    return x", INDENT, 0},
    {"a.py", "    if n:\n        return 0", "\n    return 1\n",
     "\n    for k in n:\n        k()\n    return 1\n", "\n    for k in n:\n        k()", SUFFIX, 0},
    {"a.py", "    n = 0", "\n", "\n    for k in n:\n        k()\n    m = 1\n\n\ndef f",
     "\n    for k in n:\n        k()\n    m = 1", BLANK, 0},
    {"a.py", "    return ", "encode_cyclic(s))\n", "encode_cyclic(", "encode_cyclic(", MODEL, 0},
    {"a.py", "x = [\n    ", "\n]\n",
     "abcd,\n    abcd,\n    abcd,\n    [\n        abcd,\n        abcd,\n        abcd,\n    ],\n",
     "abcd,", REPEAT, 0},
    {"a.py", "x = ", "\n", "[\n    abcd,\n    abcd,\n    abcd,\n]",
     "[\n    abcd,\n    abcd,\n    abcd,\n]", MODEL, 0},
    {"a.py", "f(g(", ")\n", "1))\n", "1)", BRACKET, 0},
    {"a.py", "f(g(h(", "\n", "1)))) + 2\n", "1)))", BRACKET, 0},
    {"a.py", "if a:\n\t", "", "b()\n        c()\n    d()\n", "b()\n        c()", INDENT, 0},
    {"a.py", "x = total_of_all", " + subtotal_of_all * rate # why\n", " + b + subtotal_of_all\n",
     " + b", LINE, 0},
    {"a.py", "f('a\\'", ")\n", ")', 2)\n", ")', 2", BRACKET, 0},
    {"a.py", "def f():\n    x = (y)\n    ", "\n", "it's (\n    x = 1)\nf()\n", "it's (\n    x = 1)",
     INDENT, 0},
    {"a.py", "if a:\n  ", "", "\tb()\n    c()\nd()\n", "\tb()", INDENT, 0},
    {"a.py", "def f():\n    ", "", "", "", MODEL, 0},
    {"a.py", "def f():\n    ", "", "  \n", "", MODEL, 0},
    {"a.py", "def f():\n    x = 'it", "\n", "s'\n    return x\n\n\nf()\n", "s'\n    return x",
     BLANK, 0},
};

static const struct infill_case c[] = {
    {"a.c", "int f(int x)\n{\n    ", "\n}\n", "return x;\n}\n\nint g", "return x;", BRACKET, 0},
    {"a.c", "int f(int x)\n{\n    ", "", "return x;\n}\n\nint g(void)\n{\n", "return x;\n}", BLOCK,
     0},
    {"a.c", "int f(int x) {", "", "\n    return x;\n}\n\nint g(void) {\n", "\n    return x;\n}",
     INDENT, 0},
    {"a.c", "int f(int x) {", "}\n", "\n    return x;\n}\n", "\n    return x;\n", BRACKET, 0},
    {"a.c", "    if (x)", "\n}\n",
     "\n    {\n        y();\n    }\n    else\n        z();\n    w();\n",
     "\n    {\n        y();\n    }\n    else\n        z();", INDENT, 0},
    {"a.c", "void f(void)\n{\n    ", "\n}\n",
     "if (a) {\n        b();\n    } else {\n        c();\n    }\n",
     "if (a) {\n        b();\n    } else {\n        c();\n    }", MODEL, 0},
    {"a.c", "void f(void)\n{\n    ", "\n}\n",
     "a();\n#ifdef X\n    b();\n#endif\nfail:\n    c();\n}\n",
     "a();\n#ifdef X\n    b();\n#endif\nfail:\n    c();", BRACKET, 0},
    {"a.c", "    for (int i = 0; i < ", "; i++) {\n", "n; i++) {\n        a();", "n", BRACKET, 0},
    {"a.c", "    x = f(", ");\n", "a, g(b)", "a, g(b)", MODEL, 0},
    {"a.c", "    x = f(a", ";\n", ", g(b));\n", ", g(b))", LINE, 0},
    {"a.c", "    char c = '", "';\n", "}';\n", "}", LINE, 0},
    {"a.c", "void f(void)\n{\n    ", "\n}\n", "c = '}'; /* } */ // }\n    d = \"}\";\n}\n",
     "c = '}'; /* } */ // }\n    d = \"}\";", BRACKET, 0},
    {"a.c", "int a[] = {", "};\n", "1, 2, 3};\n", "1, 2, 3", BRACKET, 0},
    {"a.c", "switch (x) {\ncase 1:\n    ", "\n}\n", "a();\n    break;\ncase 2:\n    b();\n",
     "a();\n    break;", INDENT, 0},
    {"a.c", "    case 1:", "\n", "\n        a();\n        break;\n    case 2:\n        b();\n",
     "\n        a();\n        break;", INDENT, 0},
    {"a.c", "    x = f(a, {", "", "\n        1,\n    2,\n    3});\n    y();\n",
     "\n        1,\n    2,\n    3});", INDENT, 0},
    {"a.c", "#include <stdio.h>\n", "", "#include <stdlib.h>\n\nint main(void)\n",
     "#include <stdlib.h>", BLANK, 0},
    {"a.c", "/* This ", " */\n", "function (returns\n", "function (returns", LINE, 0},
    {"a.h", "struct a {\n    int x;\n", "};\n", "    int y;\n};\n", "    int y;\n", BRACKET, 0},
    {"a.c", "    ", "\n    b = 2;\n}\n", "a = 1;\n    b = 2;\n}\n", "a = 1;", SUFFIX, 0},
    {"a.c", "void f(void)\r\n{\r\n    ", "\r\n}\r\n", "a();\r\n    b();\r\n}\r\n",
     "a();\r\n    b();", BRACKET, 0},
};

static const struct infill_case others[] = {
    {"a.js", "foo(function () {\n    ", "", "bar();\n});\n\nbaz();\n", "bar();\n});", BLOCK, 0},
    {"a.js", "foo(function () {\n    ", "\n});\n", "bar();\n});\n", "bar();", BRACKET, 0},
    {"a.js", "const f = (a) => ", ";\n", "({ b: a });\n", "({ b: a })", LINE, 0},
    {"a.js", "const o = {\n    a: 1,\n    ", "\n};\n", "b: { c: 2 },\n    d: [3],\n};\nfoo",
     "b: { c: 2 },\n    d: [3],", BRACKET, 0},
    {"a.js", "    const s = ", "\n", "`a\n\n\n${b} )`;\n    return s;",
     "`a\n\n\n${b} )`;\n    return s;", MODEL, 0},
    {"a.js", "    return a", "", "\n        .b()\n        .c();\n    }\n",
     "\n        .b()\n        .c();", BRACKET, 0},
    {"a.ts", "function f(): ", " {\n    return 1;\n}\n", "number {\n", "number", LINE, 0},
    {"a.jsx", "<div className=\"", "\">\n", "box\">\n", "box", LINE, 0},
    {"a.go", "func f() error {\n\t", "\n}\n",
     "if err != nil {\n\t\treturn err\n\t}\n\treturn nil\n}\n",
     "if err != nil {\n\t\treturn err\n\t}\n\treturn nil", BRACKET, 0},
    {"a.rs", "fn f<'a>(x: &'a str) -> ", " {\n    x\n}\n", "&'a str {\n", "&'a str", LINE, 0},
    {"a.rs", "fn f<'a>(x: &'a str) {\n    ", "\n}\n", "g(x);\n}\n", "g(x);", BRACKET, 0},
    {"A.java", "    int f() {", "", "\n        return 1;\n    }\n\n    int g() {\n",
     "\n        return 1;\n    }", INDENT, 0},
    {"a.rb", "  def f", "", "\n    1\n  end\n\n  def g\n", "\n    1\n  end", INDENT, 0},
    {"a.sh", "if [ -f x ]; then", "", "\n    echo \"(\"\nelse\n    echo b\nfi\necho c\n",
     "\n    echo \"(\"\nelse\n    echo b\nfi", INDENT, 0},
    {"a.lua", "local function f()", "", "\n    return 1 -- (\nend\nprint(f())\n",
     "\n    return 1 -- (\nend", INDENT, 0},
    {"a.sql", "SELECT a FROM t WHERE ", ";\n", "b = 'x;y' AND c = 1;\n", "b = 'x;y' AND c = 1",
     LINE, 0},
    {"a.yaml", "a:\n  b:\n    ", "\n", "c: 1\n    d: 2\n  e:\n", "c: 1\n    d: 2", INDENT, 0},
    {"a.css", "p {\n    ", "\n}\n", "color: red;\n    margin: 0;\n}\n",
     "color: red;\n    margin: 0;", BRACKET, 0},
    {"a.json", "{\n    \"a\": ", ",\n    \"b\": 2\n}\n", "[1, 2],\n    \"b\": 2\n}", "[1, 2]", LINE,
     0},
    {"Makefile", "all:", "", "\n\tcc a.c\n\nclean:\n\trm a\n", "\n\tcc a.c", INDENT, 0},
    {NULL, "f(x) {\n    ", "\n}\n", "// don't (\n    y;\n}\n", "// don't (\n    y;", BRACKET, 0},
    {"a.html", "<p>", "</p>\n", "Hello</p>\n", "Hello", LINE, 0},
    {"a.md", "Some (text", "\n", " that goes on)\nand on\n\n\nAnd", " that goes on)\nand on", BLANK,
     0},
};

static void fail_case(const struct infill_case *it, const char *what, lm_infill_verdict got,
                      size_t size)
{
    fail_msg("%s: '%s' + '%s': after %zu bytes %s: '%.*s', %s", it->path, it->prefix, it->text,
             size, what, (int)got.size, it->text, lm_infill_sentence(got.end));
}

static void check_case(const struct infill_case *it)
{
    lm_infill hole;
    lm_infill_init(&hole, &(lm_infill_params){.prefix = lm_text_of(it->prefix),
                                              .suffix = lm_text_of(it->suffix),
                                              .path = it->path});
    const size_t whole = strlen(it->text);
    const lm_infill_verdict last = lm_infill_check(&hole, (lm_text){it->text, whole}, true);
    if (last.end != it->end || last.size != strlen(it->kept) ||
        memcmp(it->text, it->kept, last.size) != 0)
        fail_case(it, "in the end", last, whole);

    bool complete = false;
    size_t certain = 0;
    for (size_t size = 0; size <= whole; size++) {
        char *part = malloc(size + 1); // so that a sanitizer sees a read past the end
        assert_non_null(part);
        memcpy(part, it->text, size);
        const lm_infill_verdict now = lm_infill_check(&hole, (lm_text){part, size}, false);
        free(part);
        if (now.end == LM_INFILL_OPEN && (complete || now.size != size))
            fail_case(it, "open", now, size);
        if (now.end != LM_INFILL_OPEN &&
            (now.end != it->end || now.size != last.size || it->at_end))
            fail_case(it, "complete", now, size);
        if (now.certain < certain || now.certain > last.size)
            fail_case(it, "certain", now, size);
        certain = now.certain;
        complete = now.end != LM_INFILL_OPEN;
    }
    if (complete != (it->end != MODEL && !it->at_end))
        fail_case(it, "at last", last, whole);
}

static void check_all(const struct infill_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_case(&cases[i]);
}

static void infills_of_python(void **state)
{
    (void)state;
    check_all(python, sizeof python / sizeof python[0]);
}

static void infills_of_c(void **state)
{
    (void)state;
    check_all(c, sizeof c / sizeof c[0]);
}

static void infills_of_other_languages(void **state)
{
    (void)state;
    check_all(others, sizeof others / sizeof others[0]);
}

static void a_shape_may_be_asked_for(void **state)
{
    (void)state;
    const lm_text text = lm_text_of("a = 1\n    b = 2\n");
    lm_infill_params params = {.prefix = lm_text_of("def f():\n    "), .shape = LM_INFILL_LINE};
    lm_infill hole;
    lm_infill_init(&hole, &params);
    lm_infill_verdict verdict = lm_infill_check(&hole, text, false);
    assert_int_equal(verdict.end, LM_INFILL_END_LINE);
    assert_int_equal(verdict.size, 5);

    params.shape = LM_INFILL_BLOCK;
    params.suffix = lm_text_of("  # here\n");
    lm_infill_init(&hole, &params);
    assert_int_equal(lm_infill_check(&hole, text, false).end, LM_INFILL_OPEN);
}

// Lines are certain once they are complete and begin no repetition.
static void what_is_certain_can_be_shown(void **state)
{
    (void)state;
    static const struct {
        const char *text, *certain;
    } cases[] = {
        {"a = 1", ""},
        {"a = 1\n", "a = 1"},
        {"a = 1\n    \n", "a = 1"},
        {"a = 1\n    b = 2", "a = 1"},
        {"a = 1\n    b = 2\n", "a = 1\n    b = 2"},
        {"a = 1\n    b = 2\n    a = 1\n", "a = 1\n    b = 2"},
        {"a = 1\n    b = 2\n    a = 1\n    c()\n", "a = 1\n    b = 2\n    a = 1\n    c()"},
        {"a = 1\n    a = 1\n", "a = 1"},
        {"x = 0\n", ""}, // as the prefix ends
    };
    lm_infill hole;
    lm_infill_init(&hole, &(lm_infill_params){.prefix = lm_text_of("def f():\n    x = 0\n    "),
                                              .path = "a.py"});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lm_text text = lm_text_of(cases[i].text);
        const lm_infill_verdict now = lm_infill_check(&hole, text, false);
        assert_int_equal(now.end, LM_INFILL_OPEN);
        if (now.certain != strlen(cases[i].certain) ||
            memcmp(text.at, cases[i].certain, now.certain) != 0)
            fail_msg("of '%s' '%.*s' is certain, and not '%s'", text.at, (int)now.certain, text.at,
                     cases[i].certain);
    }
}

static void a_line_of_crlf_ends_before_both(void **state)
{
    (void)state;
    const lm_infill_params params = {.prefix = lm_text_of("x = "),
                                     .suffix = lm_text_of(" + 1;\r\ny = 2;\r\n")};
    lm_infill hole;
    lm_infill_init(&hole, &params);
    const lm_infill_verdict verdict = lm_infill_check(&hole, lm_text_of("foo\r\n"), false);
    assert_int_equal(verdict.end, LM_INFILL_END_LINE);
    assert_int_equal(verdict.size, 3);
}

static void every_end_has_a_sentence_and_a_name(void **state)
{
    (void)state;
    for (int end = LM_INFILL_OPEN; end <= LM_INFILL_END_REPEAT; end++) {
        assert_true(strlen(lm_infill_end_name((lm_infill_end)end)) > 2);
        const char *sentence = lm_infill_sentence((lm_infill_end)end);
        assert_true(strlen(sentence) > 10 && sentence[strlen(sentence) - 1] == '.');
    }
}

static size_t random_code(test_random *random, char *text, size_t room)
{
    static const char *const parts[] = {
        "a",  "bc = 1", "\n", "\n", "\n    ",   "\n  ", "(",  ")",   "{\n", "}",  "\"",
        "'",  "`",      "//", "/*", "*/",       "#",    "[",  "]",   ":",   "\t", "else",
        "\\", "\"\"\"", "é",  " ",  "return x", "\r\n", "--", "end", "x:",  "#if"};
    size_t size = 0;
    for (;;) {
        const char *part = parts[test_random_below(random, sizeof parts / sizeof parts[0])];
        if (size + strlen(part) > room)
            return size;
        memcpy(text + size, part, strlen(part));
        size += strlen(part);
    }
}

// Whatever is around the hole and in it: what is kept is in the text, and a verdict stands.
static void verdicts_stand_for_any_text(void **state)
{
    (void)state;
    static const char *const paths[] = {NULL, "a.py", "a.c", "a.lua", "a.tex"};
    test_random random = test_random_start("verdicts_stand_for_any_text");
    for (int run = 0; run < 4000; run++) {
        char prefix[80];
        char suffix[80];
        char text[100];
        lm_infill hole;
        const lm_infill_params params = {
            .prefix = {prefix, random_code(&random, prefix, test_random_below(&random, 80))},
            .suffix = {suffix, random_code(&random, suffix, test_random_below(&random, 80))},
            .path = paths[test_random_below(&random, 5)]};
        const size_t whole = random_code(&random, text, test_random_below(&random, 100));
        lm_infill_init(&hole, &params);
        lm_infill_verdict first = {.end = LM_INFILL_OPEN};
        size_t certain = 0;
        for (size_t size = 0; size <= whole; size++) {
            const lm_infill_verdict now = lm_infill_check(&hole, (lm_text){text, size}, false);
            assert_true(now.size <= size && now.certain <= now.size);
            if (now.certain < certain)
                fail_msg("'%.*s' | '%.*s': of '%.*s' %zu bytes are certain, and %zu before",
                         (int)params.prefix.size, prefix, (int)params.suffix.size, suffix,
                         (int)size, text, now.certain, certain);
            certain = now.certain;
            if (first.end == LM_INFILL_OPEN)
                first = now;
            else if (now.end != first.end || now.size != first.size)
                fail_msg("'%.*s' | '%.*s': '%.*s' keeps %zu, and %zu before (%s, %s)",
                         (int)params.prefix.size, prefix, (int)params.suffix.size, suffix,
                         (int)size, text, now.size, first.size, lm_infill_sentence(now.end),
                         lm_infill_sentence(first.end));
        }
        const lm_infill_verdict last = lm_infill_check(&hole, (lm_text){text, whole}, true);
        assert_true(last.end != LM_INFILL_OPEN && last.size <= whole && certain <= last.size);
        if (first.end != LM_INFILL_OPEN)
            assert_true(last.end == first.end && last.size == first.size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(infills_of_python),
        cmocka_unit_test(infills_of_c),
        cmocka_unit_test(infills_of_other_languages),
        cmocka_unit_test(a_shape_may_be_asked_for),
        cmocka_unit_test(what_is_certain_can_be_shown),
        cmocka_unit_test(a_line_of_crlf_ends_before_both),
        cmocka_unit_test(every_end_has_a_sentence_and_a_name),
        cmocka_unit_test(verdicts_stand_for_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
