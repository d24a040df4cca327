#include "selftest/record.h"

#include "base/hash.h"
#include "base/stamped_file.h"
#include "gpu/device_stamp.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC       "lmtests1"
#define MAX_ENTRIES 4096

struct lm_record {
    lm_record_header header;  // of what is here, without the last two
    char *path;               // owned; NULL: kept nowhere
    lm_record_entry *entries; // owned, [MAX_ENTRIES]
    size_t n_entries;
    bool is_changed, is_cleared;
};

_Static_assert(sizeof(lm_device_stamp) == offsetof(lm_record_header, n_entries),
               "a header begins with a stamp");

lm_record_header lm_record_header_of(const lm_gpu *gpu)
{
    const lm_device_stamp stamp = lm_device_stamp_of(gpu, MAGIC);
    lm_record_header header = {.n_entries = 0};
    memcpy(&header, &stamp, sizeof stamp);
    return header;
}

static bool is_sound(const lm_record_entry *entry)
{
    return entry->kind > 0 && entry->kind < LM_RECORD_KINDS &&
           memchr(entry->op, 0, sizeof entry->op) && memchr(entry->text, 0, sizeof entry->text);
}

_Static_assert(sizeof(lm_record_header) ==
                   offsetof(lm_record_header, n_entries) + sizeof(lm_stamped_seal),
               "a header is a stamp and its seal");

static lm_stamp stamp_of(const lm_record_header *header)
{
    return (lm_stamp){header, offsetof(lm_record_header, n_entries), sizeof(lm_record_entry)};
}

void lm_record_header_seal(lm_record_header *header, const void *entries, size_t n)
{
    const lm_stamp stamp = stamp_of(header);
    const lm_stamped_seal seal = lm_stamped_seal_of(&stamp, entries, n);
    header->n_entries = seal.n_units;
    header->entries_hash = seal.hash;
}

static bool are_sound(const void *entries, size_t n)
{
    bool good = n <= MAX_ENTRIES;
    for (size_t i = 0; good && i < n; i++) {
        lm_record_entry entry;
        memcpy(&entry, (const char *)entries + i * sizeof entry, sizeof entry);
        good = is_sound(&entry);
    }
    return good;
}

bool lm_record_file_is_good(const lm_record_header *device, const void *file, size_t size,
                            const void **entries, size_t *n)
{
    const lm_stamp stamp = stamp_of(device);
    return lm_stamped_is_good(&stamp, file, size, entries, n) && are_sound(*entries, *n);
}

// What a file says is shown on terminals.
static void make_printable(char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            *text = '?';
}

lm_record_entry lm_record_entry_in(const void *entries, size_t i)
{
    lm_record_entry entry;
    memcpy(&entry, (const char *)entries + i * sizeof entry, sizeof entry);
    entry.op[sizeof entry.op - 1] = 0;
    entry.text[sizeof entry.text - 1] = 0;
    make_printable(entry.op);
    make_printable(entry.text);
    return entry;
}

// Puts what the file holds where nothing is known yet.
static void read_file(lm_record *it)
{
    char *file = NULL;
    const void *entries;
    size_t n = 0;
    if (!it->path)
        return;
    const lm_stamp stamp = stamp_of(&it->header);
    const bool good =
        lm_stamped_read(it->path, &stamp,
                        sizeof(lm_record_header) + MAX_ENTRIES * sizeof(lm_record_entry), &file,
                        &entries, &n) == LM_STAMPED_GOOD &&
        are_sound(entries, n);
    for (size_t i = 0; good && i < n; i++) {
        const lm_record_entry entry = lm_record_entry_in(entries, i);
        if (!lm_record_find(it, (lm_record_kind)entry.kind, entry.key))
            lm_record_put(it, &entry);
    }
    free(file);
}

lm_record *lm_record_open(const lm_gpu *gpu, const char *dir, lm_error *err)
{
    lm_record *it = calloc(1, sizeof *it);
    if (!it)
        goto fail;
    it->header = lm_record_header_of(gpu);
    it->entries = calloc(MAX_ENTRIES, sizeof *it->entries);
    const lm_stamp stamp = stamp_of(&it->header);
    it->path = dir ? lm_stamped_path(dir, "selftest", &stamp) : NULL;
    if (!it->entries || (dir && !it->path))
        goto fail;
    read_file(it);
    it->is_changed = false;
    return it;
fail:
    lm_fail(err, LM_NO_MEMORY, "out of memory for the record of self-tests");
    lm_record_close(&it);
    return NULL;
}

void lm_record_close(lm_record **record)
{
    lm_record *it = *record;
    if (!it)
        return;
    free(it->path);
    free(it->entries);
    free(it);
    *record = NULL;
}

const lm_record_entry *lm_record_find(const lm_record *it, lm_record_kind kind, uint64_t key)
{
    for (size_t i = 0; i < it->n_entries; i++)
        if (it->entries[i].kind == kind && it->entries[i].key == key)
            return &it->entries[i];
    return NULL;
}

const lm_record_entry *lm_record_at(const lm_record *it, size_t i)
{
    return i < it->n_entries ? &it->entries[i] : NULL;
}

void lm_record_put(lm_record *it, const lm_record_entry *entry)
{
    size_t i = 0;
    while (i < it->n_entries &&
           (it->entries[i].kind != entry->kind || it->entries[i].key != entry->key))
        i++;
    if (i == MAX_ENTRIES)
        return;
    it->entries[i] = *entry;
    it->n_entries += i == it->n_entries;
    it->is_changed = true;
}

void lm_record_clear(lm_record *it)
{
    size_t n = 0;
    for (size_t i = 0; i < it->n_entries; i++)
        if (it->entries[i].kind == LM_RECORD_BANDWIDTH)
            it->entries[n++] = it->entries[i];
    it->n_entries = n;
    it->is_changed = true;
    it->is_cleared = true;
}

void lm_record_save(lm_record *it)
{
    if (!it->is_changed || !it->path)
        return;
    if (!it->is_cleared)
        read_file(it);
    const lm_stamp stamp = stamp_of(&it->header);
    if (lm_stamped_write(it->path, &stamp, it->entries, it->n_entries, NULL))
        it->is_changed = false;
}
