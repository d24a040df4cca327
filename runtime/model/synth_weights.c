#include "model/synth_weights.h"

#include "base/half.h"
#include "model/synth_random.h"

#include <math.h>
#include <stdlib.h>

#define Q8_BLOCK_WEIGHTS 32u
#define Q8_BLOCK_BYTES   34u
#define Q8_BLOCK_WORDS   5u // of random bits: 4 for the quants, 1 for the scale

// Relative scales of Q8_0 blocks. Their mean square is 0.996, so that they leave the standard
// deviation alone; a matrix read with the scales of its neighbours is another matrix.
static const float SCALES[8] = {0.625f, 0.75f, 0.875f, 0.9375f, 1.0625f, 1.125f, 1.1875f, 1.25f};

static uint64_t stream_key(const lm_tensor_info *info)
{
    return lm_synth_mix(0x4c656d6e6f733031u + (uint64_t)info->kind * 0x100000000u + info->layer);
}

// Finds steps and exponent for weights u * 2^-exponent with |u| <= steps: the finest grid with
// steps <= limit whose standard deviation sqrt(steps (steps + 1) / 3) * 2^-exponent is 1/sqrt(n).
static void choose_grid(lm_synth_grid *grid, uint32_t limit)
{
    grid->exponent = 0;
    for (;;) {
        const uint64_t square = ((uint64_t)3 << 2 * (grid->exponent + 1)) / grid->n_cols;
        if (square > (uint64_t)limit * (limit + 1))
            break;
        grid->exponent++;
    }
    const uint64_t square = ((uint64_t)3 << 2 * grid->exponent) / grid->n_cols;
    uint32_t low = 0; // the largest steps with steps (steps + 1) <= square, by bisection
    uint32_t high = limit;
    while (low < high) {
        const uint32_t middle = (low + high + 1) / 2;
        if ((uint64_t)middle * (middle + 1) <= square)
            low = middle;
        else
            high = middle - 1;
    }
    grid->steps = low;
}

static float grid_step(const lm_synth_grid *grid)
{
    return lm_f32_from_bits((127 - grid->exponent) << 23);
}

static bool make_table(lm_synth_grid *grid)
{
    const uint32_t n = 2 * grid->steps + 1;
    grid->table = malloc(n * sizeof *grid->table);
    if (!grid->table)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const float weight = (float)((int32_t)i - (int32_t)grid->steps) * grid_step(grid);
        grid->table[i] =
            grid->format == LM_FORMAT_F16 ? lm_f16_from_f32(weight) : lm_bf16_from_f32(weight);
    }
    return true;
}

bool lm_synth_grid_init(lm_synth_grid *grid, lm_format format, uint32_t n_cols)
{
    *grid = (lm_synth_grid){.format = format, .n_cols = n_cols};
    if (lm_synth_blocks_cover(format)) {
        lm_synth_blocks_init(&grid->blocks, format, n_cols);
        return true;
    }
    switch (format) {
    case LM_FORMAT_F32:
        // 24 bits of precision; the last three are added here, as 3 << 2e would overflow with them
        choose_grid(grid, (1u << 21) - 1);
        grid->steps *= 8;
        grid->exponent += 3;
        return true;
    case LM_FORMAT_F16: // 11 bits of precision
        choose_grid(grid, 2047);
        return make_table(grid);
    case LM_FORMAT_BF16: // 8 bits
        choose_grid(grid, 255);
        return make_table(grid);
    case LM_FORMAT_Q8_0:
        // Quants uniform in -127 .. 127 have a standard deviation of 73.6.
        for (size_t i = 0; i < 8; i++)
            grid->scales[i] = lm_f16_from_f32(SCALES[i] / (73.6f * sqrtf((float)n_cols)));
        return true;
    default:
        return true;
    }
}

void lm_synth_grid_finish(lm_synth_grid *grid)
{
    free(grid->table);
    *grid = (lm_synth_grid){0};
}

// The scale of a Q8_0 block. Some blocks have the scales that break kernels: zero and subnormal.
static uint16_t draw_scale(const lm_synth_grid *grid, uint64_t random)
{
    switch (random & 4095u) {
    case 0:
        return 0;
    case 1:
        return (uint16_t)((random >> 32 & 1023u) | 1u);
    default:
        return grid->scales[random >> 12 & 7u];
    }
}

