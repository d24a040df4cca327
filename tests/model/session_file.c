// Sessions saved and restored: what goes on is the same to the last bit, whatever is refused
// leaves the session as it was.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "gen/objects.h" // the device's GPU, to inject into
#include "lm.h"
#include "support/device.h"
#include "support/model.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#define N_VOCAB  512 // of the shape "tiny"
#define N_TOKENS 43  // in the middle of a third tile of K and V
#define N_NEW    24
#define N_CTX    256

struct fixture {
    lm_device *device;
    lm_model *model;
    scratch folder;
    lm_token tokens[N_TOKENS];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->device = model_device_open();
    f->model = model_open(f->device, "tiny", LM_FORMAT_Q8_0, N_CTX);
    f->folder = scratch_create();
    model_prompt(f->tokens, N_TOKENS, N_VOCAB, 3);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lm_model_close(&f->model);
    model_device_close(&f->device);
    scratch_remove(&f->folder);
    free(f);
    return 0;
}

static void save(lm_session *session, const char *path, const char *note)
{
    lm_error err = {0};
    model_must(lm_session_save(session, path, lm_text_of(note), &err), &err);
}

static void load(lm_session *session, const char *path, const char *want_note)
{
    lm_error err = {0};
    char *note = NULL;
    size_t size = 0;
    model_must(lm_session_load(session, path, &note, &size, &err), &err);
    assert_int_equal(size, strlen(want_note));
    assert_string_equal(note, want_note);
    free(note);
}

// Greedy, and sampled with penalties that look far back into what was restored.
static const lm_generation_params greedy = {.max_tokens = N_NEW, .ignore_end = true};
static const lm_generation_params sampled = {
    .max_tokens = N_NEW,
    .ignore_end = true,
    .sampling = {.temperature = 1.2f,
                 .top_k = 100,
                 .repeat_penalty = 4.0f,
                 .frequency_penalty = 3.0f,
                 .repeat_last_n = 200,
                 .seed = 11},
};

// What a session says next.
struct continuation {
    lm_token tokens[N_CTX];
    size_t n;
    uint64_t hash, evaluated;
};

static struct continuation go_on(lm_session *session, const lm_generation_params *params)
{
    struct continuation c = {0};
    const uint64_t before = lm_session_get_stats(session).evaluated;
    assert_int_equal(model_generate(session, params).n_tokens, params->max_tokens);
    const lm_token *tokens = lm_session_tokens(session, &c.n);
    memcpy(c.tokens, tokens, c.n * sizeof *tokens);
    c.hash = lm_session_get_stats(session).logits_hash;
    c.evaluated = lm_session_get_stats(session).evaluated - before;
    return c;
}

static void check_equal(const struct continuation *a, const struct continuation *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->tokens, b->tokens, a->n * sizeof *a->tokens);
    assert_true(a->hash == b->hash);
    assert_int_equal(a->evaluated, b->evaluated);
}

// ---- going on -----------------------------------------------------------------------------------

// A session that was filled by a prompt, or by a generation whose last token is not evaluated, is
// saved, goes on, and goes on again in a session of another capacity that held something else.
static void goes_on_alike(const struct fixture *f, lm_kv_type kv, bool generated,
                          const lm_generation_params *params)
{
    char path[256];
    scratch_path(&f->folder, "session", path);
    lm_session *session = model_session(f->model, 0, kv);
    lm_session *other = model_session(f->model, 128, kv);
    model_sync(session, f->tokens, N_TOKENS);
    if (generated)
        go_on(session, &sampled);
    save(session, path, "what was said");
    const struct continuation want = go_on(session, params);
    load(session, path, "what was said");
    const struct continuation again = go_on(session, params);
    check_equal(&again, &want);

    model_sync(other, f->tokens + 20, 20);
    load(other, path, "what was said");
    assert_int_equal(lm_session_get_stats(other).n_tokens, N_TOKENS + (generated ? N_NEW : 0));
    const struct continuation moved = go_on(other, params);
    check_equal(&moved, &want);
    lm_session_destroy(&session);
    lm_session_destroy(&other);
}

static void a_prompt_goes_on_alike(void **state)
{
    goes_on_alike(*state, LM_KV_F16, false, &greedy);
    goes_on_alike(*state, LM_KV_F16, false, &sampled);
    goes_on_alike(*state, LM_KV_F32, false, &sampled);
    goes_on_alike(*state, LM_KV_Q8_0, false, &sampled);
}

