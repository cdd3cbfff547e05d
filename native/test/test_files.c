// SPDX-License-Identifier: Apache-2.0
/*
 * What a rollback does to files, step by step: the target is a child that stands still and makes the calls that it is
 * told to. usage: test_files DIRECTORY
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "state.h"
#include "test.h"

#define FRAMES 65536ULL
#define MANY 200
#define NOBODY 65534

static uint64_t *frames;
static bs_process *target;
static char path[4096]; /* has the same address in the child */
static const char bytes[64] = "fileful";

struct checkpoint {
    char *state;
};

static uint64_t address_of(const void *pointer) {
    return (uint64_t) (uintptr_t) pointer;
}

/* ---- the target's calls ------------------------------------------------------------------------------------------ */

static int64_t call(long number, uint64_t first, uint64_t second, uint64_t third) {
    int64_t value = 0;
    CHECK_OK(bs_remote_call(target, number, (uint64_t[6]){first, second, third, 0600}, &value));
    return value;
}

static int target_opens(int flags) {
    int fd = (int) call(SYS_openat, (uint64_t) AT_FDCWD, address_of(path), (uint64_t) flags);
    CHECK(fd >= 0);
    return fd;
}

static void target_writes(int fd, size_t length) {
    CHECK(call(SYS_write, (uint64_t) fd, address_of(bytes), length) == (int64_t) length);
}

static void target_closes(int fd) {
    CHECK(call(SYS_close, (uint64_t) fd, 0, 0) == 0);
}

static int target_has_open(int fd) {
    return call(SYS_fcntl, (uint64_t) fd, F_GETFD, 0) >= 0;
}

static void write_ourselves(size_t length) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t) length && close(fd) == 0);
}

static int64_t length_of_file(void) {
    struct stat status;
    CHECK(stat(path, &status) == 0);
    return status.st_size;
}

