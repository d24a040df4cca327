#include "gpu/tuning.h"

#include "base/hash.h"
#include "base/stamped_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC       "lmtuned1"
#define MAX_ENTRIES 1024

struct lm_tuning {
    lm_tuning_entry entries[MAX_ENTRIES];
    size_t n;
    lm_tuning_entry forced; // key.op is 0: none
};

uint32_t lm_tuning_class(uint32_t size)
{
    uint32_t bits = 0;
    while (size > 0) {
        size >>= 1;
        bits++;
    }
    return bits;
}

lm_tuning *lm_tuning_create(lm_error *err)
{
    lm_tuning *it = calloc(1, sizeof *it);
    if (!it)
        lm_fail(err, LM_NO_MEMORY, "out of memory for the tuning table");
    return it;
}

void lm_tuning_destroy(lm_tuning **tuning)
{
    free(*tuning);
    *tuning = NULL;
}

const lm_tuning_entry *lm_tuning_find(const lm_tuning *it, const lm_tuning_key *key)
{
    if (it->forced.key.op != 0 && it->forced.key.op == key->op)
        return &it->forced;
    for (size_t i = 0; i < it->n; i++)
        if (memcmp(&it->entries[i].key, key, sizeof *key) == 0)
            return &it->entries[i];
    return NULL;
}

const lm_tuning_entry *lm_tuning_at(const lm_tuning *it, size_t i)
{
    return i < it->n ? &it->entries[i] : NULL;
}

void lm_tuning_put(lm_tuning *it, const lm_tuning_entry *entry)
{
    size_t i = 0;
    while (i < it->n && memcmp(&it->entries[i].key, &entry->key, sizeof entry->key) != 0)
        i++;
    if (i == MAX_ENTRIES)
        return;
    it->entries[i] = *entry;
    it->n += i == it->n;
}

void lm_tuning_clear(lm_tuning *it)
{
    it->n = 0;
}

void lm_tuning_force(lm_tuning *it, lm_tuned_op op, const uint32_t words[LM_TUNING_WORDS])
{
    it->forced = (lm_tuning_entry){.key.op = words ? op : 0};
    if (words)
        memcpy(it->forced.words, words, sizeof it->forced.words);
}

uint64_t lm_tuning_hash(const lm_tuning *it)
{
    uint64_t hash = 0; // a sum, so that the order of entries does not count
    for (size_t i = 0; i < it->n; i++) {
        const lm_tuning_entry *entry = &it->entries[i];
        const uint64_t of_key = lm_hash(LM_HASH_START, &entry->key, sizeof entry->key);
        hash += lm_hash(of_key, entry->words, sizeof entry->words);
    }
    return hash;
}

// ---- the file -------------------------------------------------------------------------------

lm_device_stamp lm_tuning_stamp_of(const lm_gpu *gpu)
{
    return lm_device_stamp_of(gpu, MAGIC);
}

static lm_stamp as_stamp(const lm_device_stamp *stamp)
{
    return (lm_stamp){stamp, sizeof *stamp, sizeof(lm_tuning_entry)};
}

// The name does not know the driver, so that a table of another one is found, and spoken of.
char *lm_tuning_path(const char *dir, const lm_device_stamp *stamp)
{
    uint64_t hash = lm_hash(LM_HASH_START, stamp->device_uuid, sizeof stamp->device_uuid);
    hash = lm_hash(hash, &stamp->limits_hash, sizeof stamp->limits_hash);
    const size_t room = strlen(dir) + 32;
    char *path = malloc(room);
    if (path)
        snprintf(path, room, "%s/tuning-%016" PRIx64, dir, hash);
    return path;
}

static bool is_sound(const lm_tuning_entry *entry)
{
    return entry->key.op > 0 && entry->key.op < LM_TUNED_OPS;
}

// Puts what a good file says where nothing is known yet.
static lm_tuning_found merge(lm_tuning *it, const char *path, const lm_device_stamp *device)
{
    const lm_stamp stamp = as_stamp(device);
    char *file = NULL;
    const void *body = NULL;
    size_t n = 0;
    const lm_stamped found =
        lm_stamped_read(path, &stamp, sizeof *device + 64 + MAX_ENTRIES * sizeof(lm_tuning_entry),
                        &file, &body, &n);
    bool good = found == LM_STAMPED_GOOD && n <= MAX_ENTRIES;
    const size_t before = it->n;
    for (size_t i = 0; good && i < n; i++) {
        lm_tuning_entry entry;
        memcpy(&entry, (const char *)body + i * sizeof entry, sizeof entry);
        good = is_sound(&entry);
        if (good && !lm_tuning_find(it, &entry.key))
            lm_tuning_put(it, &entry);
    }
    free(file);
    if (good)
        return LM_TUNING_GOOD;
    it->n = before;
    return found == LM_STAMPED_ABSENT  ? LM_TUNING_NONE
           : found == LM_STAMPED_OTHER ? LM_TUNING_OTHER
                                       : LM_TUNING_DAMAGED;
}

lm_tuning_found lm_tuning_load(lm_tuning *it, const char *path, const lm_device_stamp *device)
{
    lm_tuning_clear(it);
    return merge(it, path, device);
}

bool lm_tuning_save(const lm_tuning *it, const char *path, const lm_device_stamp *device,
                    lm_error *err)
{
    lm_tuning *all = lm_tuning_create(err);
    if (!all)
        return false;
    *all = *it;
    merge(all, path, device);
    const lm_stamp stamp = as_stamp(device);
    const bool ok = lm_stamped_write(path, &stamp, all->entries, all->n, err);
    lm_tuning_destroy(&all);
    return ok;
}