static void a_generation_goes_on_alike(void **state)
{
    goes_on_alike(*state, LM_KV_F16, true, &greedy);
    goes_on_alike(*state, LM_KV_F32, true, &sampled);
    goes_on_alike(*state, LM_KV_Q8_0, true, &sampled);
}

// The logits are there without evaluating anything, and a longer prompt finds its beginning.
static void nothing_is_evaluated_again(void **state)
{
    const struct fixture *f = *state;
    char path[256];
    float want[N_VOCAB];
    scratch_path(&f->folder, "session", path);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens, N_TOKENS - 3);
    memcpy(want, model_logits(session), sizeof want);
    save(session, path, "");
    lm_session_destroy(&session);

    session = model_session(f->model, 64, LM_KV_F16);
    load(session, path, "");
    assert_memory_equal(model_logits(session), want, sizeof want);
    model_sync(session, f->tokens, N_TOKENS - 3);
    assert_int_equal(lm_session_get_stats(session).evaluated, 0);
    assert_memory_equal(model_logits(session), want, sizeof want);
    model_sync(session, f->tokens, N_TOKENS);
    assert_int_equal(lm_session_get_stats(session).evaluated, 3);
    lm_session_destroy(&session);
}

// What a generation that was ended before its first token had begun is of no use any more.
static void a_begun_generation_is_forgotten(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_event event;
    char path[256];
    scratch_path(&f->folder, "session", path);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens, N_TOKENS);
    go_on(session, &sampled);
    save(session, path, "");
    const struct continuation want = go_on(session, &greedy);
    lm_session_destroy(&session);

    session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens + 10, 20);
    go_on(session, &sampled);
    const uint64_t before = lm_session_get_stats(session).evaluated;
    lm_generation *gen = lm_generation_begin(session, &greedy, &err);
    model_must(gen != NULL, &err);
    model_must(lm_generation_next(gen, &event, &err), &err);
    lm_generation_end(&gen);
    // The last token's evaluation is under way, not done: otherwise this tests nothing.
    assert_int_equal(lm_session_get_stats(session).evaluated, before);
    load(session, path, "");
    const struct continuation again = go_on(session, &greedy);
    check_equal(&again, &want);
    lm_session_destroy(&session);
}

// A full context can be saved; restored it is full again.
static void a_full_context_is_restored(void **state)
{
    const struct fixture *f = *state;
    char path[256];
    scratch_path(&f->folder, "session", path);
    const lm_generation_params all = {.ignore_end = true};
    lm_session *session = model_session(f->model, 48, LM_KV_F16);
    model_sync(session, f->tokens, N_TOKENS);
    assert_int_equal(model_generate(session, &all).finish, LM_FINISH_CONTEXT);
    save(session, path, "");
    load(session, path, "");
    assert_int_equal(lm_session_get_stats(session).n_tokens, 48);
    const model_text text = model_generate(session, &all);
    assert_int_equal(text.finish, LM_FINISH_CONTEXT);
    assert_int_equal(text.n_tokens, 0);
    lm_session_destroy(&session);
}

static void a_note_is_read_without_a_device(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char path[256];
    char *note = NULL;
    size_t size = 0;
    lm_session_file_info info;
    scratch_path(&f->folder, "session", path);
    lm_session *session = model_session(f->model, 0, LM_KV_F32);
    model_sync(session, f->tokens, N_TOKENS);
    const lm_text said = {"a\0b", 3};
    model_must(lm_session_save(session, path, said, &err), &err);
    lm_session_destroy(&session);
    model_must(lm_session_file_read_note(path, &info, &note, &size, &err), &err);
    assert_int_equal(size, 3);
    assert_memory_equal(note, "a\0b", 4);
    free(note);
    assert_string_equal(info.model, "tiny");
    assert_string_equal(info.format, "Q8_0");
    assert_int_equal(info.kv, LM_KV_F32);
    assert_int_equal(info.n_tokens, N_TOKENS);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(info.file_bytes, st.st_size);
    model_must(lm_session_file_read_note(path, NULL, NULL, NULL, &err), &err);
}

// ---- refusals -----------------------------------------------------------------------------------

