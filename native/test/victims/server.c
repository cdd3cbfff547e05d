// SPDX-License-Identifier: Apache-2.0
//
// Tests: holding output back, while a program answers continuously; and the offset of a standard input that is a file.
//
// A request server without fork: parses SET, GET, DEL, SCAN and COUNT, keeps values in a hash map and an ordered
// index (a B-tree) that must agree, and answers each request on standard output, about 10 KB per step, with a remark on
// standard error now and then. A rollback whose output was already released prints answers twice; one that forgets to
// drop what was written after the checkpoint, too; one that restores the map but not the input's offset skips requests.
//
// Requests are generated, or read from standard input when REQUESTS is `-`. --emit prints the requests that would be
// generated and answers nothing: server 1 1000 --emit > requests; server 1 1000 - < requests
//
// usage: server SEED STEPS [REQUESTS: generated, -] [--emit]
#include "victim.h"

enum { BUCKETS = 8192, KEYS = 32768, VALUE_MAX = 200, LINE_BYTES = 512, REQUESTS_PER_STEP = 250, ORDER = 16 };
enum { BUCKETS_CHECKED_PER_STEP = 1024, REMARK_EVERY = 128 };

// ---- the hash map: key to value text ----

struct entry {
    struct entry *next;
    uint32_t key;
    uint32_t length;
    char text[];
};

static struct entry *buckets[BUCKETS];
static uint64_t entry_count;

static struct entry **find_entry(uint32_t key)
{
    struct entry **link = &buckets[mix64(key) % BUCKETS];
    while (*link && (*link)->key != key) {
        link = &(*link)->next;
    }
    return link;
}

static void map_set(uint32_t key, const char *text, size_t length)
{
    struct entry **link = find_entry(key);
    struct entry *next = NULL;
    if (*link) {
        next = (*link)->next;
        free(*link);
    } else {
        entry_count++;
    }
    struct entry *entry = malloc(sizeof *entry + length + 1);
    CHECK(entry, "malloc of an entry");
    *entry = (struct entry){.next = next, .key = key, .length = (uint32_t)length};
    memcpy(entry->text, text, length);
    entry->text[length] = '\0';
    *link = entry;
}

static bool map_delete(uint32_t key)
{
    struct entry **link = find_entry(key);
    struct entry *entry = *link;
    if (!entry) {
        return false;
    }
    *link = entry->next;
    free(entry);
    entry_count--;
    return true;
}

// ---- the index: a B-tree from key to the digest of its value; 0 stands for a key that was deleted ----

struct node {
    unsigned count;
    bool leaf;
    uint32_t keys[2 * ORDER - 1];
    uint64_t digests[2 * ORDER - 1];
    struct node *children[2 * ORDER];
};

static struct node *root;

static struct node *new_node(bool leaf)
{
    struct node *node = calloc(1, sizeof *node);
    CHECK(node, "calloc of a node");
    node->leaf = leaf;
    return node;
}

/* The first position whose key is not below the wanted one. */
static unsigned position(const struct node *node, uint32_t key)
{
    unsigned at = 0;
    while (at < node->count && node->keys[at] < key) {
        at++;
    }
    return at;
}

static uint64_t *tree_find(uint32_t key)
{
    struct node *node = root;
    for (;;) {
        unsigned at = position(node, key);
        if (at < node->count && node->keys[at] == key) {
            return &node->digests[at];
        }
        if (node->leaf) {
            return NULL;
        }
        node = node->children[at];
    }
}

/* Splits the full child at a position of a node that is not full. */
static void split_child(struct node *parent, unsigned at)
{
    struct node *full = parent->children[at];
    struct node *upper = new_node(full->leaf);
    upper->count = full->count = ORDER - 1;
    memcpy(upper->keys, full->keys + ORDER, sizeof full->keys[0] * (ORDER - 1));
    memcpy(upper->digests, full->digests + ORDER, sizeof full->digests[0] * (ORDER - 1));
    memcpy(upper->children, full->children + ORDER, sizeof full->children[0] * ORDER);
    for (unsigned i = parent->count; i > at; i--) {
        parent->keys[i] = parent->keys[i - 1];
        parent->digests[i] = parent->digests[i - 1];
        parent->children[i + 1] = parent->children[i];
    }
    parent->keys[at] = full->keys[ORDER - 1];
    parent->digests[at] = full->digests[ORDER - 1];
    parent->children[at + 1] = upper;
    parent->count++;
}

