#include "tokenizer/utf8.h"
#include "tokenizer/tokenizer.h"

#include <assert.h>

// The length that a lead byte announces; 0 for a byte that leads nothing.
static size_t announced(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
}

// True if `second` may follow `lead`: this is where overlong forms, surrogates and code points that
// are too large are told from the rest.
static bool may_follow(unsigned char lead, unsigned char second)
{
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high;
}

// How many bytes of `text` belong to the character that its first byte begins, the first included,
// at most `length`.
static size_t good_prefix(lm_text text, size_t length)
{
    size_t n = 1;
    while (n < length && n < text.size) {
        const unsigned char next = (unsigned char)text.at[n];
        if (n == 1 ? !may_follow((unsigned char)text.at[0], next) : (next & 0xc0) != 0x80)
            break;
        n++;
    }
    return n;
}

size_t lm_utf8_decode(lm_text text, uint32_t *code_point)
{
    if (text.size == 0)
        return 0;
    const unsigned char lead = (unsigned char)text.at[0];
    const size_t length = announced(lead);
    if (length <= 1) {
        *code_point = lead;
        return length;
    }
    if (good_prefix(text, length) < length)
        return 0;
    uint32_t value = lead & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        value = value << 6 | ((unsigned char)text.at[i] & 0x3fu);
    *code_point = value;
    return length;
}

size_t lm_utf8_encode(uint32_t code_point, char out[4])
{
    static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    const size_t length = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    out[0] = (char)(lead[length] | code_point);
    return length;
}

size_t lm_utf8_unfinished(lm_text text)
{
    for (size_t n = 1; n <= 3 && n <= text.size; n++) {
        const lm_text tail = {text.at + text.size - n, n};
        const size_t length = announced((unsigned char)tail.at[0]);
        if (length > n && good_prefix(tail, length) == n)
            return n;
    }
    return 0;
}

size_t lm_utf8_stream_push(lm_utf8_stream *stream, lm_text bytes, char *out)
{
    assert(stream->n_held <= 3);
    memcpy(out, stream->held, stream->n_held);
    if (bytes.size > 0)
        memcpy(out + stream->n_held, bytes.at, bytes.size);
    const size_t size = stream->n_held + bytes.size;

    stream->n_held = lm_utf8_unfinished((lm_text){out, size});
    memcpy(stream->held, out + size - stream->n_held, stream->n_held);
    return size - stream->n_held;
}

size_t lm_utf8_stream_flush(lm_utf8_stream *stream, char *out)
{
    const size_t size = stream->n_held;
    memcpy(out, stream->held, size);
    stream->n_held = 0;
    return size;
}
