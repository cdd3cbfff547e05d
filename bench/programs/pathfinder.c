// SPDX-License-Identifier: Apache-2.0
//
// pathfinder: shortest ways over a map of squares with obstacles and rough ground, by A*. Reads a seed, the side of the
// map and the number of ways; prints length and cost of each. Of backstep, for SPEC's astar: Debian has no program that
// does the same.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { WALL = 0, ROUGHEST = 8, DIRECTIONS = 8, STRAIGHT = 10, DIAGONAL = 14 };

struct square {
    uint32_t cost; // to here, the lowest found so far
    uint16_t way;  // number of the way for which cost and from hold
    uint8_t from;  // direction in which it was entered at that cost
    uint8_t ground;
};

struct entry {
    uint32_t estimate;
    uint32_t square;
};

struct heap {
    struct entry *entries;
    size_t size;
    size_t capacity;
};

static const int DX[DIRECTIONS] = {1, 1, 0, -1, -1, -1, 0, 1};
static const int DY[DIRECTIONS] = {0, 1, 1, 1, 0, -1, -1, -1};

static uint32_t seed;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(seed >> 8) * limit >> 24);
}

static void push(struct heap *heap, struct entry entry)
{
    if (heap->size == heap->capacity) {
        heap->capacity = heap->capacity ? 2 * heap->capacity : 1024;
        heap->entries = realloc(heap->entries, heap->capacity * sizeof *heap->entries);
        if (!heap->entries) {
            abort();
        }
    }
    size_t place = heap->size++;
    for (; place > 0 && heap->entries[(place - 1) / 2].estimate > entry.estimate; place = (place - 1) / 2) {
        heap->entries[place] = heap->entries[(place - 1) / 2];
    }
    heap->entries[place] = entry;
}

static struct entry pop(struct heap *heap)
{
    struct entry first = heap->entries[0];
    struct entry last = heap->entries[--heap->size];
    size_t place = 0;
    for (size_t child; (child = 2 * place + 1) < heap->size; place = child) {
        if (child + 1 < heap->size && heap->entries[child + 1].estimate < heap->entries[child].estimate) {
            child++;
        }
        if (heap->entries[child].estimate >= last.estimate) {
            break;
        }
        heap->entries[place] = heap->entries[child];
    }
    heap->entries[place] = last;
    return first;
}

// Rough ground in patches, walls with gaps, and a wall around everything.
static void draw(struct square *map, int side)
{
    for (size_t i = 0; i < (size_t)side * side; i++) {
        map[i].ground = 1;
    }
    for (int i = 0; i < side; i++) {
        int x = (int)random_below((uint32_t)side);
        int y = (int)random_below((uint32_t)side);
        int size = 4 + (int)random_below(24);
        uint8_t ground = (uint8_t)(1 + random_below(ROUGHEST));
        for (int row = y; row < y + size && row < side; row++) {
            for (int column = x; column < x + size && column < side; column++) {
                map[(size_t)row * side + column].ground = ground;
            }
        }
    }
    for (int i = 0; i < side; i++) {
        int x = (int)random_below((uint32_t)side);
        int y = (int)random_below((uint32_t)side);
        int length = 8 + (int)random_below(56);
        int across = (int)random_below(2);
        for (int j = 0; j < length && x < side && y < side; j++) {
            map[(size_t)y * side + x].ground = WALL;
            x += across;
            y += !across;
        }
    }
    for (int i = 0; i < side; i++) {
        map[i].ground = map[(size_t)(side - 1) * side + i].ground = WALL;
        map[(size_t)i * side].ground = map[(size_t)i * side + side - 1].ground = WALL;
    }
}

static uint32_t distance(int side, uint32_t from, uint32_t to)
{
    int dx = abs((int)(from % (uint32_t)side) - (int)(to % (uint32_t)side));
    int dy = abs((int)(from / (uint32_t)side) - (int)(to / (uint32_t)side));
    int shorter = dx < dy ? dx : dy;
    return (uint32_t)(shorter * DIAGONAL + (dx + dy - 2 * shorter) * STRAIGHT);
}

static int find(struct square *map, int side, struct heap *heap, uint16_t way, uint32_t start, uint32_t goal)
{
    heap->size = 0;
    map[start].cost = 0;
    map[start].way = way;
    push(heap, (struct entry){distance(side, start, goal), start});
    while (heap->size > 0) {
        struct entry entry = pop(heap);
        uint32_t at = entry.square;
        if (at == goal) {
            return 1;
        }
        if (entry.estimate != map[at].cost + distance(side, at, goal)) {
            continue; // a cheaper way to here was found since
        }
        for (int direction = 0; direction < DIRECTIONS; direction++) {
            uint32_t next = (uint32_t)((int)at + DY[direction] * side + DX[direction]);
            if (map[next].ground == WALL) {
                continue;
            }
            uint32_t step = direction % 2 ? DIAGONAL : STRAIGHT;
            uint32_t cost = map[at].cost + step * map[next].ground;
            if (map[next].way == way && map[next].cost <= cost) {
                continue;
            }
            map[next].way = way;
            map[next].cost = cost;
            map[next].from = (uint8_t)direction;
            push(heap, (struct entry){cost + distance(side, next, goal), next});
        }
    }
    return 0;
}

static uint32_t free_square(const struct square *map, int side)
{
    uint32_t square;
    do {
        square = random_below((uint32_t)side) * (uint32_t)side + random_below((uint32_t)side);
    } while (map[square].ground == WALL);
    return square;
}

int main(void)
{
    int side;
    unsigned ways;
    if (scanf("%u %d %u", &seed, &side, &ways) != 3 || side < 64 || side > 32768
        || ways > UINT16_MAX) {
        fprintf(stderr, "pathfinder: expects a seed, the side of the map and the number of ways\n");
        return 1;
    }
    struct square *map = calloc((size_t)side * side, sizeof *map);
    struct heap heap = {0};
    if (!map) {
        return 1;
    }
    draw(map, side);
    for (unsigned way = 1; way <= ways; way++) {
        uint32_t start = free_square(map, side);
        uint32_t goal = free_square(map, side);
        if (!find(map, side, &heap, (uint16_t)way, start, goal)) {
            printf("way %u: none\n", way);
            continue;
        }
        unsigned steps = 0;
        for (uint32_t at = goal; at != start; steps++) {
            at = (uint32_t)((int)at - DY[map[at].from] * side - DX[map[at].from]);
        }
        printf("way %u: %u steps, cost %u\n", way, steps, map[goal].cost);
    }
    free(heap.entries);
    free(map);
    return 0;
}
