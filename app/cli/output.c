#include "output.h"

#include "base/clock.h"
#include "fault_log.h"
#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void cli_streams_prepare(void)
{
    // open() takes the lowest free number, hence the order. stdout is opened for reading, so that
    // writing to it fails as it would have without this.
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)!open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
    }
}

static bool stdout_failed(int why, lm_error *err)
{
    return lm_fail(err, LM_BAD_FILE, "cannot write to standard output: %s", strerror(why));
}

bool cli_write(lm_text text, lm_error *err)
{
    if (text.size > 0 && fwrite(text.at, 1, text.size, stdout) != text.size)
        return stdout_failed(errno, err);
    return true;
}

bool cli_print(lm_error *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int n = vprintf(fmt, args);
    const int why = errno;
    va_end(args);
    return n >= 0 || stdout_failed(why, err);
}

bool cli_flush(lm_error *err)
{
    return fflush(stdout) == 0 || stdout_failed(errno, err);
}

bool cli_end_line(char last_byte, lm_error *err)
{
    if (last_byte == 0 || last_byte == '\n' || isatty(STDOUT_FILENO) != 1)
        return true;
    return cli_print(err, "\n") && cli_flush(err);
}

// A file's name may hold anything, a newline or a terminal's command included.
static void say(const char *sentence)
{
    char line[1024];
    snprintf(line, sizeof line, "%s", sentence);
    for (char *at = line; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    }
    fprintf(stderr, "lemnos: %s\n", line);
}

void cli_say(const char *fmt, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    say(sentence);
}

const char *cli_hint(lm_status status)
{
    if (status == LM_BAD_NUMBERS)
        return "; --check finds the op that makes them, --safe leaves out what a driver may get "
               "wrong";
    if (status == LM_WRONG_RESULT)
        return "; --safe leaves out what a driver may get wrong";
    return "";
}

cli_exit cli_fail(const lm_error *err)
{
    if (err->status == LM_CANCELLED && cli_interrupted()) {
        say("interrupted");
        return CLI_INTERRUPTED;
    }
    cli_say("%s%s", err->message, cli_hint(err->status));
    cli_fault_log_add(err);
    return CLI_FAILED;
}

cli_exit cli_usage(const char *fmt, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    say(sentence);
    return CLI_USAGE;
}

cli_size cli_human_size(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    cli_size size;
    snprintf(size.text, sizeof size.text, "%.*f %s", unit > 0, value, units[unit]);
    return size;
}

cli_count cli_human_count(uint64_t count)
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    cli_count result;
    char *to = result.text;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return result;
}

#define REDRAW_NS 100000000u // ten times a second: smooth enough, and free

void cli_progress_begin(cli_progress *progress, const char *doing)
{
    *progress = (cli_progress){.doing = doing, .on_terminal = isatty(STDERR_FILENO) == 1};
}

bool cli_progress_update(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    enum { BAR = 30 };
    cli_progress *progress = user;
    if (!progress->on_terminal || total_bytes == 0)
        return !cli_interrupted();
    const uint64_t now = lm_clock_ns();
    if (progress->shown && now - progress->drawn_ns < REDRAW_NS && done_bytes < total_bytes)
        return !cli_interrupted();
    const double share = done_bytes < total_bytes ? (double)done_bytes / (double)total_bytes : 1;
    char bar[BAR + 1];
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)(share * BAR));
    bar[BAR] = 0;
    fprintf(stderr, "\r%s [%s] %3d%%%s%s ", progress->doing, bar, (int)(share * 100),
            progress->in_steps ? "" : " of ",
            progress->in_steps ? "" : cli_human_size(total_bytes).text);
    fflush(stderr);
    progress->shown = true;
    progress->drawn_ns = now;
    return !cli_interrupted();
}

void cli_progress_end(cli_progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r%72s\r", "");
    progress->shown = false;
}
