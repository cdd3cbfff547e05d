// SPDX-License-Identifier: Apache-2.0
/*
 * The thread that a held write waits for: it saves what the page holds, notes it, and lets the writer go on.
 *
 * - A message is read and dealt with under the lock, so whoever has the lock knows that none is half done.
 * - Only a page that is marked as protected after it was read is saved. Marks come from captures alone, so what was read
 *   is what the page held at the last one; a page that was given back meanwhile has lost its mark. And only if it could
 *   be opened then: of memory that is not registered any more, the marks say nothing.
 * - A run of writes to neighbours is saved ahead, up to BS_COW_RUN pages at a time.
 * - No frame left: the caller is woken to bring some, and the writer waits. While the target is being stopped, or stands,
 *   the caller waits for the target; then frames of our own are used, which a capture moves into the caller's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cow.h"
#include "error.h"
#include "kernel.h"

#define MESSAGES 16
#define OVERFLOW_FRAMES 256
#define MARKED (1ULL << 57)
#define THERE (3ULL << 62) /* present, or swapped */

void bs_cow_lock(struct bs_cow *cow) {
    __atomic_add_fetch(&cow->wanted, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&cow->lock);
    __atomic_sub_fetch(&cow->wanted, 1, __ATOMIC_SEQ_CST);
}

static size_t pooled(const struct bs_cow *cow) {
    return cow->pool.size / sizeof(uint64_t);
}

