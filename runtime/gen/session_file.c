// Sessions in files: between the device's memory and the format.

#include "gen/objects.h"

#include "base/clock.h"
#include "base/hash.h"
#include "gen/session_format.h"
#include "interface/kv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAGING_BYTES ((uint64_t)4 << 20)
#define MAX_COPIES    1024 // of one recording

_Static_assert(KV_TILE == LM_SESSION_TILE, "a file has whole tiles");

// ---- what a session is --------------------------------------------------------------------------

static const char *kv_name(uint32_t type)
{
    return type < LM_KV_TYPE_COUNT ? lm_kv_type_name((lm_kv_type)type) : "an unknown type";
}

// A part of K or V of a layer: [n_head_kv][n_ctx / 16][tile_bytes].
struct plane {
    uint64_t offset; // from the address of K or V
    uint64_t tile_bytes;
};

#define MAX_PLANES 2 // values and, of q8_0, scales

static uint32_t find_planes(const lm_kv_layer *kv, struct plane planes[MAX_PLANES])
{
    const uint64_t n_tiles = (uint64_t)kv->n_head_kv * kv->n_ctx / KV_TILE;
    const uint64_t values = lm_kv_value_bytes(kv);
    const uint64_t scales = lm_kv_layer_bytes(kv) - values;
    planes[0] = (struct plane){.tile_bytes = values / n_tiles};
    planes[1] = (struct plane){.offset = values, .tile_bytes = scales / n_tiles};
    return scales > 0 ? 2 : 1;
}

static uint64_t hash_vocabulary(const lm_tokenizer *tokenizer)
{
    uint64_t hash = LM_HASH_START;
    for (size_t i = 0; i < lm_tokenizer_n_vocab(tokenizer); i++) {
        const lm_text spelling = lm_tokenizer_spelling(tokenizer, (lm_token)i);
        const unsigned char facts[] = {(unsigned char)spelling.size,
                                       (unsigned char)(spelling.size >> 8),
                                       lm_tokenizer_is_control(tokenizer, (lm_token)i)};
        hash = lm_hash(lm_hash(hash, facts, sizeof facts), spelling.at, spelling.size);
    }
    return hash;
}

// The header of a file of this session, without the note.
static lm_session_header describe(const lm_session *it)
{
    const lm_model *model = it->model;
    struct plane planes[MAX_PLANES];
    const uint32_t n_planes = find_planes(&it->kv[0], planes);
    lm_session_header h = {
        .weights_hash = model->fingerprint,
        .vocabulary_hash = hash_vocabulary(model->tokenizer),
        .rope_base = model->config.rope_base,
        .rope_factor = model->config.rope_factor,
        .n_layer = model->config.n_layer,
        .n_vocab = model->config.n_vocab,
        .kv_type = it->kv[0].type,
        .n_tokens = it->n_tokens,
        .n_evaluated = it->n_evaluated,
        .has_logits = it->logits_at == it->n_tokens && it->n_evaluated == it->n_tokens,
    };
    for (uint32_t i = 0; i < n_planes; i++)
        h.kv_tile_bytes += 2 * it->kv[0].n_head_kv * (uint32_t)planes[i].tile_bytes;
    snprintf(h.model, sizeof h.model, "%s", model->info.name);
    snprintf(h.format, sizeof h.format, "%s", model->info.format);
    return h;
}

// Whether a session may be saved or replaced now.
static bool check_idle(const lm_session *it, lm_error *err)
{
    if (it->generation)
        return lm_fail(err, LM_BAD_ARGUMENT, "a generation is under way on this session");
    if (it->sync_target != 0)
        return lm_fail(err, LM_BAD_ARGUMENT, "a sync is under way on this session");
    return true;
}

// ---- between file and device --------------------------------------------------------------------

// Moves ranges of device memory, in order, out to a writer or in from a reader, by a buffer that
// both the host and the device see.
struct mover {
    lm_gpu *gpu;
    lm_session_writer *writer; // borrowed; NULL: from the reader
    lm_session_reader *reader; // borrowed
    lm_buffer *staging;        // owned
    uint64_t room, used;
    lm_recording *recording; // owned; NULL: nothing to copy yet
    uint32_t n_copies;
};