static void tree_insert(uint32_t key, uint64_t digest)
{
    if (root->count == 2 * ORDER - 1) {
        struct node *above = new_node(false);
        above->children[0] = root;
        root = above;
        split_child(root, 0);
    }
    struct node *node = root;
    while (!node->leaf) {
        unsigned at = position(node, key);
        if (node->children[at]->count == 2 * ORDER - 1) {
            split_child(node, at);
            at += node->keys[at] < key;
        }
        node = node->children[at];
    }
    unsigned at = position(node, key);
    for (unsigned i = node->count; i > at; i--) {
        node->keys[i] = node->keys[i - 1];
        node->digests[i] = node->digests[i - 1];
    }
    node->keys[at] = key;
    node->digests[at] = digest;
    node->count++;
}

static void tree_set(uint32_t key, uint64_t digest)
{
    uint64_t *found = tree_find(key);
    if (found) {
        *found = digest;
    } else {
        tree_insert(key, digest);
    }
}

/* Visits up to *left keys that exist, from the given one on, in order. */
static void tree_scan(const struct node *node, uint32_t from, unsigned *left, void (*visit)(uint32_t, uint64_t))
{
    for (unsigned at = position(node, from); at <= node->count && *left > 0; at++) {
        if (!node->leaf) {
            tree_scan(node->children[at], from, left, visit);
        }
        if (at < node->count && node->digests[at] && *left > 0) {
            visit(node->keys[at], node->digests[at]);
            (*left)--;
        }
    }
}

static uint64_t tree_verify(const struct node *node, uint64_t below, uint64_t above)
{
    uint64_t count = 0;
    CHECK(node->count < 2 * ORDER && (node == root || node->count >= ORDER - 1), "index node with %u keys",
          node->count);
    for (unsigned i = 0; i <= node->count; i++) {
        uint64_t least = i == 0 ? below : node->keys[i - 1] + UINT64_C(1);
        uint64_t most = i == node->count ? above : node->keys[i];
        CHECK(least <= most, "index out of order at key %" PRIu64, most);
        if (!node->leaf) {
            count += tree_verify(node->children[i], least, most);
        }
        count += i < node->count && node->digests[i];
    }
    return count;
}

// ---- requests ----

static struct rng rng;
static uint64_t digest = DIGEST_START;
static uint64_t answered;
static uint32_t last_scanned;

static void answer(const char *text, size_t length)
{
    CHECK(fwrite(text, 1, length, stdout) == length, "standard output: %s", strerror(errno));
    digest = digest_bytes(digest, text, length);
}

static uint64_t value_digest(const char *text, size_t length)
{
    return digest_bytes(DIGEST_START, text, length) | 1;
}

static void answer_get(uint32_t key)
{
    const struct entry *entry = *find_entry(key);
    const uint64_t *indexed = tree_find(key);
    uint64_t expected = indexed ? *indexed : 0;
    uint64_t found = entry ? value_digest(entry->text, entry->length) : 0;
    CHECK(found == expected, "key %" PRIu32 ": map holds %016" PRIx64 ", index %016" PRIx64, key, found, expected);
    if (!entry) {
        answer("NONE\n", 5);
        return;
    }
    answer("VALUE ", 6);
    answer(entry->text, entry->length);
    answer("\n", 1);
}

static void answer_scanned(uint32_t key, uint64_t value)
{
    char line[64];
    CHECK(key >= last_scanned, "scan: key %" PRIu32 " after %" PRIu32, key, last_scanned);
    last_scanned = key;
    answer(line, (size_t)snprintf(line, sizeof line, "RANGE %" PRIu32 " %08" PRIx64 "\n", key, value >> 32));
}

static void serve(const char *line)
{
    char verb[8];
    uint32_t key = 0;
    int text_at = 0;
    char reply[64];
    int fields = sscanf(line, "%7s %" SCNu32 " %n", verb, &key, &text_at);
    CHECK(fields >= 1, "request cannot be parsed: %.60s", line);
    if (strcmp(verb, "SET") == 0) {
        size_t length = strcspn(line + text_at, "\n");
        map_set(key, line + text_at, length);
        tree_set(key, value_digest(line + text_at, length));
        answer("OK\n", 3);
    } else if (strcmp(verb, "GET") == 0) {
        answer_get(key);
    } else if (strcmp(verb, "DEL") == 0) {
        bool deleted = map_delete(key);
        if (deleted) {
            tree_set(key, 0);
        }
        answer(deleted ? "GONE\n" : "NONE\n", 5);
    } else if (strcmp(verb, "SCAN") == 0) {
        unsigned left = (unsigned)strtoul(line + text_at, NULL, 10);
        last_scanned = key;
        tree_scan(root, key, &left, answer_scanned);
        answer("END\n", 4);
    } else {
        CHECK(strcmp(verb, "COUNT") == 0, "unknown request: %.60s", line);
        answer(reply, (size_t)snprintf(reply, sizeof reply, "COUNT %" PRIu64 "\n", entry_count));
    }
    answered++;
}