static int count_descriptors(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    while (readdir(directory)) {
        count++;
    }
    closedir(directory);
    return count;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static struct checkpoint take(void) {
    struct bs_capture c = {.frames = address_of(frames), .frame_count = FRAMES};
    CHECK(bs_process_capture(target, &c) == 0);
    return (struct checkpoint){keep_state(&c)};
}

static void drop(struct checkpoint checkpoint) {
    drop_state(checkpoint.state);
}

/* The target does not run, so no page needs to be put back. Returns the names of files that were left as they were. */
static const char *roll_back_to(struct checkpoint checkpoint) {
    struct bs_restore restore;
    struct bs_restore_pages nothing = {0};
    CHECK_OK(bs_process_restore_begin(target, address_of(checkpoint.state), &restore));
    CHECK_OK(bs_process_restore_finish(target, address_of(checkpoint.state), &nothing, &restore));
    return restore.left_size == 0 ? "" : (const char *) (uintptr_t) restore.left;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void should_cut_back_a_file_that_was_open(void) {
    int fd = target_opens(O_WRONLY | O_CREAT);
    target_writes(fd, 20);
    struct checkpoint then = take();
    target_writes(fd, 5);
    target_closes(fd);
    CHECK(strcmp(roll_back_to(then), "") == 0);
    CHECK(length_of_file() == 20 && target_has_open(fd));
    CHECK(call(SYS_lseek, (uint64_t) fd, 0, SEEK_CUR) == 20);
    target_closes(fd);
    drop(then);
}

static void should_cut_back_a_file_that_was_just_closed_and_is_open_again(void) {
    int fd = target_opens(O_WRONLY | O_APPEND | O_CREAT);
    target_writes(fd, 20);
    drop(take());
    target_closes(fd);
    struct checkpoint then = take(), later = take();
    fd = target_opens(O_WRONLY | O_APPEND);
    target_writes(fd, 5);
    drop(take());
    target_writes(fd, 5);
    CHECK(strcmp(roll_back_to(later), "") == 0);
    CHECK(length_of_file() == 20 && !target_has_open(fd));
    fd = target_opens(O_WRONLY | O_APPEND);
    target_writes(fd, 7);
    CHECK(strcmp(roll_back_to(then), "") == 0);
    CHECK(length_of_file() == 20 && !target_has_open(fd));
    drop(then);
    drop(later);
}

static void should_leave_alone_a_closed_file_that_another_process_writes(void) {
    int fd = target_opens(O_WRONLY | O_APPEND | O_CREAT);
    target_writes(fd, 20);
    drop(take());
    target_closes(fd);
    struct checkpoint then = take();
    write_ourselves(5);
    CHECK(strcmp(roll_back_to(then), "") == 0);
    CHECK(length_of_file() == 25);
    drop(then);
}

static void should_cut_back_a_file_that_was_open_for_reading_only(void) {
    write_ourselves(20);
    int reader = target_opens(O_RDONLY);
    struct checkpoint then = take();
    int writer = target_opens(O_WRONLY | O_APPEND);
    target_writes(writer, 5);
    CHECK(strcmp(roll_back_to(then), "") == 0);
    CHECK(length_of_file() == 20 && target_has_open(reader) && !target_has_open(writer));
    target_closes(reader);
    drop(then);
}

static void should_name_a_file_whose_length_was_not_known(void) {
    write_ourselves(20);
    struct checkpoint then = take();
    int fd = target_opens(O_WRONLY | O_APPEND);
    target_writes(fd, 5);
    CHECK(strcmp(roll_back_to(then), path) == 0);
    CHECK(length_of_file() == 25 && !target_has_open(fd));
    CHECK(strcmp(roll_back_to(then), "") == 0);
    drop(then);
}

static void should_put_status_flags_back(void) {
    int fd = target_opens(O_WRONLY | O_APPEND | O_CREAT);
    struct checkpoint then = take();
    CHECK(call(SYS_fcntl, (uint64_t) fd, F_SETFL, O_NONBLOCK) == 0);
    CHECK(strcmp(roll_back_to(then), "") == 0);
    CHECK((call(SYS_fcntl, (uint64_t) fd, F_GETFL, 0) & (O_APPEND | O_NONBLOCK)) == O_APPEND);
    target_closes(fd);
    drop(then);
}

static void should_refuse_when_a_file_that_grew_is_sealed(void) {
    int fd = (int) call(SYS_memfd_create, address_of(bytes), MFD_ALLOW_SEALING, 0);
    CHECK(fd >= 0);
    target_writes(fd, 20);
    struct checkpoint then = take();
    target_writes(fd, 5);
    CHECK(call(SYS_fcntl, (uint64_t) fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    struct bs_restore restore;
    CHECK(bs_process_restore_begin(target, address_of(then.state), &restore) == BS_EREFUSED);
    CHECK(call(SYS_lseek, (uint64_t) fd, 0, SEEK_CUR) == 25);
    target_closes(fd);
    drop(then);
}

static void should_hold_no_lock_of_a_closed_file(void) {
    int fd = target_opens(O_WRONLY | O_CREAT);
    CHECK(call(SYS_flock, (uint64_t) fd, 2 /* LOCK_EX */, 0) == 0);
    drop(take());
    target_closes(fd);
    struct checkpoint then = take();
    int ours = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(ours >= 0 && syscall(SYS_flock, ours, 2 | 4 /* LOCK_EX | LOCK_NB */) == 0);
    close(ours);
    drop(then);
}

static void should_forget_closed_files_when_there_are_many(void) {
    char other[sizeof path + 16];
    drop(take());
    int before = count_descriptors();
    for (int i = 0; i < MANY; i++) {
        int fd = target_opens(O_WRONLY | O_CREAT);
        drop(take());
        target_closes(fd);
        snprintf(other, sizeof other, "%s.%d", path, i);
        CHECK(rename(path, other) == 0);
    }
    drop(take());
    int while_there = count_descriptors();
    CHECK(while_there > before && while_there < before + MANY / 2);
    for (int i = 0; i < MANY; i++) {
        snprintf(other, sizeof other, "%s.%d", path, i);
        CHECK(unlink(other) == 0);
    }
    drop(take());
    CHECK(count_descriptors() == before);
}

/* One that may not look into this process, but may write where this test does. */
static void become_somebody_else(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct rights[2] = {{.effective = 1 << CAP_DAC_OVERRIDE, .permitted = 1 << CAP_DAC_OVERRIDE}};
    CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0);
    CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0 && syscall(SYS_capset, &head, rights) == 0);
}

static void with_target_of(int other_user, void (*test)(void)) {
    int descriptors = count_descriptors();
    int ready[2];
    char byte;
    uint64_t interrupted;
    CHECK(pipe2(ready, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) {
        if (other_user) {
            become_somebody_else();
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        CHECK(write(ready[1], "", 1) == 1);
        close(ready[0]);
        close(ready[1]);
        for (;;) {
            pause();
        }
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    CHECK_OK(bs_process_attach(child, &target));
    CHECK_OK(bs_process_track(target, &interrupted));
    test();
    CHECK_OK(bs_process_kill(target));
    bs_process_close(target);
    CHECK(count_descriptors() == descriptors);
    unlink(path);
}

static void with_target(void (*test)(void)) {
    with_target_of(0, test);
    if (geteuid() == 0) {
        with_target_of(1, test);
    }
}

int main(int argc, char **argv) {
    CHECK(realpath(argc > 1 ? argv[1] : ".", path) != NULL);
    snprintf(path + strlen(path), sizeof path - strlen(path), "/test_files.%d", (int) getpid());
    char *arena = mmap(NULL, FRAMES * BS_PAGE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    frames = malloc(FRAMES * sizeof *frames);
    CHECK(arena != MAP_FAILED && frames != NULL);
    for (uint64_t i = 0; i < FRAMES; i++) {
        frames[i] = address_of(arena) + i * BS_PAGE_SIZE;
    }
    with_target(should_cut_back_a_file_that_was_open);
    with_target(should_cut_back_a_file_that_was_just_closed_and_is_open_again);
    with_target(should_leave_alone_a_closed_file_that_another_process_writes);
    with_target(should_cut_back_a_file_that_was_open_for_reading_only);
    with_target(should_name_a_file_whose_length_was_not_known);
    with_target(should_put_status_flags_back);
    with_target(should_refuse_when_a_file_that_grew_is_sealed);
    with_target(should_hold_no_lock_of_a_closed_file);
    with_target(should_forget_closed_files_when_there_are_many);
    PASSED("files");
    return 0;
}