static bool mover_init(struct mover *it, lm_error *err)
{
    it->room = STAGING_BYTES;
    const lm_buffer_params params = {"a session's way to its file", it->room, LM_MEMORY_SHARED};
    it->staging = lm_buffer_create(it->gpu, &params, err);
    return it->staging != NULL;
}

static void mover_finish(struct mover *it)
{
    lm_recording_destroy(&it->recording);
    lm_buffer_destroy(&it->staging);
}

// Makes the copies that were asked for.
static bool flush(struct mover *it, lm_error *err)
{
    if (!it->recording)
        return true;
    const bool ok = lm_recording_end(it->recording, err) && lm_recording_run(it->recording, err) &&
                    (!it->writer || lm_session_writer_put(it->writer, lm_buffer_map(it->staging),
                                                          (size_t)it->used, err));
    lm_recording_destroy(&it->recording);
    it->used = 0;
    it->n_copies = 0;
    return ok;
}

// `size` is a multiple of 16.
static bool move(struct mover *it, uint64_t address, uint64_t size, lm_error *err)
{
    while (size > 0) {
        const uint64_t left = it->room - it->used;
        const uint64_t n = size < left ? size : left;
        const uint64_t staged = lm_buffer_address(it->staging) + it->used;
        char *bytes = (char *)lm_buffer_map(it->staging) + it->used;
        if (it->reader && !lm_session_reader_get(it->reader, bytes, (size_t)n, err))
            return false;
        if (!it->recording)
            it->recording = lm_recording_begin(it->gpu, "a session's way to its file", err);
        if (!it->recording)
            return false;
        lm_op_copy(it->recording, &(lm_copy){.from = it->writer ? address : staged,
                                             .to = it->writer ? staged : address,
                                             .size_bytes = n});
        it->used += n;
        it->n_copies++;
        address += n;
        size -= n;
        if ((it->used == it->room || it->n_copies == MAX_COPIES) && !flush(it, err))
            return false;
    }
    return true;
}

// All that a file has of K and V, in its order.
static bool move_kv(struct mover *mover, const lm_session *it, uint32_t n_evaluated, lm_error *err)
{
    const uint64_t n_tiles = ((uint64_t)n_evaluated + KV_TILE - 1) / KV_TILE;
    for (uint32_t layer = 0; layer < it->model->config.n_layer; layer++) {
        const lm_kv_layer *kv = &it->kv[layer];
        struct plane planes[MAX_PLANES];
        const uint32_t n_planes = find_planes(kv, planes);
        for (uint32_t i = 0; i < 2 * n_planes; i++) {
            const struct plane *plane = &planes[i % n_planes];
            const uint64_t start = (i < n_planes ? kv->k : kv->v) + plane->offset;
            const uint64_t head_bytes = plane->tile_bytes * (kv->n_ctx / KV_TILE);
            for (uint32_t head = 0; head < kv->n_head_kv; head++)
                if (!move(mover, start + head * head_bytes, n_tiles * plane->tile_bytes, err))
                    return false;
        }
    }
    return flush(mover, err);
}

// ---- saving -------------------------------------------------------------------------------------

static bool put_tokens(const lm_session *it, lm_session_writer *writer, lm_error *err)
{
    for (uint32_t i = 0; i < it->n_tokens; i++) {
        const uint32_t token = (uint32_t)it->tokens[i];
        const unsigned char bytes[4] = {(unsigned char)token, (unsigned char)(token >> 8),
                                        (unsigned char)(token >> 16), (unsigned char)(token >> 24)};
        if (!lm_session_writer_put(writer, bytes, sizeof bytes, err))
            return false;
    }
    return true;
}