// The session is as it was: the same tokens, logits and continuation as `want`.
static void check_unharmed(lm_session *session, const lm_token *tokens, size_t n,
                           const float *logits)
{
    size_t n_held = 0;
    const lm_token *held = lm_session_tokens(session, &n_held);
    assert_int_equal(n_held, n);
    assert_memory_equal(held, tokens, n * sizeof *tokens);
    assert_memory_equal(model_logits(session), logits, N_VOCAB * sizeof *logits);
}

static void refuse(lm_session *session, const char *path, lm_status status, const char *sentence)
{
    lm_error err = {0};
    char *note = NULL;
    size_t n = 0;
    size_t size = 77;
    lm_token tokens[N_CTX];
    float logits[N_VOCAB];
    const lm_token *held = lm_session_tokens(session, &n);
    memcpy(tokens, held, n * sizeof *held);
    memcpy(logits, model_logits(session), sizeof logits);
    assert_false(lm_session_load(session, path, &note, &size, &err));
    assert_null(note);
    assert_int_equal(size, 77);
    if (!strstr(err.message, sentence))
        fail_msg("'%s' does not say '%s'", err.message, sentence);
    assert_int_equal(err.status, status);
    check_unharmed(session, tokens, n, logits);
}

// The shape "tiny" with another value for one of its keys, as a file of this name.
static const char *other_shape(const struct fixture *f, const char *name, const char *from,
                               const char *to, char path[256])
{
    lm_error err = {0};
    char shape[4096];
    char *text = NULL;
    char changed[1024];
    size_t size = 0;
    model_shape_path("tiny", shape);
    model_must(lm_file_read_all(shape, -1, sizeof changed / 2, &text, &size, &err), &err);
    const char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    free(text);
    return scratch_write(&f->folder, name, changed, strlen(changed), path);
}

static void save_of_model(const struct fixture *f, const lm_model_params *params, const char *path)
{
    lm_error err = {0};
    lm_model *model = lm_model_open(f->device, params, &err);
    model_must(model != NULL, &err);
    lm_session *session = model_session(model, 64, LM_KV_F16);
    model_sync(session, f->tokens, 20);
    save(session, path, "");
    lm_session_destroy(&session);
    lm_model_close(&model);
}

static void foreign_models_are_refused(void **state)
{
    const struct fixture *f = *state;
    char path[256];
    char shape[256];
    char tiny[4096];
    scratch_path(&f->folder, "foreign", path);
    model_shape_path("tiny", tiny);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens, 30);

    save_of_model(f, &(lm_model_params){.synthetic = tiny, .format = "F16"}, path);
    refuse(session, path, LM_BAD_FILE,
           "foreign was saved with weights in F16; this 'tiny' has Q8_0");
    other_shape(f, "small.json", "\"layers\": 2", "\"layers\": 1", shape);
    save_of_model(f, &(lm_model_params){.synthetic = shape}, path);
    refuse(session, path, LM_BAD_FILE,
           "foreign was saved with the model 'small' (Q8_0); this is 'tiny' (Q8_0)");
    other_shape(f, "tiny.json", "\"intermediate\": 96", "\"intermediate\": 128", shape);
    save_of_model(f, &(lm_model_params){.synthetic = shape}, path);
    refuse(session, path, LM_BAD_FILE,
           "foreign was saved with another model 'tiny' (Q8_0); this is 'tiny' (Q8_0)");
    other_shape(f, "tiny.json", "\"rope_factor\": 4", "\"rope_factor\": 1", shape);
    save_of_model(f, &(lm_model_params){.synthetic = shape}, path);
    refuse(session, path, LM_BAD_FILE,
           "foreign was saved with a RoPE base of 100000 and factor of 1; this model has 100000 "
           "and 4");
    lm_session_destroy(&session);
}

