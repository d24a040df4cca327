// Plays somebody at a terminal: runs a program on a pseudo-terminal and follows a script from
// standard input, a step a line. What the program shows goes to standard output.
//
//     terminal PROGRAM ARGUMENT ... <STEPS
//
//     expect TEXT   wait until TEXT is shown, behind what the steps before have seen
//     bytes N       wait until so many bytes were shown behind that
//     send KEYS     type; \r is Enter, \e Escape, \xNN any byte, \\ a backslash
//
// At the end of the steps the program must end. Exits with its code, or with 125 and a sentence
// where a step waits for longer than a minute, or with 77 where no pseudo-terminal can be had.

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TROUBLE = 125, NO_TERMINAL = 77, SCREEN_BYTES = 1 << 22, PATIENCE_S = 60 };

struct terminal {
    int fd;
    char *shown; // owned [SCREEN_BYTES]
    size_t size;
    size_t seen; // what the steps so far have looked at
    bool is_over;
};

static bool trouble(const char *what, const char *step)
{
    fprintf(stderr, "terminal: %s: %s\n", what, step);
    return false;
}

// Takes what the program shows; waits at most a tenth of a second for it.
static void listen(struct terminal *t)
{
    struct pollfd ready = {.fd = t->fd, .events = POLLIN};
    if (t->is_over || poll(&ready, 1, 100) <= 0)
        return;
    const ssize_t n = read(t->fd, t->shown + t->size, SCREEN_BYTES - 1 - t->size);
    if (n > 0) {
        fwrite(t->shown + t->size, 1, (size_t)n, stdout);
        t->size += (size_t)n;
    } else if (n == 0 || errno != EINTR) {
        t->is_over = true; // EIO: nobody has the other side open
    }
}

static bool has_shown(struct terminal *t, const char *text, size_t n_bytes)
{
    if (!text)
        return t->size - t->seen >= n_bytes;
    const char *at = memmem(t->shown + t->seen, t->size - t->seen, text, strlen(text));
    if (at)
        t->seen = (size_t)(at - t->shown) + strlen(text);
    return at != NULL;
}

// Waits for `text`, or for so many bytes where it is NULL.
static bool wait_for(struct terminal *t, const char *text, size_t n_bytes, const char *step)
{
    const time_t start = time(NULL);
    while (!has_shown(t, text, n_bytes)) {
        if (t->is_over)
            return trouble("the program ended before", step);
        if (time(NULL) - start > PATIENCE_S)
            return trouble("waited too long for", step);
        listen(t);
    }
    return true;
}

static bool send_keys(struct terminal *t, const char *keys, const char *step)
{
    for (const char *at = keys; *at; at++) {
        char key = *at;
        if (key == '\\') {
            at++;
            key = *at == 'r' ? '\r' : *at == 'e' ? '\033' : *at;
            if (*at == 'x' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2])) {
                const char digits[] = {at[1], at[2], 0};
                key = (char)strtol(digits, NULL, 16);
                at += 2;
            }
        }
        if (write(t->fd, &key, 1) != 1)
            return trouble("cannot type", step);
    }
    return true;
}

static bool play(struct terminal *t, char *step)
{
    step[strcspn(step, "\n")] = 0;
    if (strncmp(step, "expect ", 7) == 0)
        return wait_for(t, step + 7, 0, step);
    if (strncmp(step, "bytes ", 6) == 0) {
        t->seen = t->size;
        return wait_for(t, NULL, strtoul(step + 6, NULL, 10), step);
    }
    if (strncmp(step, "send ", 5) == 0)
        return send_keys(t, step + 5, step);
    return trouble("no such step", step);
}

int main(int argc, char **argv)
{
    struct terminal t = {.shown = calloc(1, SCREEN_BYTES)};
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    if (argc < 2 || !t.shown)
        return TROUBLE;
    const pid_t pid = forkpty(&t.fd, NULL, NULL, &size);
    if (pid == 0) {
        execvp(argv[1], argv + 1);
        _exit(TROUBLE);
    }
    if (pid < 0) {
        fprintf(stderr, "terminal: no pseudo-terminal: %s\n", strerror(errno));
        free(t.shown);
        return NO_TERMINAL;
    }
    char step[4096];
    bool ok = true;
    while (ok && fgets(step, sizeof step, stdin))
        ok = play(&t, step);
    const time_t start = time(NULL);
    while (ok && !t.is_over) {
        listen(&t);
        if (time(NULL) - start > PATIENCE_S)
            ok = trouble("the program did not end", argv[1]);
    }
    int status = 0;
    if (!ok)
        kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    free(t.shown);
    fflush(stdout);
    if (!ok)
        return TROUBLE;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
