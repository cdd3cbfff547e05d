// SPDX-License-Identifier: Apache-2.0
/*
 * Captures and rollbacks of real victims, checked page by page against images that are read through /proc by other code
 * than the library's. usage: test_process DIRECTORY-OF-VICTIMS [SEED]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <elf.h>

#include "clock.h"
#include "random.h"
#include "state.h"
#include "test.h"

#define FRAMES 131072ULL

static const char *victims;
static char *arena;
static uint64_t frame_list[FRAMES]; /* the upper half is for pages that are saved while the victim runs */
static int cow;
static bs_cow *saver;
static uint64_t faults;
static int refused;

/* ---- an image: every page of every private mapping, and the main thread's registers -------------------------- */

struct image {
    size_t count;
    uint64_t *pages; /* ascending */
    char *bytes;
    struct user_regs_struct registers;
    char extended[16384];
    size_t extended_size;
};

static void image_take(struct image *image, pid_t pid) {
    char path[64], line[4608];
    snprintf(path, sizeof path, "/proc/%d/maps", (int) pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%d/mem", (int) pid);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(maps && memory >= 0);
    size_t room = 0;
    memset(image, 0, sizeof *image);
    while (fgets(line, sizeof line, maps)) {
        unsigned long long start, end;
        char protection[8];
        CHECK(sscanf(line, "%llx-%llx %7s", &start, &end, protection) == 3);
        if (protection[3] != 'p' || strstr(line, "[v")) {
            continue;
        }
        for (uint64_t page = start / 4096; page < end / 4096; page++) {
            if (image->count == room) {
                room = room ? room * 2 : 4096;
                image->pages = realloc(image->pages, room * sizeof *image->pages);
                image->bytes = realloc(image->bytes, room * 4096);
            }
            if (pread(memory, image->bytes + image->count * 4096, 4096, (off_t) (page * 4096)) == 4096) {
                image->pages[image->count++] = page;
            }
        }
    }
    fclose(maps);
    close(memory);
    struct iovec vector = {&image->registers, sizeof image->registers};
    CHECK(ptrace(PTRACE_GETREGSET, pid, (void *) NT_PRSTATUS, &vector) == 0);
    vector = (struct iovec){image->extended, sizeof image->extended};
    CHECK(ptrace(PTRACE_GETREGSET, pid, (void *) NT_X86_XSTATE, &vector) == 0);
    image->extended_size = vector.iov_len;
}

static void image_free(struct image *image) {
    free(image->pages);
    free(image->bytes);
}

static void image_compare(const struct image *a, const struct image *b) {
    CHECK(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        CHECK(a->pages[i] == b->pages[i]);
        if (memcmp(a->bytes + i * 4096, b->bytes + i * 4096, 4096) != 0) {
            fprintf(stderr, "page %" PRIx64 " differs\n", a->pages[i]);
            exit(1);
        }
    }
    CHECK(memcmp(&a->registers, &b->registers, sizeof a->registers) == 0);
    CHECK(a->extended_size == b->extended_size && memcmp(a->extended, b->extended, a->extended_size) == 0);
}

static const char *image_page(const struct image *image, uint64_t page) {
    size_t low = 0, high = image->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (image->pages[middle] < page) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < image->count && image->pages[low] == page ? image->bytes + low * 4096 : NULL;
}

/* ---- sets of pages, as sorted arrays --------------------------------------------------------------------------- */

struct set {
    uint64_t *pages;
    size_t count;
};

static void set_add(struct set *set, uint64_t page) {
    if ((set->count & (set->count - 1)) == 0) {
        set->pages = realloc(set->pages, (set->count ? set->count * 2 : 1) * sizeof *set->pages);
    }
    set->pages[set->count++] = page;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

static void set_sort(struct set *set) {
    if (set->count == 0) {
        return;
    }
    qsort(set->pages, set->count, sizeof *set->pages, by_value);
    size_t kept = 1;
    for (size_t i = 1; i < set->count; i++) {
        if (set->pages[i] != set->pages[kept - 1]) {
            set->pages[kept++] = set->pages[i];
        }
    }
    set->count = kept;
}

static int set_has(const struct set *set, uint64_t page) {
    return bsearch(&page, set->pages, set->count, sizeof page, by_value) != NULL;
}

static void set_add_ranges(struct set *set, uint64_t address, uint64_t count) {
    const struct bs_range *ranges = (const struct bs_range *) (uintptr_t) address;
    for (uint64_t i = 0; i < count; i++) {
        for (uint64_t page = ranges[i].first; page < ranges[i].end; page++) {
            set_add(set, page);
        }
    }
}

static void set_free(struct set *set) {
    free(set->pages);
    memset(set, 0, sizeof *set);
}

/* ---- one victim under captures and rollbacks ------------------------------------------------------------------- */

static bs_process *start(const char *name, const char *arguments, bs_output *output, bs_output *error) {
    char block[1024];
    uint32_t count = 1;
    size_t length = (size_t) snprintf(block, sizeof block, "%s/%s", victims, name) + 1;
    length += (size_t) snprintf(block + length, sizeof block - length, "%s", name) + 1;
    char copy[512], *place;
    snprintf(copy, sizeof copy, "%s", arguments);
    for (char *word = strtok_r(copy, " ", &place); word; word = strtok_r(NULL, " ", &place)) {
        length += (size_t) snprintf(block + length, sizeof block - length, "%s", word) + 1;
        count++;
    }
    bs_process *process = NULL;
    uint64_t interrupted;
    struct bs_program program = {.strings = (uint64_t) (uintptr_t) block,
                                 .argument_count = count,
                                 .output = (uint64_t) (uintptr_t) output,
                                 .error = (uint64_t) (uintptr_t) error};
    CHECK_OK(bs_process_spawn(&program, &process));
    if (cow) {
        CHECK_OK(bs_cow_open(&saver));
        CHECK_OK(bs_process_hold_writes(process, saver));
        CHECK_OK(bs_cow_feed(saver, (uint64_t) (uintptr_t) (frame_list + FRAMES / 2), FRAMES / 2, 0));
    }
    bs_process_catch(process, 1ULL << (SIGSEGV - 1) | 1ULL << (SIGABRT - 1), 0);
    CHECK_OK(bs_process_track(process, &interrupted));
    return process;
}

static void capture(bs_process *process, struct bs_capture *c) {
    *c = (struct bs_capture){.frames = (uint64_t) (uintptr_t) frame_list, .frame_count = FRAMES / 2};
    CHECK(bs_process_capture(process, c) == 0);
}

/* What held writes gave: each pre-image must be what the image, if there is one, has. After a capture frames go back. */
static uint64_t take_saved(struct set *touched, const struct image *image, int captured) {
    struct bs_saved saved;
    if (!cow) {
        return 0;
    }
    CHECK_OK(bs_cow_saved(saver, 0, 0, &saved));
    const uint64_t *pages = (const uint64_t *) (uintptr_t) saved.pages;
    const uint64_t *frames = (const uint64_t *) (uintptr_t) saved.frames;
    for (uint64_t i = 0; i < saved.count; i++) {
        CHECK(i == 0 || pages[i - 1] < pages[i]);
        set_add(touched, pages[i]);
        if (image && frames[i]) {
            CHECK(image_page(image, pages[i]) != NULL);
            CHECK(memcmp(image_page(image, pages[i]), (const char *) (uintptr_t) frames[i], 4096) == 0);
        }
        if (captured && frames[i]) {
            CHECK_OK(bs_cow_feed(saver, (uint64_t) (uintptr_t) (frames + i), 1, 0));
        }
    }
    set_add_ranges(touched, saved.released, saved.released_count);
    CHECK(captured || saved.lost == 0);
    faults = saved.faults;
    return saved.lost;
}

static int run_for(bs_process *process, uint64_t ns, struct bs_event *event) {
    CHECK_OK(bs_process_resume(process, 0));
    CHECK_OK(bs_process_wait(process, bs_now_ns() + ns, event));
    return event->kind != BS_EVENT_EXITED;
}

/* Captures, runs, captures again..., and rolls back to the first: memory and registers must be those of then. */
static int roll_back_once(bs_process *process, int intervals) {
    struct bs_capture c;
    struct bs_event event;
    struct image before, after;
    struct set touched = {0}, held_then = {0}, held_last = {0}, held_now = {0};
    pid_t pid = bs_process_pid(process);
    int alive = 1;

    CHECK_OK(bs_process_halt(process));
    capture(process, &c);
    image_take(&before, pid);
    struct set ignored = {0};
    uint64_t lost = take_saved(&ignored, NULL, 1) * 0;
    set_free(&ignored);
    set_add_ranges(&held_then, c.held, c.held_count);
    set_add_ranges(&held_last, c.held, c.held_count);
    char *state = keep_state(&c);

    for (int i = 0; i < intervals && alive; i++) {
        alive = run_for(process, 500000 + next_random() % 20000000, &event);
        if (!alive || i == intervals - 1) {
            break;
        }
        int result = bs_process_halt(process);
        if (result == BS_EGONE) {
            alive = 0;
            break;
        }
        CHECK_OK(result);
        capture(process, &c);
        for (uint64_t k = 0; k < c.page_count; k++) {
            set_add(&touched, ((const uint64_t *) (uintptr_t) c.pages)[k]);
        }
        lost += take_saved(&touched, i == 0 ? &before : NULL, 1);
        set_free(&held_now);
        set_add_ranges(&held_now, c.held, c.held_count);
        for (size_t k = 0; k < held_last.count; k++) {
            if (!set_has(&held_now, held_last.pages[k])) {
                set_add(&touched, held_last.pages[k]);
            }
        }
        struct set swap = held_last;
        held_last = held_now;
        held_now = swap;
    }
    struct bs_restore restore;
    int began = !alive     ? BS_EGONE
                : lost > 0 ? BS_EREFUSED
                           : bs_process_restore_begin(process, (uint64_t) (uintptr_t) state, &restore);
    if (began == BS_EREFUSED && cow) {
        refused++;
        began = bs_process_halt(process);
    } else if (began != BS_EGONE) {
        CHECK_OK(began);
        take_saved(&touched, intervals == 1 ? &before : NULL, 0);
        set_add_ranges(&touched, restore.written, restore.written_count);
        set_free(&held_now);
        set_add_ranges(&held_now, restore.held, restore.held_count);
        for (size_t k = 0; k < held_last.count; k++) {
            if (!set_has(&held_now, held_last.pages[k])) {
                set_add(&touched, held_last.pages[k]);
            }
        }
        set_sort(&touched);
        struct set writes = {0}, frames = {0}, drops = {0};
        for (size_t k = 0; k < touched.count; k++) {
            uint64_t page = touched.pages[k];
            if (set_has(&held_then, page)) {
                set_add(&writes, page);
                set_add(&frames, (uint64_t) (uintptr_t) image_page(&before, page));
                CHECK(image_page(&before, page) != NULL);
            } else if (set_has(&held_now, page)) {
                set_add(&drops, page);
            }
        }
        struct bs_restore_pages pages = {(uint64_t) (uintptr_t) writes.pages, (uint64_t) (uintptr_t) frames.pages,
                                         writes.count, (uint64_t) (uintptr_t) drops.pages, drops.count};
        CHECK_OK(bs_process_restore_finish(process, (uint64_t) (uintptr_t) state, &pages, &restore));
        image_take(&after, pid);
        image_compare(&before, &after);
        struct set held_after = {0};
        set_add_ranges(&held_after, restore.held, restore.held_count);
        for (size_t k = 0; k < held_then.count; k++) {
            CHECK(set_has(&held_after, held_then.pages[k]));
        }
        image_free(&after);
        set_free(&writes);
        set_free(&frames);
        set_free(&drops);
        set_free(&held_after);
    }
    drop_state(state);
    image_free(&before);
    set_free(&touched);
    set_free(&held_then);
    set_free(&held_last);
    set_free(&held_now);
    return began == 0;
}

static void read_all(int file, char **text, size_t *length) {
    size_t room = 65536;
    *text = malloc(room);
    *length = 0;
    for (ssize_t got; (got = read(file, *text + *length, room - *length)) > 0;) {
        *length += (size_t) got;
        if (*length == room) {
            *text = realloc(*text, room *= 2);
        }
    }
}

static void run_undisturbed(const char *name, const char *arguments, char **text, size_t *length) {
    char command[2048];
    snprintf(command, sizeof command, "%s/%s %s 2>/dev/null", victims, name, arguments);
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    read_all(fileno(pipe), text, length);
    CHECK(pclose(pipe) == 0);
}

static void *pump(void *output) {
    int ignored = bs_output_pump(output);
    (void) ignored;
    return NULL;
}

static void roll_back_victim(const char *name, const char *arguments, int rollbacks) {
    char *expected, *got;
    size_t expected_length, got_length;
    run_undisturbed(name, arguments, &expected, &expected_length);
    int file = memfd_create("sink", MFD_CLOEXEC), done = 0;
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    bs_output *output = NULL, *error = NULL;
    pthread_t pumper, error_pumper;
    CHECK_OK(bs_output_open(file, &output));
    CHECK_OK(bs_output_open(nothing, &error));
    CHECK(pthread_create(&pumper, NULL, pump, output) == 0 && pthread_create(&error_pumper, NULL, pump, error) == 0);
    bs_process *process = start(name, arguments, output, error);
    struct bs_event event;
    while (done < rollbacks && roll_back_once(process, 1 + (int) (next_random() % 4))) {
        done++;
        if (!run_for(process, next_random() % 3000000, &event)) {
            break;
        }
        if (event.kind != BS_EVENT_NONE) {
            fprintf(stderr,
                    "after %d rollbacks: event %" PRIu64 " signal %" PRIu64 " code %" PRId64 " at %" PRIx64 "\n", done,
                    event.kind, event.signal, event.code, event.address);
            exit(1);
        }
    }
    CHECK_OK(bs_process_resume(process, 0));
    CHECK_OK(bs_process_wait(process, bs_now_ns() + 120000000000ULL, &event));
    CHECK(event.kind == BS_EVENT_EXITED && event.status == 0);
    bs_output_stop(output);
    bs_output_stop(error);
    pthread_join(pumper, NULL);
    pthread_join(error_pumper, NULL);
    CHECK(bs_output_finish(output) == 0 && bs_output_finish(error) == 0);
    bs_process_close(process);
    bs_cow_close(saver);
    saver = NULL;
    bs_output_close(output);
    bs_output_close(error);
    close(nothing);
    lseek(file, 0, SEEK_SET);
    read_all(file, &got, &got_length);
    CHECK(got_length == expected_length && memcmp(got, expected, got_length) == 0);
    close(file);
    free(got);
    free(expected);
    printf("passed: %s %s, %d rollbacks", name, arguments, done);
    printf(cow ? " and %d refused, %" PRIu64 " held writes\n" : "\n", refused, faults);
    refused = 0;
}

static void roll_back_victims(const char *files) {
    roll_back_victim("writers", "7 700", 8);
    roll_back_victim("threads", "3 700 6", 8);
    roll_back_victim("simd", "3 500", 8);
    roll_back_victim("layout", "3 800", 8);
    roll_back_victim("files", files, 8);
    roll_back_victim("server", "3 800", 8);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: test_process DIRECTORY-OF-VICTIMS [SEED]\n");
        return 2;
    }
    victims = argv[1];
    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : bs_now_ns();
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("seed %" PRIu64 "\n", seed);
    arena = mmap(NULL, FRAMES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(arena != MAP_FAILED);
    for (uint64_t i = 0; i < FRAMES; i++) {
        frame_list[i] = (uint64_t) (uintptr_t) arena + i * 4096;
    }
    CHECK(bs_abi_version() == BS_ABI_VERSION);
    if (argc > 5) {
        cow = argc > 6;
        roll_back_victim(argv[3], argv[4], atoi(argv[5]));
        return 0;
    }
    char file[4096 + 16], files[4096 + 32];
    snprintf(file, sizeof file, "%s/../files.%d", victims, (int) getpid());
    snprintf(files, sizeof files, "5 700 %s", file);
    roll_back_victims(files);
    cow = 1;
    roll_back_victims(files);
    unlink(file);
    return 0;
}