// A synthetic model and the file written from it are one model, unless a token is spelt otherwise.
static void the_file_of_a_synthetic_model_is_the_same(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char *bytes = NULL;
    size_t size = 0;
    char path[256];
    char gguf[256];
    char tiny[4096];
    scratch_path(&f->folder, "session", path);
    scratch_path(&f->folder, "tiny.gguf", gguf);
    model_shape_path("tiny", tiny);
    model_must(lm_model_write_synthetic(&(lm_model_params){.synthetic = tiny, .format = "Q8_0"},
                                        gguf, &err),
               &err);
    save_of_model(f, &(lm_model_params){.path = gguf}, path);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    load(session, path, "");

    model_must(lm_file_read_all(gguf, -1, (size_t)1 << 26, &bytes, &size, &err), &err);
    char *spelling = memmem(bytes, size, "<|User|>", 8);
    assert_non_null(spelling);
    spelling[2] = 'L';
    scratch_write(&f->folder, "tiny.gguf", bytes, size, gguf);
    free(bytes);
    save_of_model(f, &(lm_model_params){.path = gguf}, path);
    refuse(session, path, LM_BAD_FILE,
           "session was saved with another vocabulary than that of 'tiny'");

    // Weights that were trained on are another model, whatever it is called.
    model_write_changed(gguf, "tiny", LM_FORMAT_Q8_0, "blk.1.ffn_up.weight", 5, "\x7f", 1);
    save_of_model(f, &(lm_model_params){.path = gguf}, path);
    refuse(session, path, LM_BAD_FILE,
           "session was saved with another model 'tiny' (Q8_0); this is 'tiny' (Q8_0)");
    lm_session_destroy(&session);
}

static void other_caches_and_contexts_are_refused(void **state)
{
    const struct fixture *f = *state;
    char path[256];
    scratch_path(&f->folder, "session", path);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    lm_session *small = model_session(f->model, N_TOKENS - 1, LM_KV_F16);
    lm_session *exact = model_session(f->model, 0, LM_KV_F32);
    model_sync(session, f->tokens, N_TOKENS);
    model_sync(small, f->tokens, 10);
    model_sync(exact, f->tokens, 10);
    save(session, path, "");
    refuse(small, path, LM_BAD_ARGUMENT,
           "session holds 43 tokens; the context of this session has room for 42");
    refuse(exact, path, LM_BAD_FILE,
           "session was saved with a KV cache in f16; that of this session is in f32");
    lm_session_destroy(&session);
    lm_session_destroy(&small);
    lm_session_destroy(&exact);
}

static void what_is_no_session_is_refused(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char path[256];
    char *bytes = NULL;
    size_t size = 0;
    scratch_path(&f->folder, "session", path);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens, N_TOKENS);
    save(session, path, "note");
    model_must(lm_file_read_all(path, -1, (size_t)1 << 26, &bytes, &size, &err), &err);
    refuse(session, f->folder.folder, LM_BAD_FILE, "is a directory, not a file");
    refuse(session, "/nowhere/session", LM_BAD_FILE, "No such file or directory");
    scratch_write(&f->folder, "text", "{\"roles\": []}", 13, path);
    refuse(session, path, LM_BAD_FILE, "text is not a session file");
    scratch_write(&f->folder, "short", bytes, size - 1, path);
    refuse(session, path, LM_BAD_FILE, "short is truncated");
    // In K or V, far behind what is looked at first.
    bytes[size - 100] ^= 16;
    scratch_write(&f->folder, "damaged", bytes, size, path);
    refuse(session, path, LM_BAD_FILE, "damaged is damaged: bytes 256 to");
    free(bytes);

    const struct continuation after = go_on(session, &sampled);
    lm_session *fresh = model_session(f->model, 0, LM_KV_F16);
    model_sync(fresh, f->tokens, N_TOKENS);
    const struct continuation want = go_on(fresh, &sampled);
    check_equal(&after, &want);
    lm_session_destroy(&session);
    lm_session_destroy(&fresh);
}

static void busy_and_empty_sessions_are_refused(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char path[256];
    scratch_path(&f->folder, "busy", path);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    assert_false(lm_session_save(session, path, lm_text_of(""), &err));
    assert_string_equal(err.message, "the session holds no tokens to save");
    model_must(lm_session_sync_begin(session, f->tokens, N_TOKENS, &err), &err);
    assert_false(lm_session_save(session, path, lm_text_of(""), &err));
    assert_string_equal(err.message, "a sync is under way on this session");
    assert_false(lm_session_load(session, path, NULL, NULL, &err));
    assert_string_equal(err.message, "a sync is under way on this session");
    model_sync(session, f->tokens, N_TOKENS);
    lm_generation *gen = lm_generation_begin(session, &greedy, &err);
    model_must(gen != NULL, &err);
    assert_false(lm_session_save(session, path, lm_text_of(""), &err));
    assert_string_equal(err.message, "a generation is under way on this session");
    assert_false(lm_session_load(session, path, NULL, NULL, &err));
    assert_string_equal(err.message, "a generation is under way on this session");
    lm_generation_end(&gen);
    const lm_text endless = {"", LM_SESSION_NOTE_BYTES + 1};
    assert_false(lm_session_save(session, path, endless, &err));
    assert_string_equal(err.message, "a note of 67108865 bytes exceeds the limit of 67108864");
    assert_int_equal(access(path, F_OK), -1);
    lm_session_destroy(&session);
}