bool lm_session_save(lm_session *it, const char *path, lm_text note, lm_error *err)
{
    if (!check_idle(it, err))
        return false;
    if (it->n_tokens == 0)
        return lm_fail(err, LM_BAD_ARGUMENT, "the session holds no tokens to save");
    if (note.size > LM_SESSION_NOTE_BYTES)
        return lm_fail(err, LM_BAD_ARGUMENT, "a note of %zu bytes exceeds the limit of %zu",
                       note.size, LM_SESSION_NOTE_BYTES);
    lm_session_header header = describe(it);
    header.note_bytes = note.size;
    // Read first: where the device fails, no file was begun.
    const float *logits = header.has_logits ? lm_session_logits(it, err) : NULL;
    if (header.has_logits && !logits)
        return false;
    struct mover mover = {.gpu = it->model->device->gpu};
    mover.writer = lm_session_writer_create(path, &header, err);
    const bool ok = mover.writer && mover_init(&mover, err) && put_tokens(it, mover.writer, err) &&
                    lm_session_writer_put(mover.writer, note.at, note.size, err) &&
                    lm_session_writer_put(mover.writer, logits,
                                          (size_t)lm_session_logits_bytes(&header), err) &&
                    move_kv(&mover, it, header.n_evaluated, err) &&
                    lm_session_writer_commit(&mover.writer, err);
    lm_session_writer_discard(&mover.writer);
    mover_finish(&mover);
    return ok;
}

// ---- loading ------------------------------------------------------------------------------------

static bool check_model(const char *path, const lm_session_header *file,
                        const lm_session_header *own, lm_error *err)
{
    const bool same_name = strcmp(file->model, own->model) == 0;
    if (same_name && strcmp(file->format, own->format) != 0)
        return lm_fail(err, LM_BAD_FILE, "%s was saved with weights in %s; this '%s' has %s", path,
                       file->format, own->model, own->format);
    if (file->weights_hash != own->weights_hash)
        return lm_fail(err, LM_BAD_FILE, "%s was saved with %s model '%s' (%s); this is '%s' (%s)",
                       path, same_name ? "another" : "the", file->model, file->format, own->model,
                       own->format);
    if (file->vocabulary_hash != own->vocabulary_hash || file->n_vocab != own->n_vocab)
        return lm_fail(err, LM_BAD_FILE, "%s was saved with another vocabulary than that of '%s'",
                       path, own->model);
    if (file->rope_base != own->rope_base || file->rope_factor != own->rope_factor)
        return lm_fail(err, LM_BAD_FILE,
                       "%s was saved with a RoPE base of %g and factor of %g; this model has %g "
                       "and %g",
                       path, file->rope_base, file->rope_factor, own->rope_base, own->rope_factor);
    return true;
}

static bool check_fit(const lm_session *it, const lm_session_reader *reader, lm_error *err)
{
    const lm_session_header *file = lm_session_reader_header(reader);
    const lm_session_header own = describe(it);
    const char *path = lm_session_reader_path(reader);
    if (!check_model(path, file, &own, err))
        return false;
    if (file->kv_type != own.kv_type)
        return lm_fail(err, LM_BAD_FILE,
                       "%s was saved with a KV cache in %s; that of this session is in %s", path,
                       kv_name(file->kv_type), kv_name(own.kv_type));
    if (file->n_layer != own.n_layer || file->kv_tile_bytes != own.kv_tile_bytes)
        return lm_fail(err, LM_BAD_FILE, "%s is damaged: its sizes are not those of '%s'", path,
                       own.model);
    if (file->n_tokens > it->ctx_tokens)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "%s holds %" PRIu32 " tokens; the context of this session has room for "
                       "%" PRIu32,
                       path, file->n_tokens, it->ctx_tokens);
    return true;
}