int bs_cow_protect(struct bs_cow *cow, uint64_t first, uint64_t end, bool on) {
    struct uffdio_writeprotect range = {
        .range = {.start = first * BS_PAGE_SIZE, .len = (end - first) * BS_PAGE_SIZE},
        .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0};
    while (ioctl(cow->uffd, UFFDIO_WRITEPROTECT, &range) < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Puts frames of our own into the pool; the next ones that are used come from there. */
static bool add_overflow(struct bs_cow *cow) {
    if (cow->overflow_used == cow->overflow.size / sizeof(uint64_t)) {
        char *more = mmap(NULL, OVERFLOW_FRAMES * BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        uint64_t *places = more == MAP_FAILED ? NULL : bs_vector_extend(&cow->overflow, OVERFLOW_FRAMES * sizeof *places);
        if (!places) {
            return false;
        }
        for (size_t i = 0; i < OVERFLOW_FRAMES; i++) {
            places[i] = (uint64_t) (uintptr_t) more + i * BS_PAGE_SIZE;
        }
    }
    uint64_t *place = bs_vector_extend(&cow->pool, sizeof *place);
    if (place) {
        *place = ((const uint64_t *) cow->overflow.data)[cow->overflow_used++];
    }
    return place != NULL;
}

/* Copies pages into the last frames of the pool, the first page into the last; returns how many could be read. */
static size_t read_pages(struct bs_cow *cow, uint64_t first, size_t count) {
    const uint64_t *pool = (const uint64_t *) cow->pool.data;
    struct iovec ours[BS_COW_RUN], theirs = {(void *) (uintptr_t) (first * BS_PAGE_SIZE), count * BS_PAGE_SIZE};
    for (size_t i = 0; i < count; i++) {
        ours[i] = (struct iovec){(void *) (uintptr_t) pool[pooled(cow) - 1 - i], BS_PAGE_SIZE};
    }
    ssize_t moved = process_vm_readv(cow->process->pid, ours, count, &theirs, 1, 0);
    if (moved >= BS_PAGE_SIZE) {
        return (size_t) moved / BS_PAGE_SIZE;
    }
    return pread(cow->process->memory, ours[0].iov_base, BS_PAGE_SIZE, (off_t) (first * BS_PAGE_SIZE)) == BS_PAGE_SIZE;
}

/* How many of the pages, from the first on, are there and marked. */
static size_t count_marked(struct bs_cow *cow, uint64_t first, size_t count) {
    uint64_t entries[BS_COW_RUN];
    ssize_t got = pread(cow->process->pagemap, entries, count * sizeof *entries, (off_t) (first * sizeof *entries));
    size_t marked = 0;
    while (got > 0 && marked < (size_t) got / sizeof *entries && (entries[marked] & MARKED) && (entries[marked] & THERE)) {
        marked++;
    }
    return marked;
}

/* False if they are not registered: what waits for them then goes on by itself. */
static bool open_pages(struct bs_cow *cow, uint64_t first, size_t count) {
    if (bs_cow_protect(cow, first, first + count, false) == 0) {
        return true;
    }
    struct uffdio_range range = {.start = first * BS_PAGE_SIZE, .len = count * BS_PAGE_SIZE};
    ioctl(cow->uffd, UFFDIO_WAKE, &range);
    return false;
}

/*
 * Lets whoever waits for the pages go on; returns how many of them, from the first on, are registered. A move can take
 * the registration of pages away and leave their marks: what was read of such a page can have been written unseen.
 */
static size_t let_go_on(struct bs_cow *cow, uint64_t first, size_t count) {
    if (open_pages(cow, first, count)) {
        return count;
    }
    size_t opened = 0;
    while (count > 1 && opened < count && open_pages(cow, first + opened, 1)) {
        opened++;
    }
    return opened;
}

/* There must be a frame. At most so many are used. */
static void serve(struct bs_cow *cow, uint64_t page, size_t frames) {
    cow->faults++;
    cow->run = page == cow->next_page && cow->run > 0 ? cow->run * 2 : 1;
    cow->run = cow->run > BS_COW_RUN ? BS_COW_RUN : cow->run;
    size_t count = cow->run < frames ? cow->run : frames;
    count = count_marked(cow, page, count);
    count = count == 0 ? 0 : read_pages(cow, page, count);
    count = count == 0 ? 0 : count_marked(cow, page, count);
    cow->next_page = page + (count > 0 ? count : 1);
    bool room = count > 0 && bs_vector_reserve(&cow->log, cow->log.size + count * sizeof(struct bs_saved_page)) == 0;
    size_t opened = let_go_on(cow, page, count > 0 ? count : 1);
    for (size_t i = 0; room && i < opened; i++) {
        struct bs_saved_page *saved = bs_vector_extend(&cow->log, sizeof *saved);
        *saved = (struct bs_saved_page){page + i, ((const uint64_t *) cow->pool.data)[pooled(cow) - 1]};
        cow->pool.size -= sizeof(uint64_t);
    }
}

/* Reads messages for which there are frames, and serves them. False if there was none. */
static bool serve_some(struct bs_cow *cow) {
    struct uffd_msg messages[MESSAGES];
    size_t room = pooled(cow) < MESSAGES ? pooled(cow) : MESSAGES;
    ssize_t got = read(cow->uffd, messages, room * sizeof *messages);
    for (size_t i = 0, count = got > 0 ? (size_t) got / sizeof *messages : 0; i < count; i++) {
        if (messages[i].event == UFFD_EVENT_PAGEFAULT) {
            serve(cow, messages[i].arg.pagefault.address / BS_PAGE_SIZE, pooled(cow) - (count - 1 - i));
        }
    }
    return got > 0;
}

static void ask_for_frames(struct bs_cow *cow) {
    if (!cow->asked) {
        cow->asked = true;
        bs_process_wake(cow->process);
    }
}

static void await_message(const struct bs_cow *cow) {
    struct pollfd either[] = {{.fd = cow->uffd, .events = POLLIN}, {.fd = cow->stop, .events = POLLIN}};
    poll(either, 2, -1);
}

static bool is_message_waiting(const struct bs_cow *cow) {
    struct pollfd message = {.fd = cow->uffd, .events = POLLIN};
    return poll(&message, 1, 0) > 0;
}

static void *handle(void *argument) {
    struct bs_cow *cow = argument;
    pthread_mutex_lock(&cow->lock);
    while (!cow->stopping) {
        if (pooled(cow) == 0 && !cow->urgent) {
            ask_for_frames(cow);
            pthread_cond_wait(&cow->fed, &cow->lock);
            continue;
        }
        bool served = (pooled(cow) > 0 || (is_message_waiting(cow) && add_overflow(cow))) && serve_some(cow);
        if (pooled(cow) < cow->low) {
            ask_for_frames(cow);
        }
        pthread_mutex_unlock(&cow->lock);
        if (!served) {
            await_message(cow);
        }
        while (__atomic_load_n(&cow->wanted, __ATOMIC_SEQ_CST)) {
            sched_yield();
        }
        pthread_mutex_lock(&cow->lock);
    }
    pthread_mutex_unlock(&cow->lock);
    return NULL;
}

int bs_cow_handler_start(struct bs_cow *cow) {
    sigset_t all, before;
    cow->stop = eventfd(0, EFD_CLOEXEC);
    if (cow->stop < 0) {
        return bs_fail_errno("eventfd");
    }
    cow->stopping = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(&cow->handler, NULL, handle, cow);
    cow->handling = errno == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return cow->handling ? 0 : bs_fail_errno("start a thread that saves pages");
}

void bs_cow_handler_end(struct bs_cow *cow) {
    if (cow->handling) {
        bs_cow_lock(cow);
        cow->stopping = true;
        pthread_cond_signal(&cow->fed);
        pthread_mutex_unlock(&cow->lock);
        int ignored = eventfd_write(cow->stop, 1);
        (void) ignored;
        pthread_join(cow->handler, NULL);
        cow->handling = false;
    }
    if (cow->stop >= 0) {
        close(cow->stop);
        cow->stop = -1;
    }
}
