/* Faults of disks for one program (LD_PRELOAD), below the folders of FAULTS_BELOW, which colons separate.
 *
 * FAULTS_CONTROL names a file of `struct control`, which the tests write and read while the program runs: the call that
 * turns `left` to 0 fails with `error`, and so do the next `more` calls. FAULTS_SHADOW, if set, names a folder that keeps
 * what a power cut would leave: the bytes of each file as they were last synced, the names of each folder likewise.
 * tests/harness/faults.py is the other side. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* Which calls count, as bits of `which`: those that may need room, and those that may only break. */
enum { ROOM = 1, OTHER = 2 };

struct control {
    _Atomic int64_t seen; /* calls that counted */
    _Atomic int64_t left; /* the call that makes this 0 fails; 0 or less: none will */
    _Atomic int64_t more; /* how many fail after it */
    _Atomic int32_t error;
    _Atomic int32_t which;
    _Atomic int64_t failed; /* calls that failed */
};

static struct control *control;
static const char *below, *shadow;
/* What is done to keep the shadow does not count. */
static _Thread_local int inside;

static void begin(void) __attribute__((constructor));
static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL");
    below = getenv("FAULTS_BELOW");
    shadow = getenv("FAULTS_SHADOW");
    if (!path || !below) return;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at != MAP_FAILED) control = at;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_below(const char *path) {
    for (const char *at = below; at && *at;) {
        size_t length = strcspn(at, ":");
        if (!strncmp(path, at, length) && (path[length] == '/' || !path[length])) return 1;
        at += length + (at[length] == ':');
    }
    return 0;
}

static int fd_is_below(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static int path_is_below(int folder, const char *path) {
    if (path[0] == '/') return is_below(path);
    return folder != AT_FDCWD && fd_is_below(folder);
}

/* Counts one call; says whether it fails. */
static int fails(int kind) {
    if (inside || !control || !(atomic_load(&control->which) & kind)) return 0;
    atomic_fetch_add(&control->seen, 1);
    int64_t left = atomic_load(&control->left);
    if (left < 1 - atomic_load(&control->more)) return 0;
    left = atomic_fetch_sub(&control->left, 1) - 1;
    if (left > 0 || left < -atomic_load(&control->more)) return 0;
    atomic_fetch_add(&control->failed, 1);
    errno = atomic_load(&control->error);
    return 1;
}

/* Which file it is, whatever its names are: another one may get its number. */
static int key_of(int fd, const char *path, char *key, size_t size, int *is_folder) {
    struct statx found;
    if (statx(fd, path, (*path ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH), STATX_INO | STATX_BTIME | STATX_TYPE, &found))
        return 0;
    *is_folder = S_ISDIR(found.stx_mode);
    if (!*is_folder && !S_ISREG(found.stx_mode)) return 0;
    snprintf(key, size, "%llu-%lld-%u", (unsigned long long)found.stx_ino, (long long)found.stx_btime.tv_sec,
             found.stx_btime.tv_nsec);
    return 1;
}

static void keep_file(int from, int to) {
    char buffer[65536];
    off_t at = 0;
    for (ssize_t got; (got = pread(from, buffer, sizeof buffer, at)) > 0; at += got)
        if (write(to, buffer, got) != got) return;
}

static void keep_folder(const char *link, int to) {
    DIR *folder = opendir(link);
    if (!folder) return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char key[96], line[512];
        int is_folder;
        if (!key_of(dirfd(folder), entry->d_name, key, sizeof key, &is_folder) || is_folder) continue;
        int length = snprintf(line, sizeof line, "%s %s\n", key, entry->d_name);
        if (write(to, line, length) != length) break;
    }
    closedir(folder);
}

/* Remembers what has just been synced. A death in between leaves what was remembered before. */
static void keep(int fd) {
    char key[96], link[64], part[4096], whole[4096];
    int is_folder;
    if (!shadow || !*shadow || !fd_is_below(fd)) return;
    inside++;
    if (key_of(fd, "", key, sizeof key, &is_folder)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        snprintf(part, sizeof part, "%s/.%d-%s", shadow, gettid(), key);
        snprintf(whole, sizeof whole, "%s/%s", shadow, key);
        int to = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int from = is_folder ? -1 : open(link, O_RDONLY | O_CLOEXEC);
        if (is_folder) keep_folder(link, to);
        if (from >= 0) keep_file(from, to);
        if (from >= 0) close(from);
        close(to);
        rename(part, whole);
    }
    inside--;
}

