/* What to say when a mapped file ends before its array does: reading beyond the end raises SIGBUS, which kills a process without a word.
 *
 * gw_mapped_clear()            forget all ranges.
 * gw_mapped_add(start, n, text, length)
 *                              remember n bytes from `start`, and a copy of `text`, `length` bytes that are written as they are.
 *                              Returns 0, or -1 when GW_MAPPED_RANGES are known or the text is longer than GW_MAPPED_TEXT.
 * gw_mapped_install(delay_ms)  handle SIGBUS from now on: at an address in a range, wait for delay_ms, write its text to standard error,
 *                              wait for another 100 ms (a launcher forwards it, and may end all when this process ends), and _exit(1). At any
 *                              other address the signal does what it does by default.
 *
 * The handler calls only what POSIX allows it to: nanosleep, write, sigaction, _exit. Ranges must not change while it may run.
 */
#ifndef GW_MAPPED_H
#define GW_MAPPED_H

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GW_MAPPED_RANGES = 16, GW_MAPPED_TEXT = 4096, GW_MAPPED_FLUSH_MS = 100 };

static struct {
    uintptr_t start, stop;
    size_t length;
    char text[GW_MAPPED_TEXT];
} gw_mapped[GW_MAPPED_RANGES];
static int gw_mapped_count;
static long gw_mapped_delay_ms;

static void gw_mapped_sleep(long ms)
{
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&wait, &wait) != 0) {
    }
}

static void gw_mapped_handle(int number, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr;
    (void)context;
    for (int i = 0; i < gw_mapped_count; i++) {
        if (gw_mapped[i].start <= at && at < gw_mapped[i].stop) {
            size_t done = 0;
            gw_mapped_sleep(gw_mapped_delay_ms);
            while (done < gw_mapped[i].length) {
                ssize_t wrote = write(STDERR_FILENO, gw_mapped[i].text + done, gw_mapped[i].length - done);
                if (wrote <= 0)
                    break;
                done += (size_t)wrote;
            }
            gw_mapped_sleep(GW_MAPPED_FLUSH_MS);
            _exit(1);
        }
    }
    struct sigaction plain;
    memset(&plain, 0, sizeof plain);
    plain.sa_handler = SIG_DFL;
    sigaction(number, &plain, NULL); /* the access is tried again when this returns */
}

static void gw_mapped_clear(void)
{
    gw_mapped_count = 0;
}

static int gw_mapped_add(uintptr_t start, uint64_t n, const char *text, size_t length)
{
    if (gw_mapped_count == GW_MAPPED_RANGES || length > GW_MAPPED_TEXT)
        return -1;
    gw_mapped[gw_mapped_count].start = start;
    gw_mapped[gw_mapped_count].stop = start + n;
    gw_mapped[gw_mapped_count].length = length;
    memcpy(gw_mapped[gw_mapped_count].text, text, length);
    gw_mapped_count++;
    return 0;
}

static void gw_mapped_install(long delay_ms)
{
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = gw_mapped_handle;
    ours.sa_flags = SA_SIGINFO;
    gw_mapped_delay_ms = delay_ms;
    sigaction(SIGBUS, &ours, NULL);
}

#endif
