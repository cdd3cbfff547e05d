// SPDX-License-Identifier: Apache-2.0
/*
 * The thread that a held write waits for: it saves what the page holds, notes it, and lets the writer go on.
 *
 * - A message is read and dealt with under the lock, so whoever has the lock knows that none is half done.
 * - Only a page that is marked as protected after it was read is saved. Marks come from captures alone, so what was read
 *   is what the page held at the last one; a page that was given back meanwhile has lost its mark. And only if it could
 *   be opened then: of memory that is not registered any more, the marks say nothing.
 * - A run of writes to neighbours is saved ahead, up to BS_COW_RUN pages at a time.
 * - Memory that is given back, where the kernel tells of it, is opened before anything else is done.
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
#define MARKED (1ULL << 57)
#define THERE (3ULL << 62) /* present, or swapped */

void bs_cow_lock(struct bs_cow *cow) {
    __atomic_add_fetch(&cow->wanted, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&cow->lock);
    __atomic_sub_fetch(&cow->wanted, 1, __ATOMIC_SEQ_CST);
}

/* Reads what the kernel has to tell, and keeps it. False if that was nothing. */
static bool take_messages(struct bs_cow *cow) {
    struct uffd_msg messages[MESSAGES];
    if (bs_vector_reserve(&cow->waiting, cow->waiting.size + MESSAGES * sizeof(uint64_t)) < 0 ||
        bs_vector_reserve(&cow->removed, cow->removed.size + MESSAGES * sizeof(struct bs_range)) < 0) {
        return false;
    }
    ssize_t got = read(cow->uffd, messages, sizeof messages);
    for (size_t i = 0, count = got > 0 ? (size_t) got / sizeof *messages : 0; i < count; i++) {
        if (messages[i].event == UFFD_EVENT_PAGEFAULT) {
            *(uint64_t *) bs_vector_extend(&cow->waiting, sizeof(uint64_t)) =
                messages[i].arg.pagefault.address / BS_PAGE_SIZE;
        } else if (messages[i].event == UFFD_EVENT_REMOVE) {
            *(struct bs_range *) bs_vector_extend(&cow->removed, sizeof(struct bs_range)) = (struct bs_range){
                messages[i].arg.remove.start / BS_PAGE_SIZE, messages[i].arg.remove.end / BS_PAGE_SIZE};
        }
    }
    return got > 0;
}

void bs_cow_nudge(const struct bs_cow *cow) {
    int ignored = eventfd_write(cow->nudge, 1);
    (void) ignored;
}

int bs_cow_protect(struct bs_cow *cow, uint64_t first, uint64_t end, bool on) {
    struct uffdio_writeprotect range = {
        .range = {.start = first * BS_PAGE_SIZE, .len = (end - first) * BS_PAGE_SIZE},
        .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0};
    while (ioctl(cow->uffd, UFFDIO_WRITEPROTECT, &range) < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            return errno;
        }
        if (errno == EAGAIN && take_messages(cow)) { /* memory is being given back, by somebody who waits to be heard */
            bs_cow_nudge(cow);
        }
    }
    return 0;
}

/* Copies pages into the last frames of the pool, the first page into the last; returns how many could be read. */
static size_t read_pages(struct bs_cow *cow, uint64_t first, size_t count) {
    const uint64_t *pool = (const uint64_t *) cow->pool.data;
    struct iovec ours[BS_COW_RUN], theirs = {(void *) (uintptr_t) (first * BS_PAGE_SIZE), count * BS_PAGE_SIZE};
    for (size_t i = 0; i < count; i++) {
        ours[i] = (struct iovec){(void *) (uintptr_t) pool[bs_cow_pool_size(cow) - 1 - i], BS_PAGE_SIZE};
    }
    ssize_t moved = process_vm_readv(cow->host.pid, ours, count, &theirs, 1, 0);
    if (moved >= BS_PAGE_SIZE) {
        return (size_t) moved / BS_PAGE_SIZE;
    }
    return pread(cow->host.memory, ours[0].iov_base, BS_PAGE_SIZE, (off_t) (first * BS_PAGE_SIZE)) == BS_PAGE_SIZE;
}

/* How many of the pages, from the first on, are there and marked. */
static size_t count_marked(struct bs_cow *cow, uint64_t first, size_t count) {
    uint64_t entries[BS_COW_RUN];
    ssize_t got = pread(cow->host.pagemap, entries, count * sizeof *entries, (off_t) (first * sizeof *entries));
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
        *saved = (struct bs_saved_page){page + i, ((const uint64_t *) cow->pool.data)[bs_cow_pool_size(cow) - 1], i > 0};
        cow->pool.size -= sizeof(uint64_t);
    }
}

