// What self-tests have found, in a file: one per device, driver, limits and set of modules.
//
// It has a header and a checksum; a file that is cut, mixed up or of another version counts as
// none. It is written to a temporary file and renamed, and what another process has written in the
// meantime is kept, so that two at once lose nothing. A file that cannot be written is no trouble
// of its own: the pipelines, which lie beside it, warn of the folder.
//
// Ownership: whoever opens closes. Threads: one.

#ifndef LM_SELFTEST_RECORD_H
#define LM_SELFTEST_RECORD_H

#include "gpu/gpu.h"

typedef struct lm_record lm_record;

typedef enum lm_record_kind {
    LM_RECORD_PASSED = 1, // key: of a case
    LM_RECORD_FAILED,     // key: of a case; the text is what was wrong
    LM_RECORD_OFF,        // key: a feature; the text is why
    LM_RECORD_BANDWIDTH,  // value: MB/s of a copy on the device
    LM_RECORD_KINDS,
} lm_record_kind;

typedef struct lm_record_entry {
    uint64_t key;
    uint32_t kind;
    uint32_t value;
    char op[24];
    char text[192];
} lm_record_entry;

// Reads what is there. `dir` NULL: kept nowhere. NULL only without memory.
lm_record *lm_record_open(const lm_gpu *gpu, const char *dir, lm_error *err);
void lm_record_close(lm_record **record);

// NULL where there is none. Borrowed until something is put.
const lm_record_entry *lm_record_find(const lm_record *record, lm_record_kind kind, uint64_t key);
const lm_record_entry *lm_record_at(const lm_record *record, size_t i); // NULL behind the last

// Adds an entry, or replaces that of the same kind and key. Without memory nothing happens.
void lm_record_put(lm_record *record, const lm_record_entry *entry);

// Forgets everything but the bandwidth; saving then replaces the file.
void lm_record_clear(lm_record *record);

// Writes the file if anything was put or cleared.
void lm_record_save(lm_record *record);

// ---- the file -------------------------------------------------------------------------------

// It begins with this; then come n_entries of lm_record_entry.
typedef struct lm_record_header {
    char magic[8];
    uint8_t device_uuid[VK_UUID_SIZE];
    uint8_t driver_uuid[VK_UUID_SIZE];
    uint32_t vendor, device, driver_version, vulkan_version;
    uint64_t limits_hash;
    uint64_t modules_hash;
    uint64_t n_entries;
    uint64_t entries_hash;
} lm_record_header;

// All but the last two: what a file for this device and these modules says.
lm_record_header lm_record_header_of(const lm_gpu *gpu);

// The last two: what follows the header.
void lm_record_header_seal(lm_record_header *header, const void *entries, size_t n);

// Whether a file is of this device, whole, and each of its entries sound. Then *entries are its
// *n entries, at any alignment.
bool lm_record_file_is_good(const lm_record_header *device, const void *file, size_t size,
                            const void **entries, size_t *n);

// Its texts are printable ASCII.
lm_record_entry lm_record_entry_in(const void *entries, size_t i);

#endif
