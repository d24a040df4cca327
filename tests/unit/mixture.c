// Which format each tensor of a quantised file gets. What is wanted here is what llama-quantize
// 0.7.0 made of models with as many layers and query heads to a key head.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/mixture.h"

#include <stdio.h>
#include <string.h>

// Formats as one letter a layer: the digit of the K formats, and for those with blocks of 32
// a = Q4_0, b = Q5_0, c = Q5_1, d = Q8_0.
static char letter(lm_format format)
{
    switch (format) {
    case LM_FORMAT_Q2_K:
        return '2';
    case LM_FORMAT_Q3_K:
        return '3';
    case LM_FORMAT_Q4_K:
        return '4';
    case LM_FORMAT_Q5_K:
        return '5';
    case LM_FORMAT_Q6_K:
        return '6';
    case LM_FORMAT_Q4_0:
        return 'a';
    case LM_FORMAT_Q5_0:
        return 'b';
    case LM_FORMAT_Q5_1:
        return 'c';
    case LM_FORMAT_Q8_0:
        return 'd';
    default:
        return '?';
    }
}

static const lm_mixture *find(const char *name)
{
    lm_error err;
    const lm_mixture *mixture = lm_mixture_find(name, &err);
    if (!mixture)
        fail_msg("%s", err.message);
    return mixture;
}

static lm_config family(const char *name)
{
    lm_config config;
    lm_error err;
    if (!lm_config_from_shape(&config, name, &err))
        fail_msg("%s", err.message);
    return config;
}

// One tensor in all layers.
static void expect(const char *shape, const char *name, lm_tensor_kind kind, const char *want)
{
    const lm_config c = family(shape);
    const uint32_t n_cols = kind == LM_TENSOR_DOWN ? c.n_ff : c.n_embd;
    char got[65] = {0};
    for (uint32_t layer = 0; layer < c.n_layer; layer++)
        got[layer] = letter(lm_mixture_format(find(name), &c, kind, layer, n_cols));
    if (strcmp(got, want) != 0)
        fail_msg("%s %s, kind %d: %s instead of %s", shape, name, (int)kind, got, want);
}

// 24 layers; ffn_down has 5504 columns, no multiple of 256.
static void the_1_3b(void **state)
{
    (void)state;
    const char *shape = "deepseek-coder-1.3b";
    expect(shape, "Q4_K_M", LM_TENSOR_V, "666446446446446446446666");
    expect(shape, "Q4_K_M", LM_TENSOR_DOWN, "dddbbdbbdbbdbbdbbdbbdddd");
    expect(shape, "Q4_K_M", LM_TENSOR_Q, "444444444444444444444444");
    expect(shape, "Q5_K_M", LM_TENSOR_V, "666556556556556556556666");
    expect(shape, "Q5_K_M", LM_TENSOR_DOWN, "dddccdccdccdccdccdccdddd");
    expect(shape, "Q4_K_S", LM_TENSOR_V, "555544444444444444444444");
    expect(shape, "Q4_K_S", LM_TENSOR_DOWN, "cccbbbbbbbbbbbbbbbbbbbbb");
    expect(shape, "Q5_K_S", LM_TENSOR_DOWN, "cccccccccccccccccccccccc");
    expect(shape, "Q3_K_M", LM_TENSOR_V, "554444444444444444444444");
    expect(shape, "Q3_K_M", LM_TENSOR_DOWN, "cbbbbbbbbbbbbbbbbbbbbbbb");
    expect(shape, "Q3_K_M", LM_TENSOR_ATTN_OUT, "444444444444444444444444");
    expect(shape, "Q3_K_L", LM_TENSOR_DOWN, "cccccccccccccccccccccccc");
    expect(shape, "Q3_K_S", LM_TENSOR_DOWN, "aaaaaaaaaaaaaaaaaaaaaaaa");
    expect(shape, "Q2_K", LM_TENSOR_V, "333333333333333333333333");
    expect(shape, "Q2_K", LM_TENSOR_DOWN, "aaaaaaaaaaaaaaaaaaaaaaaa");
    expect(shape, "Q2_K", LM_TENSOR_ATTN_OUT, "333333333333333333333333");
    expect(shape, "Q2_K", LM_TENSOR_GATE, "222222222222222222222222");
    expect(shape, "Q6_K", LM_TENSOR_DOWN, "dddddddddddddddddddddddd");
    expect(shape, "Q6_K", LM_TENSOR_UP, "666666666666666666666666");
}

