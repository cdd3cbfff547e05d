// SPDX-License-Identifier: Apache-2.0
/*
 * The execution state of a capture as one block of bytes: threads, mappings and descriptors behind a head that counts
 * them. The caller keeps copies of it and knows nothing of its inside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "error.h"
#include "process.h"

const struct bs_thread_state *bs_state_next_thread(const struct bs_thread_state *thread) {
    return (const struct bs_thread_state *) ((const char *) (thread + 1) + thread->xstate_size);
}

void bs_state_split(uint64_t address, struct bs_state_parts *parts) {
    parts->head = (const struct bs_state *) (uintptr_t) address;
    parts->mappings = (const struct bs_mapping *) (parts->head + 1);
    parts->descriptors = (const struct bs_descriptor_state *) (parts->mappings + parts->head->mapping_count);
    parts->threads = (const char *) (parts->descriptors + parts->head->descriptor_count);
}

int bs_state_save_files(struct bs_process *p) {
    p->files_saved = bs_files_save(p) == 0;
    return 0;
}

static int append(struct bs_vector *blob, const struct bs_vector *part) {
    char *place = bs_vector_extend(blob, part->size);
    if (place && part->size > 0) {
        memcpy(place, part->data, part->size);
    }
    return place ? 0 : -ENOMEM;
}

int bs_state_save(struct bs_process *p) {
    struct bs_vector *blob = &p->state;
    int result = p->files_saved ? 0 : bs_files_save(p);
    struct bs_state head = {.thread_count = bs_threads_count(p),
                            .mapping_count = p->mappings.size / sizeof(struct bs_mapping),
                            .descriptor_count = p->descriptor_states.size / sizeof(struct bs_descriptor_state),
                            .heap_end = bs_layout_heap_end(p, &p->mappings)};
    blob->size = 0;
    if (!bs_vector_extend(blob, sizeof head) || append(blob, &p->mappings) < 0 ||
        append(blob, &p->descriptor_states) < 0) {
        return -ENOMEM;
    }
    for (size_t i = 0; result == 0 && i < bs_threads_count(p); i++) {
        result = bs_registers_save(bs_threads_at(p, i), blob);
    }
    for (size_t i = 0; result == 0 && i < 2; i++) {
        if (p->outputs[i]) {
            result = bs_output_drain(p->outputs[i], &head.marks[i]);
        }
    }
    p->files_saved = false;
    head.size = blob->size;
    memcpy(blob->data, &head, sizeof head);
    return result;
}

void bs_state_retain(uint64_t state) {
    struct bs_state_parts parts;
    bs_state_split(state, &parts);
    for (uint64_t i = 0; i < parts.head->descriptor_count; i++) {
        parts.descriptors[i].descriptor.file->references++;
    }
}

void bs_state_release(uint64_t state) {
    struct bs_state_parts parts;
    bs_state_split(state, &parts);
    for (uint64_t i = 0; i < parts.head->descriptor_count; i++) {
        bs_file_release(parts.descriptors[i].descriptor.file);
    }
}
