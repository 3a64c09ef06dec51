/* Records what a process writes below a folder, and makes the n-th call fail.
 *
 * Loaded with LD_PRELOAD. Settings are environment variables:
 *
 *   DISK_RECORDER_ROOT    only files whose path begins with this are looked at
 *   DISK_RECORDER_LOG     where the record goes, appended
 *   DISK_RECORDER_SYNC    microseconds that an fsync takes; it is not passed on then
 *   DISK_RECORDER_FAULT   kind:calls:n:count  kind is EIO, ENOSPC, EINTR, SHORT (half
 *                         of a write is done) or KILL (the process is killed);
 *                         calls is w (write, ftruncate), s (fsync, fdatasync) or a;
 *                         calls number n, n + 1, ... n + count - 1 fail, from 0
 *   DISK_RECORDER_NAMED  only files with this in their path fail
 *
 * An entry: magic u32, operation u8, 3 bytes of nothing, file number i32, value u64,
 * length u64, then the payload. All calls but the waiting of an fsync are made under
 * one lock, so that the order of the entries is the order of the calls. An fsync makes
 * two entries, at its beginning and at its end: only what stands before its beginning
 * is sure to be on the disk after its end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum operation {
    OPENED = 1, /* payload: path; value: open flags */
    WRITTEN,    /* value: offset; payload: bytes */
    TRUNCATED,  /* value: size */
    SYNC_BEGUN, /* value: number of the sync */
    SYNC_ENDED, /* value: number of the sync */
    RENAMED,    /* payload: old path, 0, new path */
    UNLINKED,   /* payload: path */
    FAULTED,    /* value: number of the call; payload: path */
};

struct __attribute__((packed)) entry {
    uint32_t magic;
    uint8_t operation;
    uint8_t nothing[3];
    int32_t file;
    uint64_t value;
    uint64_t length;
};

#define MAGIC 0x43455244u
#define DESCRIPTORS 4096
#define SHORT (-1)
#define KILL (-2)

static struct {
    int number; /* 0: not looked at */
    int can_fail;
    char path[1024];
} files[DESCRIPTORS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int next_file = 1;
static uint64_t next_sync = 1;
static int record_descriptor = -1;
static long sync_microseconds = -1;
static const char *root = NULL, *named = "";
static struct {
    int kind;
    char calls;
    long first, count, seen;
} fault;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_close)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);

static void read_fault(const char *text) {
    char kind[16];
    if (sscanf(text, "%15[^:]:%c:%ld:%ld", kind, &fault.calls, &fault.first,
               &fault.count) != 4) {
        fprintf(stderr, "DISK_RECORDER_FAULT is not kind:calls:n:count: %s\n", text);
        _exit(2);
    }
    fault.kind = !strcmp(kind, "EIO")      ? EIO
                 : !strcmp(kind, "ENOSPC") ? ENOSPC
                 : !strcmp(kind, "EINTR")  ? EINTR
                 : !strcmp(kind, "KILL")   ? KILL
                                           : SHORT;
}

