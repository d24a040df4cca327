#include "gen/stop.h"

#include "lm.h"
#include "tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

struct lm_stop {
    const char *const *stops; // borrowed
    size_t n_stops;
    lm_utf8_stream utf8;
    char *held; // owned: whole characters that may begin a stop text, after what was shown
    size_t n_held, room;
    size_t n_shown; // bytes at the front of `held` that the caller has now
};

lm_stop *lm_stop_create(const char *const *stops, size_t n_stops, lm_error *err)
{
    if (n_stops > LM_MAX_STOPS) {
        lm_fail(err, LM_BAD_ARGUMENT, "%zu stop texts exceed the limit of %d", n_stops,
                LM_MAX_STOPS);
        return NULL;
    }
    for (size_t i = 0; i < n_stops; i++) {
        const size_t size = strlen(stops[i]);
        if (size == 0 || size > LM_MAX_STOP_BYTES) {
            lm_fail(err, LM_BAD_ARGUMENT, "stop text %zu has %zu bytes, which is outside 1 to %d",
                    i + 1, size, LM_MAX_STOP_BYTES);
            return NULL;
        }
    }
    lm_stop *it = calloc(1, sizeof *it);
    if (it) {
        it->room = 4096;
        it->held = malloc(it->room);
    }
    if (!it || !it->held) {
        free(it);
        lm_fail(err, LM_NO_MEMORY, "out of memory for a generation");
        return NULL;
    }
    it->stops = stops;
    it->n_stops = n_stops;
    return it;
}

void lm_stop_destroy(lm_stop **stop)
{
    if (!*stop)
        return;
    free((*stop)->held);
    free(*stop);
    *stop = NULL;
}

// The earliest place where a stop text stands complete; n_held if none.
static size_t find_stop(const lm_stop *it)
{
    size_t first = it->n_held;
    for (size_t s = 0; s < it->n_stops; s++) {
        const char *found = memmem(it->held, it->n_held, it->stops[s], strlen(it->stops[s]));
        if (found && (size_t)(found - it->held) < first)
            first = (size_t)(found - it->held);
    }
    return first;
}

// The earliest place from which the rest is the beginning of a stop text; n_held if none.
static size_t find_beginning(const lm_stop *it)
{
    for (size_t at = 0; at < it->n_held; at++)
        for (size_t s = 0; s < it->n_stops; s++) {
            const size_t rest = it->n_held - at;
            if (rest < strlen(it->stops[s]) && memcmp(it->held + at, it->stops[s], rest) == 0)
                return at;
        }
    return it->n_held;
}

static bool make_room(lm_stop *it, size_t size)
{
    if (it->n_held + size <= it->room)
        return true;
    const size_t room = (it->n_held + size) * 2;
    char *larger = realloc(it->held, room);
    if (!larger)
        return false;
    it->held = larger;
    it->room = room;
    return true;
}

static void drop_shown(lm_stop *it)
{
    memmove(it->held, it->held + it->n_shown, it->n_held - it->n_shown);
    it->n_held -= it->n_shown;
    it->n_shown = 0;
}

bool lm_stop_push(lm_stop *it, lm_text bytes, lm_text *shown, bool *failed)
{
    drop_shown(it);
    *failed = !make_room(it, bytes.size + 8);
    *shown = (lm_text){it->held, 0};
    if (*failed)
        return false;
    it->n_held += lm_utf8_stream_push(&it->utf8, bytes, it->held + it->n_held);
    const size_t stop = find_stop(it);
    const bool stopped = stop < it->n_held;
    it->n_shown = stopped ? stop : find_beginning(it);
    *shown = (lm_text){it->held, it->n_shown};
    if (stopped) {
        it->n_held = it->n_shown;
        it->utf8 = (lm_utf8_stream){0};
    }
    return stopped;
}

lm_text lm_stop_flush(lm_stop *it)
{
    drop_shown(it);
    if (make_room(it, 8))
        it->n_held += lm_utf8_stream_flush(&it->utf8, it->held + it->n_held);
    it->n_shown = it->n_held;
    return (lm_text){it->held, it->n_shown};
}
