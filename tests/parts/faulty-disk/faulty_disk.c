/* A disk that fails, for one process and the files whose path begins with FAULTY_DISK_FILES: preloaded, it lets the calls
 * that a test names fail with the error that the test names, each with a likelihood. FAULTY_DISK_CONTROL is a file of four
 * numbers of four bytes, as the machine writes them: how many in a thousand writes, syncs and reads fail, and the error.
 * The file is mapped, so that a change holds at once. A write that fails has written half of its bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { WRITES, SYNCS, READS };

static volatile const uint32_t *control;
static const char *files;
static _Atomic uint32_t state = 88172645;

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("FAULTY_DISK_CONTROL");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
    files = getenv("FAULTY_DISK_FILES");
    /* A test whose disk can't fail would prove nothing. */
    if (mapped == MAP_FAILED || !files)
        abort();
    close(file);
    control = mapped;
}

/* xorshift; two threads that draw the same number do no harm. */
static uint32_t drawn(void) {
    uint32_t number = state;
    number ^= number << 13;
    number ^= number >> 17;
    number ^= number << 5;
    return state = number;
}

static int fails(enum kind kind, int file) {
    char link[40], path[4096];
    if (!control || control[kind] == 0 || drawn() % 1000 >= control[kind])
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (strncmp(path, files, strlen(files)) != 0)
        return 0;
    errno = (int)control[3];
    return 1;
}

static ssize_t half_written(int file, const void *bytes, size_t count, int at, off64_t offset) {
    int error = errno;
    if (at)
        syscall(SYS_pwrite64, file, bytes, count / 2, offset);
    else if (syscall(SYS_write, file, bytes, count / 2) > 0)
        lseek(file, -(off64_t)(count / 2), SEEK_CUR);
    errno = error;
    return -1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    return fails(WRITES, file) ? half_written(file, bytes, count, 0, 0) : syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return fails(WRITES, file) ? half_written(file, bytes, count, 1, offset)
                               : syscall(SYS_pwrite64, file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return pwrite64(file, bytes, count, offset);
}

ssize_t read(int file, void *bytes, size_t count) {
    return fails(READS, file) ? -1 : syscall(SYS_read, file, bytes, count);
}

ssize_t pread64(int file, void *bytes, size_t count, off64_t offset) {
    return fails(READS, file) ? -1 : syscall(SYS_pread64, file, bytes, count, offset);
}

ssize_t pread(int file, void *bytes, size_t count, off_t offset) { return pread64(file, bytes, count, offset); }

int fsync(int file) { return fails(SYNCS, file) ? -1 : (int)syscall(SYS_fsync, file); }

int fdatasync(int file) { return fails(SYNCS, file) ? -1 : (int)syscall(SYS_fdatasync, file); }

int ftruncate64(int file, off64_t length) {
    return fails(WRITES, file) ? -1 : (int)syscall(SYS_ftruncate, file, length);
}

int ftruncate(int file, off_t length) { return ftruncate64(file, length); }
