#include "base/stamped_file.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *lm_stamped_path(const char *dir, const char *name, const lm_stamp *stamp)
{
    const size_t room = strlen(dir) + strlen(name) + 24;
    char *path = malloc(room);
    if (path)
        snprintf(path, room, "%s/%s-%016" PRIx64, dir, name,
                 lm_hash(LM_HASH_START, stamp->at, stamp->size));
    return path;
}

lm_stamped_seal lm_stamped_seal_of(const lm_stamp *stamp, const void *body, size_t n)
{
    return (lm_stamped_seal){n, lm_hash(LM_HASH_START, body, n * stamp->unit)};
}

bool lm_stamped_is_good(const lm_stamp *stamp, const void *file, size_t size, const void **body,
                        size_t *n)
{
    const size_t before = stamp->size + sizeof(lm_stamped_seal);
    if (size < before || (size - before) % stamp->unit != 0)
        return false;
    *body = (const char *)file + before;
    *n = (size - before) / stamp->unit;
    const lm_stamped_seal seal = lm_stamped_seal_of(stamp, *body, *n);
    return memcmp(file, stamp->at, stamp->size) == 0 &&
           memcmp((const char *)file + stamp->size, &seal, sizeof seal) == 0;
}

lm_stamped lm_stamped_read(const char *path, const lm_stamp *stamp, size_t max_bytes, char **file,
                           const void **body, size_t *n)
{
    size_t size = 0;
    *file = NULL;
    if (!lm_file_exists(path) || !lm_file_read_all(path, -1, max_bytes, file, &size, NULL))
        return LM_STAMPED_ABSENT;
    if (lm_stamped_is_good(stamp, *file, size, body, n))
        return LM_STAMPED_GOOD;
    const lm_stamp own = {*file, stamp->size, stamp->unit};
    return lm_stamped_is_good(&own, *file, size, body, n) ? LM_STAMPED_OTHER : LM_STAMPED_DAMAGED;
}

bool lm_stamped_write(const char *path, const lm_stamp *stamp, const void *body, size_t n,
                      lm_error *err)
{
    const lm_stamped_seal seal = lm_stamped_seal_of(stamp, body, n);
    lm_output *output = lm_output_create(path, err);
    const bool ok = output && lm_output_write(output, stamp->at, stamp->size, err) &&
                    lm_output_write(output, &seal, sizeof seal, err) &&
                    lm_output_write(output, body, n * stamp->unit, err) &&
                    lm_output_commit(&output, err);
    lm_output_discard(&output);
    return ok;
}