// Brings an array from the host to the device; there it may be longer by what is missing to 16
// bytes.
static bool fill(const struct mover *mover, uint64_t address, const void *from, uint64_t size,
                 lm_error *err)
{
    for (uint64_t at = 0; at < size; at += mover->room) {
        const uint64_t n = size - at < mover->room ? size - at : mover->room;
        memcpy(lm_buffer_map(mover->staging), (const char *)from + at, (size_t)n);
        lm_recording *recording = lm_recording_begin(mover->gpu, "a session from its file", err);
        if (!recording)
            return false;
        lm_op_copy(recording, &(lm_copy){.from = lm_buffer_address(mover->staging),
                                         .to = address + at,
                                         .size_bytes = (n + 15) / 16 * 16});
        const bool ok = lm_recording_end(recording, err) && lm_recording_run(recording, err);
        lm_recording_destroy(&recording);
        if (!ok)
            return false;
    }
    return true;
}

// Fills a session that has been emptied; the reader stands before the logits.
static bool restore(lm_session *it, struct mover *mover, const lm_token *tokens, lm_error *err)
{
    const lm_session_header *h = lm_session_reader_header(mover->reader);
    const uint64_t logits_bytes = lm_session_logits_bytes(h);
    if (!fill(mover, it->timeline.tokens, tokens, (uint64_t)h->n_tokens * 4, err) ||
        !lm_session_reader_get(mover->reader, it->logits, (size_t)logits_bytes, err) ||
        !fill(mover, it->scratch.logits, it->logits, logits_bytes, err) ||
        !move_kv(mover, it, h->n_evaluated, err))
        return false;
    memcpy(it->tokens, tokens, h->n_tokens * sizeof *tokens);
    it->n_tokens = h->n_tokens;
    it->n_evaluated = h->n_evaluated;
    it->logits_at = h->has_logits ? h->n_tokens : 0;
    it->logits_read_at = it->logits_at;
    it->sync_start_ns = lm_clock_ns();
    // Of a generation that was ended before its first token.
    it->pending = (lm_pending){0};
    return true;
}

static void give_note(const lm_session_header *header, char *text, char **note, size_t *note_bytes)
{
    if (note) {
        *note = text;
        *note_bytes = (size_t)header->note_bytes;
    } else {
        free(text);
    }
}

bool lm_session_load(lm_session *it, const char *path, char **note, size_t *note_bytes,
                     lm_error *err)
{
    if (!check_idle(it, err))
        return false;
    lm_token *tokens = NULL;
    char *text = NULL;
    struct mover mover = {.gpu = it->model->device->gpu};
    mover.reader = lm_session_reader_open(path, err);
    bool ok = mover.reader && check_fit(it, mover.reader, err) &&
              lm_session_reader_check(mover.reader, &tokens, &text, err) && mover_init(&mover, err);
    if (ok) {
        lm_session_clear(it);
        ok = restore(it, &mover, tokens, err);
    }
    if (ok)
        give_note(lm_session_reader_header(mover.reader), text, note, note_bytes);
    else
        free(text);
    free(tokens);
    lm_session_reader_close(&mover.reader);
    mover_finish(&mover);
    return ok;
}

bool lm_session_file_read_note(const char *path, lm_session_file_info *info, char **note,
                               size_t *note_bytes, lm_error *err)
{
    char *text = NULL;
    lm_session_reader *reader = lm_session_reader_open(path, err);
    bool ok = reader && lm_session_reader_check(reader, NULL, &text, err);
    const lm_session_header *header = ok ? lm_session_reader_header(reader) : NULL;
    if (ok && header->kv_type >= LM_KV_TYPE_COUNT)
        ok = lm_fail(err, LM_BAD_FILE,
                     "%s has a KV cache of type %" PRIu32 ", which this program does not know",
                     path, header->kv_type);
    if (ok && info) {
        *info = (lm_session_file_info){
            .kv = (lm_kv_type)header->kv_type,
            .n_tokens = header->n_tokens,
            .file_bytes = lm_session_reader_file_bytes(reader),
        };
        memcpy(info->model, header->model, sizeof info->model);
        memcpy(info->format, header->format, sizeof info->format);
    }
    if (ok)
        give_note(header, text, note, note_bytes);
    else
        free(text);
    lm_session_reader_close(&reader);
    return ok;
}
