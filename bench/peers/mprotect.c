// SPDX-License-Identifier: Apache-2.0
/*
 * Loaded into a program of one thread: all that it may write in private memory is protected; the first write to a page
 * raises SIGSEGV, whose handler saves the page and makes it writable.
 *
 * Not protected but saved at once: what is used of the stack, on which handlers run, and the thread's own block, in
 * which the kernel writes as it pleases. Where a system call is to write, protected memory makes it fail with EFAULT.
 * So buffers of open streams are made writable at once, and those that read(2), pread(2) and fread(3) are given just
 * before the call. Other calls, such as stat(2) to the heap, are not handled. If the program writes to memory that is
 * read-only of its own, that is not noticed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "peer.h"

#define ROOM_PAGES (1UL << 21)
#define THREAD_BYTES 2304
#define RED_ZONE_BYTES 128
#define EXPORTED __attribute__((visibility("default")))

/* Of glibc: the first of all streams, and giving one its buffer. */
extern FILE *_IO_list_all;
void _IO_doallocbuf(FILE *stream);

static volatile uint8_t marker = 1; /* lies in this library's data */
static int maps;
static uint8_t *room;
static uint64_t *addresses; /* of the pages in the room */
static uint64_t saved;
static struct range kept[8]; /* never protected */
static int kept_count;
static struct range stack;
static struct range thread;
static volatile sig_atomic_t buffers_in_use;

static ssize_t (*libc_read)(int, void *, size_t);
static ssize_t (*libc_pread)(int, void *, size_t, off_t);
static size_t (*libc_fread)(void *, size_t, size_t, FILE *);
static FILE *(*libc_fopen)(const char *, const char *);
static int (*libc_sigaction)(int, const struct sigaction *, struct sigaction *);
static sighandler_t (*libc_signal)(int, sighandler_t);

static struct range pages_of(uint64_t start, uint64_t length) {
    return (struct range){start & -PAGE, (start + length + PAGE - 1) & -PAGE};
}

static void save(struct range range) {
    uint64_t count = (range.end - range.start) / PAGE;
    if (saved + count > ROOM_PAGES) {
        fail("more than %lu pages written in an interval", ROOM_PAGES);
    }
    memcpy(room + saved * PAGE, (void *) (uintptr_t) range.start, count * PAGE);
    for (uint64_t i = 0; i < count; i++) {
        addresses[saved++] = range.start + i * PAGE;
    }
}

static void set_protection(struct range range, int protection) {
    if (mprotect((void *) (uintptr_t) range.start, range.end - range.start, protection) < 0) {
        fail(errno == ENOMEM ? "more mappings than vm.max_map_count; each run of written pages is one"
                             : "mprotect: %m");
    }
}

static void save_and_open(struct range range) {
    save(range);
    set_protection(range, PROT_READ | PROT_WRITE);
}

static void protect(struct range range) {
    for (int i = 0; i < kept_count; i++) {
        if (kept[i].start < range.end && range.start < kept[i].end) {
            if (range.start < kept[i].start) {
                protect((struct range){range.start, kept[i].start});
            }
            range.start = kept[i].end < range.end ? kept[i].end : range.end;
        }
    }
    if (range.start < range.end) {
        set_protection(range, PROT_READ);
    }
}

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void) context;
    int error = errno;
    if (info->si_code != SEGV_ACCERR) {
        libc_signal(signal, SIG_DFL); // to happen again
        return;
    }
    save_and_open(pages_of((uint64_t) (uintptr_t) info->si_addr, 1));
    errno = error;
}

static void keep(struct range range) {
    kept[kept_count++] = range;
}

static void keep_mapping_of(const volatile void *address) {
    struct range mapping;
    int is_of_file;
    if (!next_writable(maps, (uint64_t) (uintptr_t) address, &mapping, &is_of_file)) {
        fail("PROCMAP_QUERY: not on this kernel");
    }
    keep(mapping);
}

static void *of_libc(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) {
        fail("%s: not in the C library", name);
    }
    return function;
}

/* Other libraries' constructors may call us before our own has run. */
static void find_libc(void) {
    if (libc_read) {
        return;
    }
    *(void **) &libc_pread = of_libc("pread");
    *(void **) &libc_fread = of_libc("fread");
    *(void **) &libc_fopen = of_libc("fopen");
    *(void **) &libc_sigaction = of_libc("sigaction");
    *(void **) &libc_signal = of_libc("signal");
    *(void **) &libc_read = of_libc("read");
}

