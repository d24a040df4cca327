#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool is_replaced(const char *entry, const char *const *replacements)
{
    const size_t size = strcspn(entry, "=") + 1;
    for (; *replacements; replacements++)
        if (strncmp(entry, *replacements, size) == 0)
            return true;
    return false;
}

// A list that borrows its texts; the caller's to free(). NULL where memory is short.
static char **make_environment(const char *const *replacements)
{
    size_t n = 0, n_new = 0;
    while (environ[n])
        n++;
    while (replacements[n_new])
        n_new++;
    const char **list = calloc(n + n_new + 1, sizeof *list);
    if (!list)
        return NULL;
    memcpy(list, replacements, n_new * sizeof *list);
    for (size_t i = 0; i < n; i++)
        if (!is_replaced(environ[i], replacements))
            list[n_new++] = environ[i];
    return (char **)list;
}

static int start(const lm_child_params *params, int out, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    char **environment = make_environment(params->environment);
    if (!environment)
        return ENOMEM;
    int result = posix_spawn_file_actions_init(&actions);
    if (result == 0) {
        result = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        result = result ? result
                        : posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                                           O_RDONLY, 0);
        result = result ? result
                        : posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
                                                           O_WRONLY, 0);
        result = result ? result
                        : posix_spawn(child, params->argv[0], &actions, NULL,
                                      (char *const *)params->argv, environment);
        posix_spawn_file_actions_destroy(&actions);
    }
    free(environment);
    return result;
}

// Reads to the end, or until it shall not go on: false then.
static bool read_all(const lm_child_params *params, int from, char *text)
{
    size_t used = 0;
    for (;;) {
        struct pollfd ready = {.fd = from, .events = POLLIN};
        if (params->goes_on && !params->goes_on(params->user))
            return false;
        if (poll(&ready, 1, 100) <= 0)
            continue;
        char dropped[512];
        const bool is_full = used + 1 == LM_CHILD_BYTES;
        const ssize_t n = is_full ? read(from, dropped, sizeof dropped)
                                  : read(from, text + used, LM_CHILD_BYTES - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += is_full ? 0 : (size_t)n;
    }
    text[used] = 0;
    return true;
}

static bool wait_for(pid_t child, const char *name, lm_error *err)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return lm_fail(err, LM_UNSUPPORTED, "%s cannot be waited for: %s", name,
                           strerror(errno));
    if (WIFSIGNALED(status))
        return lm_fail(err, LM_UNSUPPORTED, "%s ended by signal %d", name, WTERMSIG(status));
    return WEXITSTATUS(status) == 0 ||
           lm_fail(err, LM_UNSUPPORTED, "%s ended with exit code %d", name, WEXITSTATUS(status));
}

bool lm_child_run(const lm_child_params *params, char **text, lm_error *err)
{
    const char *name = params->argv[0];
    int ends[2];
    pid_t child;
    *text = malloc(LM_CHILD_BYTES);
    if (!*text)
        return lm_fail(err, LM_NO_MEMORY, "out of memory running %s", name);
    int result = pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
    if (result == 0) {
        result = start(params, ends[1], &child);
        close(ends[1]);
        if (result != 0)
            close(ends[0]);
    }
    bool ok = result == 0 ||
              lm_fail(err, LM_UNSUPPORTED, "%s cannot be started: %s", name, strerror(result));
    if (ok) {
        const bool is_read = read_all(params, ends[0], *text);
        if (!is_read)
            kill(child, SIGKILL);
        close(ends[0]);
        ok = wait_for(child, name, err);
        if (!is_read)
            ok = lm_fail(err, LM_CANCELLED, "interrupted");
    }
    if (!ok) {
        free(*text);
        *text = NULL;
    }
    return ok;
}

// ---- folders ------------------------------------------------------------------------------------

bool lm_child_folder_make(char *path, size_t size, lm_error *err)
{
    const char *place = getenv("TMPDIR");
    const int n =
        snprintf(path, size, "%s/lemnos-XXXXXX", place && place[0] == '/' ? place : "/tmp");
    if (n < 0 || (size_t)n >= size)
        return lm_fail(err, LM_BAD_FILE, "the path in TMPDIR is too long");
    return mkdtemp(path) ||
           lm_fail(err, LM_BAD_FILE, "cannot make a folder %s: %s", path, strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
    (void)st;
    (void)type;
    (void)place;
    (void)remove(path); // where one stays, the rest may still go
    return 0;
}

void lm_child_folder_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