/* What was read ahead of memory that shows a file can have been read after it was given back. */
static void forget_ahead(struct bs_cow *cow, const struct bs_range *range) {
    struct bs_saved_page *log = (struct bs_saved_page *) cow->log.data;
    size_t kept = 0, count = cow->log.size / sizeof *log;
    for (size_t i = 0; i < count; i++) {
        if (log[i].ahead && log[i].page >= range->first && log[i].page < range->end) {
            bs_cow_keep(cow, log[i].frame);
        } else {
            log[kept++] = log[i];
        }
    }
    cow->log.size = kept * sizeof *log;
}

/* Its content is lost unless it was saved; what is written there from now on is not what it was. */
static void open_removed(struct bs_cow *cow) {
    for (size_t i = 0; i < bs_ranges_count(&cow->removed); i++) {
        const struct bs_range range = *bs_ranges_at(&cow->removed, i);
        forget_ahead(cow, &range);
        bs_cow_protect(cow, range.first, range.end, false);
        cow->has_gaps = true;
    }
    cow->removed.size = 0;
}

void bs_cow_take_in(struct bs_cow *cow) {
    while (take_messages(cow)) {
        bs_cow_nudge(cow);
    }
    open_removed(cow);
}

/* Serves held writes as long as there are frames. False if there was nothing to do. */
static bool serve_some(struct bs_cow *cow) {
    if (cow->waiting.size == 0 && !take_messages(cow)) {
        return false;
    }
    size_t served = 0;
    while (served < bs_numbers_count(&cow->waiting) && bs_cow_pool_size(cow) > 0) {
        open_removed(cow);
        size_t others = bs_numbers_count(&cow->waiting) - served - 1, frames = bs_cow_pool_size(cow);
        serve(cow, ((const uint64_t *) cow->waiting.data)[served++], frames > others ? frames - others : 1);
    }
    open_removed(cow);
    cow->waiting.size -= served * sizeof(uint64_t);
    memmove(cow->waiting.data, cow->waiting.data + served * sizeof(uint64_t), cow->waiting.size);
    return true;
}

static void ask_for_frames(struct bs_cow *cow) {
    if (!cow->asked) {
        cow->asked = true;
        pthread_cond_broadcast(&cow->hungry);
        if (cow->host.wake) {
            cow->host.wake(cow->host.owner);
        }
    }
}

static void await_message(const struct bs_cow *cow) {
    struct pollfd either[] = {{.fd = cow->uffd, .events = POLLIN}, {.fd = cow->nudge, .events = POLLIN}};
    eventfd_t times;
    if (poll(either, 2, -1) > 0 && (either[1].revents & POLLIN)) {
        int ignored = eventfd_read(cow->nudge, &times);
        (void) ignored;
    }
}

static bool is_message_waiting(const struct bs_cow *cow) {
    struct pollfd message = {.fd = cow->uffd, .events = POLLIN};
    return cow->waiting.size > 0 || poll(&message, 1, 0) > 0;
}

static bool serve_if_possible(struct bs_cow *cow) {
    bool frames = bs_cow_pool_size(cow) > 0 || (is_message_waiting(cow) && bs_cow_add_overflow(cow));
    return frames && serve_some(cow);
}

void bs_cow_serve_all(struct bs_cow *cow) {
    while (serve_if_possible(cow)) {
    }
}

static void *handle(void *argument) {
    struct bs_cow *cow = argument;
    pthread_mutex_lock(&cow->lock);
    while (!cow->stopping) {
        if (bs_cow_pool_size(cow) == 0 && !cow->urgent) {
            ask_for_frames(cow);
            pthread_cond_wait(&cow->fed, &cow->lock);
            continue;
        }
        bool served = serve_if_possible(cow);
        if (bs_cow_pool_size(cow) < cow->low && !cow->urgent) {
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
    cow->nudge = eventfd(0, EFD_CLOEXEC);
    if (cow->nudge < 0) {
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
        bs_cow_nudge(cow);
        pthread_join(cow->handler, NULL);
        cow->handling = false;
    }
    if (cow->nudge >= 0) {
        close(cow->nudge);
        cow->nudge = -1;
    }
}
