/* A wall clock that a test sets, for one process: preloaded, it adds the seconds in a file (eight bytes, as the machine
 * writes a number) to CLOCK_REALTIME. The file is mapped, so that a change holds at once. Every other clock is left
 * alone, as setting a machine's clock leaves them alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *offset;

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("WALL_CLOCK_OFFSET");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    /* A test whose clock can't be set would prove nothing. */
    if (mapped == MAP_FAILED)
        abort();
    close(file);
    offset = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && offset)
        now->tv_sec += *offset;
    return result;
}