// 62 layers, seven query heads to a key head, every width a multiple of 256.
static void the_33b(void **state)
{
    (void)state;
    const char *shape = "deepseek-coder-33b";
    const char *mixed = "66666664464464464464464464464464464464464464464464464466666666";
    expect(shape, "Q4_K_M", LM_TENSOR_DOWN, mixed);
    expect(shape, "Q4_K_M", LM_TENSOR_V, mixed);
    expect(shape, "Q4_K_S", LM_TENSOR_DOWN,
           "55555554444444444444444444444444444444444444444444444444444444");
    expect(shape, "Q3_K_M", LM_TENSOR_DOWN,
           "55544444444444444444444444444444444444444444444444444444444444");
    expect(shape, "Q3_K_L", LM_TENSOR_ATTN_OUT,
           "55555555555555555555555555555555555555555555555555555555555555");
    expect(shape, "Q2_K", LM_TENSOR_V,
           "44444444444444444444444444444444444444444444444444444444444444");
    expect(shape, "Q2_K", LM_TENSOR_DOWN,
           "33333333333333333333333333333333333333333333333333333333333333");
}

static void embedding_and_output(void **state)
{
    (void)state;
    lm_config c = family("deepseek-coder-1.3b");
    static const struct {
        const char *name;
        lm_format embedding, output;
    } want[] = {
        {"Q8_0", LM_FORMAT_Q8_0, LM_FORMAT_Q8_0},   {"Q4_0", LM_FORMAT_Q4_0, LM_FORMAT_Q6_K},
        {"Q5_1", LM_FORMAT_Q5_1, LM_FORMAT_Q6_K},   {"Q2_K", LM_FORMAT_Q2_K, LM_FORMAT_Q6_K},
        {"Q4_K_M", LM_FORMAT_Q4_K, LM_FORMAT_Q6_K}, {"Q6_K", LM_FORMAT_Q6_K, LM_FORMAT_Q6_K},
        {"F16", LM_FORMAT_F16, LM_FORMAT_F16},      {"F32", LM_FORMAT_F32, LM_FORMAT_F32},
        {"BF16", LM_FORMAT_BF16, LM_FORMAT_BF16},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const lm_mixture *m = find(want[i].name);
        c.tied = false;
        assert_int_equal(lm_mixture_format(m, &c, LM_TENSOR_TOKEN_EMBD, 0, 2048),
                         want[i].embedding);
        assert_int_equal(lm_mixture_format(m, &c, LM_TENSOR_OUTPUT, 0, 2048), want[i].output);
        c.tied = true; // the embedding is the output
        assert_int_equal(lm_mixture_format(m, &c, LM_TENSOR_TOKEN_EMBD, 0, 2048), want[i].output);
    }
    c.tied = false;
    assert_int_equal(lm_mixture_format(find("Q4_0"), &c, LM_TENSOR_OUTPUT, 0, 160), LM_FORMAT_Q8_0);
    assert_int_equal(lm_mixture_format(find("F16"), &c, LM_TENSOR_DOWN, 0, 5504), LM_FORMAT_F16);
}

static void names_are_found(void **state)
{
    (void)state;
    lm_error err;
    size_t n;
    const lm_mixture *all = lm_mixtures(&n);
    assert_int_equal(n, 17);
    assert_null(lm_mixture_find("Q9_K", &err));
    assert_int_equal(err.status, LM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'Q9_K'"));
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(find(all[i].name), &all[i]);
        assert_non_null(strstr(err.message, all[i].name));
    }
    assert_string_equal(find("q4_k")->name, "Q4_K_M");
    assert_string_equal(find("Q3_K")->name, "Q3_K_M");
    assert_int_equal(find("Q4_K_M")->file_type, 15);
    assert_int_equal(find("Q5_K")->file_type, 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_1_3b),
        cmocka_unit_test(the_33b),
        cmocka_unit_test(embedding_and_output),
        cmocka_unit_test(names_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