// ---- trouble on the way -------------------------------------------------------------------------

// A file system that takes no more, played by a limit on the size of files.
static void a_full_disk_leaves_the_old_file(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char path[256];
    scratch_path(&f->folder, "full", path);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens, 5);
    save(session, path, "the old one");
    const size_t n_files = scratch_count(&f->folder);
    model_sync(session, f->tokens, N_TOKENS);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 8192, .rlim_max = before.rlim_max};
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const bool saved = lm_session_save(session, path, lm_text_of("the new one"), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_false(saved);
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_int_equal(scratch_count(&f->folder), n_files);
    load(session, path, "the old one");
    lm_session_destroy(&session);
}

// Whichever call fails while a session is saved or loaded: no file is half there, a load that fails
// leaves the session as it was or empty, and the next one is right.
static void every_call_of_a_save_may_fail(void **state)
{
    const struct fixture *f = *state;
    char path[256];
    float want[N_VOCAB];
    lm_gpu *gpu = f->device->gpu;
    scratch_path(&f->folder, "faulty", path);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens, N_TOKENS);
    memcpy(want, model_logits(session), sizeof want);
    save(session, path, "good");
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        lm_error err = {0};
        const uint64_t used = lm_device_memory_used(f->device);
        lm_gpu_inject(gpu, n, VK_ERROR_OUT_OF_DEVICE_MEMORY);
        failed = !lm_session_save(session, path, lm_text_of("good"), &err);
        lm_gpu_inject(gpu, 0, VK_SUCCESS);
        assert_int_equal(err.status, failed ? LM_NO_MEMORY : LM_OK);
        check_unharmed(session, f->tokens, N_TOKENS, want);
        assert_true(lm_device_memory_used(f->device) == used);
        model_must(lm_session_file_read_note(path, NULL, NULL, NULL, &err), &err);
    }
    lm_session_destroy(&session);
}

static void every_call_of_a_load_may_fail(void **state)
{
    const struct fixture *f = *state;
    char path[256];
    float want[N_VOCAB];
    float others[N_VOCAB];
    const lm_token *other = f->tokens + 10;
    const size_t n_other = N_TOKENS - 10;
    scratch_path(&f->folder, "faulty", path);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens, N_TOKENS);
    memcpy(want, model_logits(session), sizeof want);
    save(session, path, "good");
    size_t n_kept = 0;
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        lm_error err = {0};
        model_sync(session, other, n_other);
        memcpy(others, model_logits(session), sizeof others);
        lm_gpu_inject(f->device->gpu, n, VK_ERROR_OUT_OF_DEVICE_MEMORY);
        failed = !lm_session_load(session, path, NULL, NULL, &err);
        lm_gpu_inject(f->device->gpu, 0, VK_SUCCESS);
        assert_int_equal(err.status, failed ? LM_NO_MEMORY : LM_OK);
        if (failed && lm_session_get_stats(session).n_tokens > 0) {
            check_unharmed(session, other, n_other, others);
            n_kept++;
        }
        load(session, path, "good");
        check_unharmed(session, f->tokens, N_TOKENS, want);
    }
    assert_true(n_kept > 0);
    lm_session_destroy(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_goes_on_alike),
        cmocka_unit_test(a_generation_goes_on_alike),
        cmocka_unit_test(nothing_is_evaluated_again),
        cmocka_unit_test(a_begun_generation_is_forgotten),
        cmocka_unit_test(a_full_context_is_restored),
        cmocka_unit_test(a_note_is_read_without_a_device),
        cmocka_unit_test(foreign_models_are_refused),
        cmocka_unit_test(the_file_of_a_synthetic_model_is_the_same),
        cmocka_unit_test(other_caches_and_contexts_are_refused),
        cmocka_unit_test(what_is_no_session_is_refused),
        cmocka_unit_test(busy_and_empty_sessions_are_refused),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(every_call_of_a_save_may_fail),
        cmocka_unit_test(every_call_of_a_load_may_fail),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