void begin(void) {
    find_libc();
    maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    room = reserve(ROOM_PAGES * PAGE);
    addresses = reserve(ROOM_PAGES * sizeof *addresses);
    keep(pages_of((uint64_t) (uintptr_t) room, ROOM_PAGES * PAGE));
    keep(pages_of((uint64_t) (uintptr_t) addresses, ROOM_PAGES * sizeof *addresses));
    keep_mapping_of(&marker);
    keep_mapping_of(&buffers_in_use);
    uint64_t self = (uint64_t) pthread_self();
    uint64_t first = (uint64_t) (uintptr_t) &errno < self ? (uint64_t) (uintptr_t) &errno : self;
    thread = pages_of(first, self + THREAD_BYTES - first);
    keep(thread);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGRTMAX);
    if (libc_sigaction(SIGSEGV, &action, NULL) < 0) {
        fail("sigaction: %m");
    }
}

int64_t checkpoint(const ucontext_t *context) {
    if (buffers_in_use) {
        return -1;
    }
    uint64_t stack_pointer = (uint64_t) context->uc_mcontext.gregs[REG_RSP] - RED_ZONE_BYTES;
    int64_t count = (int64_t) saved;
    saved = 0;
    struct range mapping = {0};
    for (int is_of_file; next_writable(maps, mapping.end, &mapping, &is_of_file);) {
        if (mapping.start <= stack_pointer && stack_pointer < mapping.end) {
            stack = mapping;
        } else {
            protect(mapping);
        }
    }
    stack.start = stack_pointer & -PAGE;
    save(stack);
    save(thread);
    for (FILE *stream = _IO_list_all; stream; stream = stream->_chain) {
        if (stream->_IO_buf_base) {
            save_and_open(pages_of((uint64_t) (uintptr_t) stream->_IO_buf_base,
                                   (uint64_t) (stream->_IO_buf_end - stream->_IO_buf_base)));
        }
    }
    return count;
}

uint64_t end(void) {
    return 0;
}

/* ---- in front of the C library ----------------------------------------------------------------------------------- */

/* Until buffers are put away, no page is protected. */
static void use_buffer(void *buffer, size_t length) {
    find_libc();
    buffers_in_use++;
    struct range range = pages_of((uint64_t) (uintptr_t) buffer, length);
    for (uint64_t page = range.start; length > 0 && page < range.end; page += PAGE) {
        uint64_t place = page < (uint64_t) (uintptr_t) buffer ? (uint64_t) (uintptr_t) buffer : page;
        *(volatile uint8_t *) (uintptr_t) place = *(volatile uint8_t *) (uintptr_t) place;
    }
}

static void put_away(void) {
    buffers_in_use--;
}

EXPORTED ssize_t read(int descriptor, void *buffer, size_t length) {
    use_buffer(buffer, length);
    ssize_t result = libc_read(descriptor, buffer, length);
    put_away();
    return result;
}

EXPORTED ssize_t pread(int descriptor, void *buffer, size_t length, off_t offset) {
    use_buffer(buffer, length);
    ssize_t result = libc_pread(descriptor, buffer, length, offset);
    put_away();
    return result;
}

EXPORTED size_t fread(void *buffer, size_t size, size_t count, FILE *stream) {
    use_buffer(buffer, size * count);
    if (!stream->_IO_buf_base) {
        _IO_doallocbuf(stream);
    }
    size_t result = libc_fread(buffer, size, count, stream);
    put_away();
    return result;
}

EXPORTED FILE *fopen(const char *path, const char *mode) {
    find_libc();
    FILE *stream = libc_fopen(path, mode);
    if (stream) {
        _IO_doallocbuf(stream);
        use_buffer(stream->_IO_buf_base, (size_t) (stream->_IO_buf_end - stream->_IO_buf_base));
        put_away();
    }
    return stream;
}

/* Our handler stays. */
EXPORTED int sigaction(int signal, const struct sigaction *action, struct sigaction *older) {
    find_libc();
    return signal == SIGSEGV && action ? 0 : libc_sigaction(signal, action, older);
}

EXPORTED sighandler_t signal(int signal, sighandler_t handler) {
    find_libc();
    return signal == SIGSEGV ? SIG_DFL : libc_signal(signal, handler);
}
