// The comment that names a file, in the language that its name tells.

#include "tokenizer/prompt.h"

#include <stdlib.h>
#include <strings.h>

struct sign {
    const char *open, *close;
    const char *names; // endings behind the last '.', or whole names; with a space around each
};

static const struct sign signs[] = {
    {"# ", "",
     " py pyi pyx rb rake gemspec pl pm t r sh bash zsh fish ksh awk sed tcl jl ex exs nim cr "
     "coffee "
     "yml yaml toml cfg conf properties mk make cmake dockerfile tf hcl nix ps1 psm1 gd graphql "
     "makefile gnumakefile cmakelists.txt gemfile rakefile vagrantfile sconstruct "
     "bzl bazel build workspace requirements.txt .gitignore .bashrc .profile .env pro raku robot "
     "feature po txt "},
    {"// ", "",
     " c h cc cpp cxx hpp hh hxx inl ino m mm cs java kt kts scala sc groovy gradle js jsx mjs cjs "
     "ts tsx mts cts go rs swift dart php zig d v sv svh vert frag comp geom glsl hlsl wgsl metal "
     "cu "
     "cuh cl proto thrift sol fs fsi fsx json json5 jsonc jenkinsfile s asm scss less styl pas dpr "
     "odin jai hx as bicep rego cue typ prisma ld dts dtsi idl fbs vala move cairo "},
    {"-- ", "", " lua sql hs lhs elm adb ads vhd vhdl purs idr agda lean applescript ddl psql "},
    {"% ", "", " tex sty cls bib bst erl hrl mat "},
    {";; ", "", " lisp lsp el clj cljs cljc edn scm ss rkt fnl hy "},
    {"; ", "", " ini nasm inc ll reg ahk "},
    {"<!-- ", " -->",
     " html htm xhtml xml xsl xslt xsd svg vue svelte astro md markdown rst plist "
     "xaml csproj vcxproj fxml jsp cshtml ejs "},
    {"/* ", " */", " css "},
    {"(* ", " *)", " ml mli mll mly sml sig coq nb wl "},
    {"! ", "", " f90 f95 f03 f08 f for f77 "},
    {"' ", "", " vb vbs bas vba "},
    {"\" ", "", " vim vimrc .vimrc "},
    {"{- ", " -}", " dhall "},
    {"{# ", " #}", " j2 jinja jinja2 twig njk "},
    {"<%# ", " %>", " erb eex heex "},
    {"REM ", "", " bat cmd "},
};

static bool is_listed(const char *names, const char *name)
{
    const size_t size = strlen(name);
    for (const char *at = names; (at = strchr(at, ' ')) != NULL; at++)
        if (size > 0 && strncasecmp(at + 1, name, size) == 0 && at[1 + size] == ' ')
            return true;
    return false;
}

// "#" where the name tells nothing, as in the examples of DeepSeek-Coder.
static const struct sign *sign_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (is_listed(signs[i].names, name))
            return &signs[i];
    for (size_t i = 0; dot && i < sizeof signs / sizeof signs[0]; i++)
        if (is_listed(signs[i].names, dot + 1))
            return &signs[i];
    return &signs[0];
}

bool lm_path_comment(const char *path, char **comment, lm_error *err)
{
    const struct sign *sign = sign_of(path);
    const size_t open = strlen(sign->open);
    const size_t close = strlen(sign->close);
    const size_t size = strlen(path);
    char *to = malloc(open + size + close + 2);
    *comment = to;
    if (!to)
        return lm_fail(err, LM_NO_MEMORY, "no memory for a comment of %zu bytes", size);
    memcpy(to, sign->open, open);
    to += open;
    for (size_t i = 0; i < size; i++) {
        const unsigned char byte = (unsigned char)path[i];
        *to++ = byte < 0x20 || byte == 0x7f ? '?' : path[i];
    }
    memcpy(to, sign->close, close);
    memcpy(to + close, "\n", 2);
    return true;
}
