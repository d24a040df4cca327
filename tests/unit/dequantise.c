// The reference's weights of every quantised format are, bit for bit, those of the package `gguf`
// (tools/golden/make_blocks.py): random blocks, the scales that break kernels among them.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/half.h"
#include "support/ref_dequantise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES ((size_t)1 << 20)

static uint32_t read_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

// The same bits; which NaN it is does not matter.
static void check_block(lm_format format, uint32_t number, const unsigned char *block,
                        const unsigned char *want)
{
    float got[256];
    const uint32_t n = lm_format_block_weights(format);
    ref_dequantise_row(format, block, n, got);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t bits = read_u32(want + 4 * i);
        const bool both_nan = isnan(got[i]) && isnan(lm_f32_from_bits(bits));
        if (lm_bits_from_f32(got[i]) != bits && !both_nan)
            fail_msg("%s: weight %u of block %u is %08x, wanted %08x", lm_format_name(format), i,
                     number, lm_bits_from_f32(got[i]), bits);
    }
}

static void blocks_are_what_they_stand_for(void **state)
{
    (void)state;
    lm_error err = {0};
    char *text = NULL;
    size_t size = 0;
    if (!lm_file_read_all(LM_SOURCE_DIR "/tests/golden/blocks.bin", -1, MAX_FILE_BYTES, &text,
                          &size, &err))
        fail_msg("%s", err.message);
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + size;
    uint32_t n_formats = 0;
    while (at < end) {
        const lm_format format = (lm_format)read_u32(at);
        const uint32_t n_blocks = read_u32(at + 4);
        const uint32_t bytes = lm_format_block_bytes(format);
        const uint32_t weights = lm_format_block_weights(format);
        const unsigned char *blocks = at + 8;
        const unsigned char *want = blocks + n_blocks * bytes;
        at = want + (size_t)n_blocks * weights * 4;
        assert_true(n_blocks > 0 && at <= end);
        for (uint32_t i = 0; i < n_blocks; i++)
            check_block(format, i, blocks + i * bytes, want + (size_t)i * weights * 4);
        n_formats++;
    }
    assert_int_equal(n_formats, 10);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_are_what_they_stand_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
