#include "base/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_SECONDS 20

// What the child does. It writes why the library did not load, or nothing.
static _Noreturn void load(const char *name, int result)
{
    signal(SIGALRM, SIG_DFL);
    alarm(MAX_SECONDS);
    // Some drivers talk while they are loaded.
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere >= 0) {
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
    }
    if (dlopen(name, RTLD_LAZY | RTLD_LOCAL))
        _exit(0);
    const char *why = dlerror();
    if (why && write(result, why, strlen(why)) < 0)
        _exit(2);
    _exit(1);
}

static void read_all(int from, char *text, size_t size)
{
    size_t used = 0;
    while (used + 1 < size) {
        const ssize_t n = read(from, text + used, size - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    text[used] = 0;
}

bool lm_library_try(const char *name, char *why, size_t size)
{
    int ends[2];
    snprintf(why, size, "no process could be started to try it");
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    const pid_t child = fork();
    if (child == 0)
        load(name, ends[1]);
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return false;
    }
    read_all(ends[0], why, size);
    close(ends[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    if (WIFSIGNALED(status)) {
        if (WTERMSIG(status) == SIGALRM)
            snprintf(why, size, "loading it did not end within %d s", MAX_SECONDS);
        else
            snprintf(why, size, "it crashes while it is loaded (signal %d)", WTERMSIG(status));
        return false;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && !why[0])
        snprintf(why, size, "the dynamic linker gives no reason");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
