/* Preloaded into a victim and all that it starts: counts what they write below one folder, whoever in the process
 * writes it (Python, SQLite, safetensors, Arrow), and at a chosen write ends the process or lets the disk fail; and
 * sets the clock forward or back for these processes alone, with the times of files and of the boot, as the kernel would.
 *
 * The state is one shared page of memory, a file that SOAK_STATE names; faults.py lays it out.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILES 4096
enum { ONLY_COUNT, KILL_GROUP, FAIL };

struct state {
    int64_t writes;         /* so far, of all processes */
    int64_t at;             /* the write at which it happens, from 1; 0 for none */
    int64_t action;
    int64_t error;          /* errno of every write from then on */
    int64_t clock_offset_s; /* that the clock has been set forward by */
    char folder[512];       /* only what lies below it counts */
};

static struct state *state;
static char is_ours[FILES]; /* file descriptors that were opened for writing below the folder */

void soak_attach(const char *path) {
    int file = open(path, O_RDWR);
    if (file < 0) return;
    void *page = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    state = page == MAP_FAILED ? NULL : page;
    close(file);
}

__attribute__((constructor)) static void attach(void) {
    const char *path = getenv("SOAK_STATE");
    if (path) soak_attach(path);
}

static int is_below(const char *path) {
    if (!state || !path) return 0;
    size_t length = strlen(state->folder);
    return length && !strncmp(path, state->folder, length) && (path[length] == '/' || !path[length]);
}

static int is_our_file(int file) { return state && file >= 0 && file < FILES && is_ours[file]; }

/* One write is about to happen. Returns whether it has to fail, with errno set.
 * frees: it takes no room, so a full disk lets it pass. */
static int fails(int frees) {
    int64_t count = __atomic_add_fetch(&state->writes, 1, __ATOMIC_SEQ_CST);
    if (!state->at || count < state->at) return 0;
    if (state->action == FAIL) {
        if (frees && state->error == ENOSPC) return 0;
        errno = (int)state->error;
        return 1;
    }
    if (state->action == KILL_GROUP && count == state->at) kill(0, SIGKILL);
    return 0;
}

#define REAL(result, name, ...)                                        \
    static result (*real)(__VA_ARGS__);                                \
    if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* What the kernel says of the boot, after the clock was set. */
static int open_shifted_boot_time(void) {
    char text[1 << 16], line[64];
    REAL(int, open64, const char *, int, ...);
    int source = real("/proc/stat", O_RDONLY), copy = memfd_create("stat", MFD_CLOEXEC);
    ssize_t length = read(source, text, sizeof text - 1);
    close(source);
    text[length > 0 ? length : 0] = 0;
    char *found = strstr(text, "\nbtime ");
    if (!found) return copy;
    long long boot = atoll(found + 7) + state->clock_offset_s;
    snprintf(line, sizeof line, "\nbtime %lld\n", boot);
    dprintf(copy, "%.*s%s", (int)(found - text), text, line);
    lseek(copy, 0, SEEK_SET);
    return copy;
}

static int opens_for_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT); }

static int before_opening(const char *path, int flags) {
    if (!is_below(path) || !opens_for_writing(flags)) return 0;
    /* A file that is there and stays as long as it is takes no room. */
    int takes_room = (flags & O_TRUNC) || ((flags & O_CREAT) && access(path, F_OK));
    return fails(!takes_room);
}

static int after_opening(int file, const char *path, int flags) {
    if (file >= 0 && file < FILES) is_ours[file] = is_below(path) && opens_for_writing(flags);
    return file;
}

#define OPEN(name)                                                             \
    int name(const char *path, int flags, ...) {                               \
        va_list more;                                                          \
        va_start(more, flags);                                                 \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;      \
        va_end(more);                                                          \
        REAL(int, name, const char *, int, ...);                               \
        if (state && state->clock_offset_s && !strcmp(path, "/proc/stat"))     \
            return open_shifted_boot_time();                                   \
        if (before_opening(path, flags)) return -1;                            \
        return after_opening(real(path, flags, mode), path, flags);            \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                      \
    int name(int at, const char *path, int flags, ...) {                                  \
        va_list more;                                                                     \
        va_start(more, flags);                                                            \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;                 \
        va_end(more);                                                                     \
        REAL(int, name, int, const char *, int, ...);                                     \
        if (before_opening(path, flags)) return -1;                                       \
        return after_opening(real(at, path, flags, mode), path, flags);                   \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int file) {
    REAL(int, close, int);
    if (is_our_file(file)) {
        if (state->clock_offset_s) {
            struct timespec now[2];
            clock_gettime(CLOCK_REALTIME, &now[0]);
            now[1] = now[0];
            futimens(file, now);
        }
        is_ours[file] = 0;
    }
    return real(file);
}

#define WRITE(result, name, declared, given, file)              \
    result name declared {                                      \
        REAL(result, name, ARGUMENTS declared);                 \
        if (is_our_file(file) && fails(0)) return -1;           \
        return real given;                                      \
    }
#define ARGUMENTS(...) __VA_ARGS__
WRITE(ssize_t, write, (int file, const void *data, size_t size), (file, data, size), file)
WRITE(ssize_t, writev, (int file, const struct iovec *parts, int count), (file, parts, count), file)
WRITE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at), file)
WRITE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at), file)
WRITE(int, ftruncate, (int file, off_t size), (file, size), file)
WRITE(int, ftruncate64, (int file, off64_t size), (file, size), file)
WRITE(int, fallocate, (int file, int mode, off_t at, off_t size), (file, mode, at, size), file)
WRITE(int, posix_fallocate, (int file, off_t at, off_t size), (file, at, size), file)
WRITE(int, fsync, (int file), (file), file)
WRITE(int, fdatasync, (int file), (file), file)

#define CHANGE(name, declared, given, path, frees)              \
    int name declared {                                         \
        REAL(int, name, ARGUMENTS declared);                    \
        if (is_below(path) && fails(frees)) return -1;          \
        return real given;                                      \
    }
CHANGE(rename, (const char *from, const char *to), (from, to), to, 1)
CHANGE(renameat, (int at, const char *from, int there, const char *to), (at, from, there, to), to, 1)
CHANGE(unlink, (const char *path), (path), path, 1)
CHANGE(rmdir, (const char *path), (path), path, 1)
CHANGE(mkdir, (const char *path, mode_t mode), (path, mode), path, 0)
CHANGE(truncate, (const char *path, off_t size), (path, size), path, 0)
CHANGE(truncate64, (const char *path, off64_t size), (path, size), path, 0)
CHANGE(link, (const char *from, const char *to), (from, to), to, 0)
CHANGE(symlink, (const char *from, const char *to), (from, to), to, 0)

/* shutil.rmtree removes by a folder's descriptor and a bare name. */
int unlinkat(int at, const char *path, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    if (state && state->folder[0] && (at != AT_FDCWD || is_below(path))) {
        char link[64], folder[600];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = at == AT_FDCWD ? 0 : readlink(link, folder, sizeof folder - 1);
        if (length >= 0) folder[length] = 0;
        if ((at == AT_FDCWD || is_below(folder)) && fails(1)) return -1;
    }
    return real(at, path, flags);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int result = real(clock, now);
    if (state && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += state->clock_offset_s;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(int, gettimeofday, struct timeval *, void *);
    int result = real(now, zone);
    if (state) now->tv_sec += state->clock_offset_s;
    return result;
}

time_t time(time_t *stored) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (stored) *stored = now.tv_sec;
    return now.tv_sec;
}
