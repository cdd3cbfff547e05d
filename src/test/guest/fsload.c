// SPDX-License-Identifier: Apache-2.0
//
// Loads the file system in /data from several processes, each in a directory of its own. A step creates a file under a
// temporary name, writes it, syncs it in two of three steps, gives it its name by renaming, perhaps over an older one,
// reads another file back and compares it, and now and then deletes one. A process remembers which files there are, of
// which step's content; at the end it compares the whole directory with that.
//
// Prints `fsload P step K` every 50 steps of process P, and at the end `result D`, which depends on the arguments only.
//
// usage: fsload SEED STEPS [PROCESSES, 3]
#include "guest.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PROCESSES_MAX = 16, NAMES = 24, FILE_BYTES_MAX = 64 * 1024, STEPS_PER_LINE = 50 };

struct file {
    uint64_t step; // 0: there is none
    size_t length;
};

static unsigned char content[FILE_BYTES_MAX], found[FILE_BYTES_MAX];

/* What the file that a step makes holds, and its digest. */
static uint64_t make_content(uint64_t key, struct file *file)
{
    struct rng rng = {.state = mix64(key ^ file->step * UINT64_C(0x9e3779b97f4a7c15))};
    file->length = rng_between(&rng, 1, FILE_BYTES_MAX);
    for (size_t i = 0; i < file->length; i += 8) {
        uint64_t word = rng_next(&rng);
        memcpy(content + i, &word, file->length - i < 8 ? file->length - i : 8);
    }
    return digest_bytes(DIGEST_START, content, file->length);
}

static void name_path(char *path, size_t size, unsigned process, size_t name)
{
    snprintf(path, size, "/data/fsload/%u/file-%zu", process, name);
}

static uint64_t verify(unsigned process, size_t name, uint64_t key, struct file file)
{
    char path[64];
    name_path(path, sizeof path, process, name);
    uint64_t digest = make_content(key, &file);
    int fd = open(path, O_RDONLY);
    HOLDS(fd >= 0, "%s of step %" PRIu64 ": %s", path, file.step, strerror(errno));
    struct stat stat;
    HOLDS_CALL(fstat(fd, &stat));
    HOLDS((size_t)stat.st_size == file.length, "%s of step %" PRIu64 ": %lld bytes instead of %zu", path, file.step,
          (long long)stat.st_size, file.length);
    read_all(fd, found, file.length, 0);
    HOLDS(memcmp(found, content, file.length) == 0, "%s does not hold what step %" PRIu64 " wrote", path, file.step);
    HOLDS(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
    close(fd);
    return digest;
}

static void create(unsigned process, size_t name, uint64_t key, struct file *file)
{
    char path[64];
    char temporary[64];
    name_path(path, sizeof path, process, name);
    snprintf(temporary, sizeof temporary, "/data/fsload/%u/new", process);
    make_content(key, file);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    HOLDS(fd >= 0, "%s: %s", temporary, strerror(errno));
    write_all(fd, content, file->length, 0);
    if (file->step % 3 != 0) {
        HOLDS_CALL(fsync(fd));
    }
    close(fd);
    HOLDS_CALL(rename(temporary, path));
}

static void verify_names(unsigned process, const struct file *files)
{
    char path[64];
    snprintf(path, sizeof path, "/data/fsload/%u", process);
    DIR *directory = opendir(path);
    HOLDS(directory, "%s: %s", path, strerror(errno));
    size_t expected = 0;
    for (size_t name = 0; name < NAMES; name++) {
        expected += files[name].step != 0;
    }
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    HOLDS(count == expected, "%s has %zu files instead of %zu", path, count, expected);
}

static uint64_t work(unsigned process, uint64_t seed, uint64_t steps)
{
    uint64_t key = mix64(seed + process + 1);
    struct rng rng = {.state = key};
    struct file files[NAMES] = {0};
    uint64_t digest = DIGEST_START;
    for (uint64_t step = 1; step <= steps; step++) {
        size_t name = rng_below(&rng, NAMES);
        files[name].step = step;
        create(process, name, key, &files[name]);
        size_t other = rng_below(&rng, NAMES);
        if (files[other].step) {
            digest = digest_word(digest, verify(process, other, key, files[other]));
        }
        size_t doomed = rng_below(&rng, NAMES);
        if (step % 4 == 0 && files[doomed].step) {
            char path[64];
            name_path(path, sizeof path, process, doomed);
            HOLDS_CALL(unlink(path));
            files[doomed].step = 0;
        }
        if (step % STEPS_PER_LINE == 0) {
            printf("fsload %u step %" PRIu64 "\n", process, step);
        }
    }
    for (size_t name = 0; name < NAMES; name++) {
        if (files[name].step) {
            digest = digest_word(digest, verify(process, name, key, files[name]));
        }
    }
    verify_names(process, files);
    return digest;
}

static void clear(unsigned process)
{
    char path[64];
    snprintf(path, sizeof path, "/data/fsload/%u", process);
    NEED(mkdir(path, 0777) == 0 || errno == EEXIST, path);
    for (size_t name = 0; name < NAMES; name++) {
        name_path(path, sizeof path, process, name);
        NEED(unlink(path) == 0 || errno == ENOENT, path);
    }
    snprintf(path, sizeof path, "/data/fsload/%u/new", process);
    NEED(unlink(path) == 0 || errno == ENOENT, path);
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [PROCESSES]");
    uint64_t seed = victim_seed();
    uint64_t steps = victim_steps();
    unsigned processes = (unsigned)victim_number(2, 3, 1, PROCESSES_MAX);
    setvbuf(stdout, NULL, _IOLBF, 0);
    NEED(mkdir("/data/fsload", 0777) == 0 || errno == EEXIST, "/data/fsload");
    uint64_t *digests = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(digests != MAP_FAILED, "memory");
    for (unsigned process = 0; process < processes; process++) {
        clear(process);
        pid_t child = fork();
        NEED(child >= 0, "fork");
        if (child == 0) {
            digests[process] = work(process, seed, steps);
            return 0;
        }
    }
    for (unsigned process = 0; process < processes; process++) {
        int status;
        HOLDS(wait(&status) > 0 && status == 0, "a process ended with status %d", status);
    }
    printf("result %016" PRIx64 "\n", digest_words(DIGEST_START, digests, processes));
    return 0;
}