// Eight quants: the bytes of a random word, with 0 instead of -128 (which real files do not hold).
static inline uint64_t draw_quants(uint64_t random)
{
    const uint64_t low = random & 0x7f7f7f7f7f7f7f7fu;
    const uint64_t some = (low + 0x7f7f7f7f7f7f7f7fu) & 0x8080808080808080u; // low bits not all 0
    const uint64_t is_least = ~some & random & 0x8080808080808080u;
    return random & ~is_least;
}

static void make_q8_0(const lm_synth_grid *grid, uint64_t key, uint64_t block, uint64_t n_blocks,
                      unsigned char *to)
{
    for (const uint64_t end = block + n_blocks; block < end; block++) {
        const uint64_t first = block * Q8_BLOCK_WORDS;
        const uint16_t scale = draw_scale(grid, lm_synth_word(key, first));
        to[0] = (unsigned char)scale;
        to[1] = (unsigned char)(scale >> 8);
        for (uint32_t i = 0; i < 4; i++)
            lm_synth_store(to + 2 + 8 * i, draw_quants(lm_synth_word(key, first + 1 + i)), 8);
        to += Q8_BLOCK_BYTES;
    }
}

// Four 16-bit weights from a word: index = random 16 bits * count >> 16.
static void make_16(const lm_synth_grid *grid, uint64_t key, uint64_t first, uint64_t n,
                    unsigned char *to)
{
    const uint32_t count = 2 * grid->steps + 1;
    for (const uint64_t end = first + n / 4; first < end; first++) {
        const uint64_t random = lm_synth_word(key, first);
        uint64_t weights = 0;
        for (uint32_t i = 0; i < 4; i++) {
            const uint32_t index = (uint32_t)(random >> 16 * i & 0xffffu) * count >> 16;
            weights |= (uint64_t)grid->table[index] << 16 * i;
        }
        lm_synth_store(to, weights, 8);
        to += 8;
    }
}

// Two 32-bit weights from a word.
static void make_32(const lm_synth_grid *grid, uint64_t key, uint64_t first, uint64_t n,
                    unsigned char *to)
{
    const uint64_t count = 2 * (uint64_t)grid->steps + 1;
    const float step = grid_step(grid);
    for (const uint64_t end = first + n / 2; first < end; first++) {
        const uint64_t random = lm_synth_word(key, first);
        uint64_t weights = 0;
        for (uint32_t i = 0; i < 2; i++) {
            const int64_t index = (int64_t)((random >> 32 * i & 0xffffffffu) * count >> 32);
            const float weight = (float)(index - (int64_t)grid->steps) * step;
            weights |= (uint64_t)lm_bits_from_f32(weight) << 32 * i;
        }
        lm_synth_store(to, weights, 8);
        to += 8;
    }
}

void lm_synth_matrix(const lm_synth_grid *grid, const lm_tensor_info *info, uint32_t row,
                     uint32_t n_rows, void *to)
{
    // Rows are whole blocks (lm_config_check, lm_source_synthetic), so every division below is
    // exact.
    const uint64_t key = stream_key(info);
    const uint64_t first = (uint64_t)row * info->n_cols;
    const uint64_t n = (uint64_t)n_rows * info->n_cols;
    switch (info->format) {
    case LM_FORMAT_Q8_0:
        make_q8_0(grid, key, first / Q8_BLOCK_WEIGHTS, n / Q8_BLOCK_WEIGHTS, to);
        break;
    case LM_FORMAT_F16:
    case LM_FORMAT_BF16:
        make_16(grid, key, first / 4, n, to);
        break;
    case LM_FORMAT_F32:
        make_32(grid, key, first / 2, n, to);
        break;
    default: {
        const uint32_t block = lm_format_block_weights(info->format);
        lm_synth_blocks_make(&grid->blocks, key, first / block, n / block, to);
    }
    }
}

void lm_synth_vector(const lm_tensor_info *info, void *to)
{
    const uint64_t key = stream_key(info);
    const bool is_bias = info->kind >= LM_TENSOR_Q_BIAS;
    unsigned char *at = to;
    for (uint32_t c = 0; c < info->n_cols; c += 2) {
        const uint64_t random = lm_synth_word(key, c / 2);
        uint64_t weights = 0;
        for (uint32_t i = 0; i < 2; i++) {
            // 23 bits: 0.5 + k * 2^-23 is exact all the way up to 1.5, and so is 2 k * 2^-23 - 1
            const float unit = (float)(random >> 32 * i & 0x7fffffu) * 0x1p-23f;
            const float weight = is_bias ? 2.0f * unit - 1.0f : 0.5f + unit;
            weights |= (uint64_t)lm_bits_from_f32(weight) << 32 * i;
        }
        lm_synth_store(at, weights, 8);
        at += 8;
    }
}