/* The calls. A write that fails wrote nothing. */

#define ON_FD(type, name, kind, parameters, fd, ...) \
    type name parameters { \
        REAL(name); \
        if (!inside && control && fd_is_below(fd) && fails(kind)) return -1; \
        return real(__VA_ARGS__); \
    }

ON_FD(ssize_t, write, ROOM, (int fd, const void *from, size_t size), fd, fd, from, size)
ON_FD(ssize_t, pwrite, ROOM, (int fd, const void *from, size_t size, off_t at), fd, fd, from, size, at)
ON_FD(ssize_t, pwrite64, ROOM, (int fd, const void *from, size_t size, off64_t at), fd, fd, from, size, at)
ON_FD(ssize_t, writev, ROOM, (int fd, const struct iovec *from, int count), fd, fd, from, count)
ON_FD(ssize_t, pwritev, ROOM, (int fd, const struct iovec *from, int count, off_t at), fd, fd, from, count, at)
ON_FD(ssize_t, pwritev64, ROOM, (int fd, const struct iovec *from, int count, off64_t at), fd, fd, from, count, at)
ON_FD(int, ftruncate, ROOM, (int fd, off_t size), fd, fd, size)
ON_FD(int, ftruncate64, ROOM, (int fd, off64_t size), fd, fd, size)
ON_FD(int, fallocate, ROOM, (int fd, int mode, off_t at, off_t size), fd, fd, mode, at, size)
ON_FD(int, fallocate64, ROOM, (int fd, int mode, off64_t at, off64_t size), fd, fd, mode, at, size)
ON_FD(ssize_t, pread64, OTHER, (int fd, void *to, size_t size, off64_t at), fd, fd, to, size, at)
ON_FD(ssize_t, read, OTHER, (int fd, void *to, size_t size), fd, fd, to, size)

#define SYNC(name) \
    int name(int fd) { \
        REAL(name); \
        if (!inside && control && fd_is_below(fd) && fails(OTHER)) return -1; \
        int result = real(fd); \
        if (!result) keep(fd); \
        return result; \
    }

SYNC(fsync)
SYNC(fdatasync)

#define OPEN(name, parameters, folder, ...) \
    int name parameters { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | __O_TMPFILE)) { \
            va_list more; \
            va_start(more, flags); \
            mode = va_arg(more, mode_t); \
            va_end(more); \
        } \
        int kind = flags & O_CREAT ? ROOM : OTHER; \
        if (!inside && control && path_is_below(folder, path) && fails(kind)) return -1; \
        return real(__VA_ARGS__); \
    }

OPEN(open, (const char *path, int flags, ...), AT_FDCWD, path, flags, mode)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, path, flags, mode)
OPEN(openat, (int at, const char *path, int flags, ...), at, at, path, flags, mode)
OPEN(openat64, (int at, const char *path, int flags, ...), at, at, path, flags, mode)

#define ON_PATH(name, kind, parameters, ...) \
    int name parameters { \
        REAL(name); \
        if (!inside && control && path_is_below(AT_FDCWD, path) && fails(kind)) return -1; \
        return real(__VA_ARGS__); \
    }

ON_PATH(unlink, OTHER, (const char *path), path)
ON_PATH(rename, ROOM, (const char *path, const char *to), path, to)
ON_PATH(link, ROOM, (const char *path, const char *to), path, to)

int linkat(int from, const char *path, int folder, const char *to, int flags) {
    REAL(linkat);
    if (!inside && control && path_is_below(folder, to) && fails(ROOM)) return -1;
    return real(from, path, folder, to, flags);
}

int renameat2(int from, const char *path, int folder, const char *to, unsigned flags) {
    REAL(renameat2);
    if (!inside && control && path_is_below(folder, to) && fails(ROOM)) return -1;
    return real(from, path, folder, to, flags);
}