static void generate(char *line)
{
    uint64_t choice = rng_below(&rng, 100);
    unsigned key = (unsigned)rng_below(&rng, KEYS);
    if (choice < 45) {
        int at = snprintf(line, LINE_BYTES, "SET %u ", key);
        size_t length = rng_between(&rng, 4, VALUE_MAX);
        for (size_t i = 0; i < length; i += 8) {
            uint64_t bits = rng_next(&rng);
            for (size_t j = i; j < i + 8 && j < length; j++, bits >>= 8) {
                line[at++] = "abcdefghijklmnopqrstuvwxyz012345"[bits & 31];
            }
        }
        line[at++] = '\n';
        line[at] = '\0';
    } else if (choice < 80) {
        snprintf(line, LINE_BYTES, "GET %u\n", key);
    } else if (choice < 92) {
        snprintf(line, LINE_BYTES, "DEL %u\n", key);
    } else if (choice < 98) {
        snprintf(line, LINE_BYTES, "SCAN %u %u\n", key, (unsigned)rng_between(&rng, 1, 20));
    } else {
        snprintf(line, LINE_BYTES, "COUNT\n");
    }
}

static bool from_input;

static bool next_request(char *line)
{
    if (from_input) {
        return fgets(line, LINE_BYTES, stdin) != NULL;
    }
    generate(line);
    return true;
}

/* Every entry of some buckets is in the index, and equal. */
static void verify_buckets(uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++) {
        for (const struct entry *entry = buckets[i % BUCKETS]; entry; entry = entry->next) {
            const uint64_t *indexed = tree_find(entry->key);
            uint64_t found = value_digest(entry->text, entry->length);
            CHECK(indexed && *indexed == found, "key %" PRIu32 ": map holds %016" PRIx64 ", index %016" PRIx64,
                  entry->key, found, indexed ? *indexed : 0);
        }
    }
}

static void verify_all(void)
{
    verify_buckets(0, BUCKETS);
    uint64_t indexed = tree_verify(root, 0, UINT64_MAX);
    CHECK(indexed == entry_count, "index holds %" PRIu64 " keys, map %" PRIu64, indexed, entry_count);
}

static bool step(uint64_t number, bool emit)
{
    char line[LINE_BYTES];
    for (int i = 0; i < REQUESTS_PER_STEP; i++) {
        if (!next_request(line)) {
            return false;
        }
        if (emit) {
            CHECK(fputs(line, stdout) != EOF, "standard output: %s", strerror(errno));
        } else {
            serve(line);
        }
    }
    if (emit) {
        return true;
    }
    verify_buckets(number * BUCKETS_CHECKED_PER_STEP, BUCKETS_CHECKED_PER_STEP);
    if (number % REMARK_EVERY == 0) {
        fprintf(stderr, "server: %" PRIu64 " requests answered\n", answered);
        verify_all();
    }
    CHECK(fflush(stdout) == 0, "standard output: %s", strerror(errno));
    return true;
}

static void free_node(struct node *node)
{
    for (unsigned i = 0; !node->leaf && i <= node->count; i++) {
        free_node(node->children[i]);
    }
    free(node);
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [generated|-] [--emit]");
    rng.state = victim_seed();
    uint64_t steps = victim_steps();
    from_input = strcmp(victim_word(2, "generated"), "-") == 0;
    bool emit = victim_flag("--emit");
    root = new_node(true);

    for (uint64_t i = 0; i < steps && step(i, emit); i++) {
    }
    if (emit) {
        return fflush(stdout) == 0 ? 0 : 2;
    }
    verify_all();
    digest = digest_word(digest, answered);
    for (uint32_t key = 0; key < KEYS; key++) {
        map_delete(key);
    }
    free_node(root);
    return victim_finish(digest);
}
