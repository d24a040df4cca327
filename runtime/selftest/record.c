#include "selftest/record.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/output.h"
#include "gpu/pipeline_cache.h"

#include <inttypes.h>
#include <stdio.h>
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

lm_record_header lm_record_header_of(const lm_gpu *gpu)
{
    const lm_adapter *adapter = lm_gpu_adapter(gpu);
    const lm_limits *limits = lm_gpu_limits(gpu);
    lm_record_header header;
    memset(&header, 0, sizeof header);
    memcpy(header.magic, MAGIC, sizeof header.magic);
    memcpy(header.device_uuid, adapter->uuid, VK_UUID_SIZE);
    memcpy(header.driver_uuid, adapter->driver_uuid, VK_UUID_SIZE);
    header.vendor = adapter->properties.vendorID;
    header.device = adapter->properties.deviceID;
    header.driver_version = adapter->properties.driverVersion;
    header.vulkan_version = adapter->properties.apiVersion;
    const uint64_t numbers[] = {limits->block_bytes,  limits->group_invocations,
                                limits->group_count,  limits->group_subgroups,
                                limits->shared_bytes, limits->subgroup_size};
    header.limits_hash = lm_hash(LM_HASH_START, numbers, sizeof numbers);
    header.modules_hash = lm_pipeline_cache_modules_hash();
    return header;
}

static bool is_sound(const lm_record_entry *entry)
{
    return entry->kind > 0 && entry->kind < LM_RECORD_KINDS &&
           memchr(entry->op, 0, sizeof entry->op) && memchr(entry->text, 0, sizeof entry->text);
}

void lm_record_header_seal(lm_record_header *header, const void *entries, size_t n)
{
    header->n_entries = n;
    header->entries_hash = lm_hash(LM_HASH_START, entries, n * sizeof(lm_record_entry));
}

bool lm_record_file_is_good(const lm_record_header *device, const void *file, size_t size,
                            const void **entries, size_t *n)
{
    if (size < sizeof *device || (size - sizeof *device) % sizeof(lm_record_entry) != 0)
        return false;
    lm_record_header expected = *device;
    *entries = (const char *)file + sizeof expected;
    *n = (size - sizeof expected) / sizeof(lm_record_entry);
    lm_record_header_seal(&expected, *entries, *n);
    bool good = *n <= MAX_ENTRIES && memcmp(file, &expected, sizeof expected) == 0;
    for (size_t i = 0; good && i < *n; i++) {
        lm_record_entry entry;
        memcpy(&entry, (const char *)*entries + i * sizeof entry, sizeof entry);
        good = is_sound(&entry);
    }
    return good;
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
    size_t size = 0;
    if (!it->path || !lm_file_exists(it->path) ||
        !lm_file_read_all(it->path, -1,
                          sizeof(lm_record_header) + MAX_ENTRIES * sizeof(lm_record_entry), &file,
                          &size, NULL))
        return;
    const void *entries;
    size_t n;
    const bool good = lm_record_file_is_good(&it->header, file, size, &entries, &n);
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
    const size_t room = dir ? strlen(dir) + 64 : 0;
    it->path = dir ? malloc(room) : NULL;
    if (!it->entries || (dir && !it->path))
        goto fail;
    if (dir) {
        const uint64_t key =
            lm_hash(LM_HASH_START, &it->header, offsetof(lm_record_header, n_entries));
        snprintf(it->path, room, "%s/selftest-%016" PRIx64, dir, key);
    }
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
    const size_t bytes = it->n_entries * sizeof *it->entries;
    lm_record_header header = it->header;
    lm_record_header_seal(&header, it->entries, it->n_entries);
    lm_output *output = lm_output_create(it->path, NULL);
    if (output && lm_output_write(output, &header, sizeof header, NULL) &&
        lm_output_write(output, it->entries, bytes, NULL) && lm_output_commit(&output, NULL))
        it->is_changed = false;
    lm_output_discard(&output);
}