__attribute__((constructor)) static void begin(void) {
    if (real_write)
        return;
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_close = dlsym(RTLD_NEXT, "close");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_write = dlsym(RTLD_NEXT, "write");
    const char *text = getenv("DISK_RECORDER_LOG");
    if (text)
        record_descriptor = syscall(SYS_openat, AT_FDCWD, text,
                                    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if ((text = getenv("DISK_RECORDER_SYNC")))
        sync_microseconds = atol(text);
    if ((text = getenv("DISK_RECORDER_NAMED")))
        named = text;
    if ((text = getenv("DISK_RECORDER_FAULT")))
        read_fault(text);
    root = getenv("DISK_RECORDER_ROOT");
}

static void record(int operation, int file, uint64_t value, const void *payload,
                   size_t length) {
    struct entry entry = {MAGIC, operation, {0}, file, value, length};
    struct iovec parts[2] = {{&entry, sizeof entry}, {(void *)payload, length}};
    if (record_descriptor >= 0)
        syscall(SYS_writev, record_descriptor, parts, length ? 2 : 1);
}

static int is_ours(const char *path) {
    return root && !strncmp(path, root, strlen(root));
}

static int is_watched(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS && files[descriptor].number;
}

static void opened(int descriptor, const char *path, int flags) {
    struct stat status;
    if (descriptor < 0 || descriptor >= DESCRIPTORS)
        return;
    pthread_mutex_lock(&lock);
    files[descriptor].number = 0;
    if (is_ours(path) && fstat(descriptor, &status) == 0 &&
        (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) {
        size_t length = strlen(path);
        files[descriptor].number = next_file++;
        files[descriptor].can_fail = S_ISREG(status.st_mode) && strstr(path, named);
        snprintf(files[descriptor].path, sizeof files[descriptor].path, "%s", path);
        record(OPENED, files[descriptor].number, flags, path, length);
    }
    pthread_mutex_unlock(&lock);
}

/* What is to go wrong with this call: 0, an errno, or SHORT. Under the lock. */
static int fault_of(int descriptor, char call) {
    if (!fault.kind || !files[descriptor].can_fail ||
        (fault.calls != call && fault.calls != 'a'))
        return 0;
    long number = fault.seen++;
    if (number < fault.first || number >= fault.first + fault.count)
        return 0;
    record(FAULTED, files[descriptor].number, number, files[descriptor].path,
           strlen(files[descriptor].path));
    if (fault.kind == KILL)
        syscall(SYS_kill, getpid(), SIGKILL);
    return fault.kind;
}

#define OPEN(name)                                                                   \
    int name(const char *path, int flags, ...) {                                     \
        static int (*real)(const char *, int, ...);                                  \
        if (!real)                                                                   \
            real = dlsym(RTLD_NEXT, #name);                                          \
        va_list more;                                                                \
        va_start(more, flags);                                                       \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;         \
        va_end(more);                                                                \
        int descriptor = real(path, flags, mode), error = errno;                     \
        opened(descriptor, path, flags);                                             \
        errno = error;                                                               \
        return descriptor;                                                           \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                 \
    int name(int folder, const char *path, int flags, ...) {                         \
        static int (*real)(int, const char *, int, ...);                             \
        if (!real)                                                                   \
            real = dlsym(RTLD_NEXT, #name);                                          \
        va_list more;                                                                \
        va_start(more, flags);                                                       \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;         \
        va_end(more);                                                                \
        int descriptor = real(folder, path, flags, mode), error = errno;             \
        if (path[0] == '/')                                                          \
            opened(descriptor, path, flags);                                         \
        errno = error;                                                               \
        return descriptor;                                                           \
    }
OPENAT(openat)
OPENAT(openat64)

/* A write at `offset`, or at the file's own position if that is negative. */
static ssize_t do_write(int descriptor, const void *bytes, size_t size, off_t offset) {
    begin();
    int positioned = offset >= 0;
    if (!is_watched(descriptor))
        return positioned ? real_pwrite(descriptor, bytes, size, offset)
                          : real_write(descriptor, bytes, size);
    pthread_mutex_lock(&lock);
    int wrong = fault_of(descriptor, 'w');
    if (wrong > 0) {
        pthread_mutex_unlock(&lock);
        errno = wrong;
        return -1;
    }
    if (wrong == SHORT && size > 1)
        size /= 2;
    if (!positioned) {
        int appends = fcntl(descriptor, F_GETFL) & O_APPEND;
        offset = lseek(descriptor, 0, appends ? SEEK_END : SEEK_CUR);
    }
    ssize_t written = positioned ? real_pwrite(descriptor, bytes, size, offset)
                                 : real_write(descriptor, bytes, size);
    int error = errno;
    if (written > 0)
        record(WRITTEN, files[descriptor].number, offset, bytes, written);
    pthread_mutex_unlock(&lock);
    errno = error;
    return written;
}

ssize_t write(int d, const void *b, size_t n) { return do_write(d, b, n, -1); }
ssize_t pwrite(int d, const void *b, size_t n, off_t o) { return do_write(d, b, n, o); }
ssize_t pwrite64(int d, const void *b, size_t n, off_t o) {
    return do_write(d, b, n, o);
}

int ftruncate64(int descriptor, off_t size) {
    begin();
    if (!is_watched(descriptor))
        return real_ftruncate(descriptor, size);
    pthread_mutex_lock(&lock);
    int wrong = fault_of(descriptor, 'w');
    int result = wrong > 0 ? -1 : real_ftruncate(descriptor, size);
    int error = wrong > 0 ? wrong : errno;
    if (result == 0)
        record(TRUNCATED, files[descriptor].number, size, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int ftruncate(int d, off_t size) { return ftruncate64(d, size); }

static int do_sync(int descriptor, int (*real)(int)) {
    if (!is_watched(descriptor))
        return real(descriptor);
    pthread_mutex_lock(&lock);
    int file = files[descriptor].number;
    uint64_t number = next_sync++;
    int wrong = fault_of(descriptor, 's');
    if (wrong <= 0)
        record(SYNC_BEGUN, file, number, NULL, 0);
    pthread_mutex_unlock(&lock);
    if (wrong > 0) {
        errno = wrong;
        return -1;
    }
    int result = 0;
    if (sync_microseconds >= 0)
        usleep(sync_microseconds);
    else
        result = real(descriptor);
    int error = errno;
    pthread_mutex_lock(&lock);
    if (result == 0)
        record(SYNC_ENDED, file, number, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int fsync(int descriptor) {
    begin();
    return do_sync(descriptor, real_fsync);
}
int fdatasync(int descriptor) {
    begin();
    return do_sync(descriptor, real_fdatasync);
}

int close(int descriptor) {
    begin();
    if (is_watched(descriptor)) {
        pthread_mutex_lock(&lock);
        files[descriptor].number = 0;
        pthread_mutex_unlock(&lock);
    }
    return real_close(descriptor);
}

int rename(const char *old, const char *new) {
    begin();
    pthread_mutex_lock(&lock);
    int result = real_rename(old, new), error = errno;
    if (result == 0 && is_ours(old)) {
        char both[2 * 4096 + 2];
        size_t first = strlen(old) + 1, second = strlen(new);
        memcpy(both, old, first);
        memcpy(both + first, new, second);
        record(RENAMED, 0, 0, both, first + second);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int unlink(const char *path) {
    begin();
    pthread_mutex_lock(&lock);
    int result = real_unlink(path), error = errno;
    if (result == 0 && is_ours(path))
        record(UNLINKED, 0, 0, path, strlen(path));
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
