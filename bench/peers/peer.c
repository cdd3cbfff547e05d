// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"

#define MOST_PAUSES (1 << 20)
#define WRITABLE 2
#define SHARED 8

static uint64_t pauses_ns[MOST_PAUSES];
static uint64_t count;
static uint64_t sum_ns;
static uint64_t pages;

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

uint64_t used_ns(const struct rusage *usage) {
    return (uint64_t) (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000 +
           (uint64_t) (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000;
}

/* Without stdio, whose memory may be protected. */
void fail(const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = snprintf(line, sizeof line - 1, "peer: ");
    length += vsnprintf(line + length, sizeof line - 1 - (size_t) length, format, arguments);
    va_end(arguments);
    length = length < (int) sizeof line - 2 ? length : (int) sizeof line - 2;
    line[length++] = '\n';
    _exit(write(STDERR_FILENO, line, (size_t) length) < 0 ? 98 : 99);
}

void *reserve(uint64_t length) {
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        fail("reserving %llu bytes: %m", (unsigned long long) length);
    }
    return memory;
}

void add_pause(uint64_t ns, uint64_t pages_copied) {
    if (count < MOST_PAUSES) {
        pauses_ns[count++] = ns;
    }
    sum_ns += ns;
    pages += pages_copied;
}

static int compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *) left;
    uint64_t b = *(const uint64_t *) right;
    return (a > b) - (a < b);
}

static double quantile_us(double share) {
    return count == 0 ? 0 : (double) pauses_ns[(uint64_t) (share * (double) (count - 1) + 0.5)] / 1e3;
}

void write_report(const char *path, const char *time_name, uint64_t time_ns) {
    qsort(pauses_ns, count, sizeof *pauses_ns, compare);
    FILE *file = fopen(path, "we");
    if (!file) {
        fail("%s: %m", path);
    }
    fprintf(file,
            "{\"%s_ms\": %.3f, \"paused_ms\": %.3f, \"checkpoints\": {\"taken\": %llu}, "
            "\"pause_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"max\": %.1f}",
            time_name, (double) time_ns / 1e6, (double) sum_ns / 1e6, (unsigned long long) count,
            quantile_us(0.5), quantile_us(0.9), quantile_us(0.99),
            quantile_us(1));
    if (pages > 0) {
        fprintf(file, ", \"pages\": {\"copied_mean\": %.1f}", (double) pages / (double) count);
    }
    fprintf(file, "}\n");
    if (fclose(file) != 0) {
        fail("%s: %m", path);
    }
}

int next_writable(int maps, uint64_t from, struct range *mapping, int *is_of_file) {
    for (;;) {
        struct procmap_query query = {.size = sizeof query,
                                      .query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA | WRITABLE,
                                      .query_addr = from};
        if (ioctl(maps, PROCMAP_QUERY, &query) < 0) {
            return 0;
        }
        if (!(query.vma_flags & SHARED)) {
            *mapping = (struct range){query.vma_start, query.vma_end};
            *is_of_file = query.inode != 0;
            return 1;
        }
        from = query.vma_end;
    }
}
