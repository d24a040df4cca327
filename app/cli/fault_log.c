#include "fault_log.h"

#include "base/file.h"
#include "base/output.h"
#include "base/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#ifndef LM_VERSION // the build system passes the project's version
#define LM_VERSION "unknown"
#endif

#define MAX_FILE_BYTES ((size_t)64 << 10)

// Memory that ends and what is not supported may be the model's fault or the machine's; where they
// are the driver's, the sentence says so.
static bool is_of_device(const lm_error *err)
{
    switch (err->status) {
    case LM_DEVICE_LOST:
    case LM_BAD_NUMBERS:
    case LM_WRONG_RESULT:
        return true;
    case LM_NO_MEMORY:
    case LM_UNSUPPORTED:
        return strstr(err->message, "vk") || strstr(err->message, "Vulkan") ||
               strstr(err->message, "driver");
    case LM_OK:
    case LM_BAD_ARGUMENT:
    case LM_BAD_FILE:
    case LM_CANCELLED:
        break;
    }
    return false;
}

// ---- a sentence without names -------------------------------------------------------------------

static bool ends_in(const char *at, size_t size, const char *end)
{
    const size_t n = strlen(end);
    return size > n && strncasecmp(at + size - n, end, n) == 0;
}

// How many characters at the beginning of a word are a file's name, 0: none. A path that begins as
// one goes on to the next ": ", as there may be spaces in it.
static size_t name_size(const char *word)
{
    static const char *const begins[] = {"/", "./", "../", "~"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(word, begins[i], strlen(begins[i])) == 0) {
            const char *end = strstr(word, ": ");
            return end ? (size_t)(end - word) : strlen(word);
        }
    const size_t size = strcspn(word, " :;,'\"()");
    return ends_in(word, size, ".gguf") || ends_in(word, size, ".json") ? size : 0;
}

static void copy_without_names(char *to, size_t size, const char *from)
{
    static const char stands_in[] = "(file)";
    size_t used = 0;
    bool begins_word = true;
    while (*from && used + sizeof stands_in < size) {
        const size_t skipped = begins_word ? name_size(from) : 0;
        if (skipped > 0) {
            memcpy(to + used, stands_in, sizeof stands_in - 1);
            used += sizeof stands_in - 1;
            from += skipped;
            begins_word = false;
            continue;
        }
        begins_word = strchr(" '\"(=", *from) != NULL;
        to[used++] = *from >= 0x20 && *from < 0x7f ? *from : '?';
        from++;
    }
    to[used] = 0;
}

// ---- the file -----------------------------------------------------------------------------------

static bool find_file(char *path, size_t size)
{
    char folder[4096];
    if (!lm_place_state(folder, sizeof folder, NULL))
        return false;
    const int n = snprintf(path, size, "%s/faults.txt", folder);
    return n > 0 && (size_t)n < size;
}

// The next field of a line, up to `end`. False where it is empty, does not fit or is not printable.
static bool take_field(const char **at, char end, char *to, size_t size)
{
    const char *stop = strchr(*at, end);
    const size_t n = stop ? (size_t)(stop - *at) : 0;
    if (n == 0 || n >= size)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((*at)[i] < 0x20 || (*at)[i] > 0x7e)
            return false;
    memcpy(to, *at, n);
    to[n] = 0;
    *at = stop + 1;
    return true;
}

static bool read_line(const char *line, cli_fault *fault)
{
    return take_field(&line, '\t', fault->when, sizeof fault->when) &&
           take_field(&line, '\t', fault->version, sizeof fault->version) &&
           take_field(&line, '\t', fault->status, sizeof fault->status) &&
           take_field(&line, '\n', fault->text, sizeof fault->text);
}

static size_t read_file(const char *path, cli_fault faults[CLI_FAULTS])
{
    char *text = NULL;
    size_t size;
    size_t n = 0;
    if (!lm_file_exists(path) || !lm_file_read_all(path, -1, MAX_FILE_BYTES, &text, &size, NULL))
        return 0;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        cli_fault fault;
        if (!read_line(line, &fault))
            continue;
        if (n == CLI_FAULTS)
            memmove(faults, faults + 1, --n * sizeof *faults);
        faults[n++] = fault;
    }
    free(text);
    return n;
}

size_t cli_fault_log_read(cli_fault faults[CLI_FAULTS])
{
    char path[4200];
    return find_file(path, sizeof path) ? read_file(path, faults) : 0;
}

static bool write_file(const char *path, const cli_fault *faults, size_t n)
{
    lm_output *output = lm_output_create(path, NULL);
    bool ok = output != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        char line[sizeof *faults + 8];
        const int size = snprintf(line, sizeof line, "%s\t%s\t%s\t%s\n", faults[i].when,
                                  faults[i].version, faults[i].status, faults[i].text);
        ok = size > 0 && lm_output_write(output, line, (size_t)size, NULL);
    }
    ok = ok && lm_output_commit(&output, NULL);
    lm_output_discard(&output);
    return ok;
}

void cli_fault_log_add(const lm_error *err)
{
    char path[4200];
    cli_fault faults[CLI_FAULTS + 1];
    if (!is_of_device(err) || !find_file(path, sizeof path))
        return;
    const size_t n = read_file(path, faults);
    cli_fault *fault = &faults[n];
    const time_t now = time(NULL);
    struct tm utc;
    if (!gmtime_r(&now, &utc) ||
        !strftime(fault->when, sizeof fault->when, "%Y-%m-%dT%H:%M:%SZ", &utc))
        return;
    snprintf(fault->version, sizeof fault->version, "%s", LM_VERSION);
    snprintf(fault->status, sizeof fault->status, "%s", lm_status_name(err->status));
    copy_without_names(fault->text, sizeof fault->text, err->message);
    const size_t first = n == CLI_FAULTS ? 1 : 0;
    write_file(path, faults + first, n + 1 - first);
}
