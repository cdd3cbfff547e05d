// SPDX-License-Identifier: Apache-2.0
//
// Tests: the extended registers - xmm, ymm, zmm, mask registers, the x87 stack, MXCSR and the x87 control word - and
// all sixteen general registers with the carry flag.
//
// Each stretch loads every register, computes for milliseconds without touching memory, stores the registers, and
// compares them with a scalar shadow that jumps to the same result in closed form. A rollback that restores only the
// general registers, forgets the upper halves, the x87 stack or a rounding mode, ends in another value.
//
//   mix    r[i] += r[i+1] round a ring of 16 registers of 64-bit lanes (two rings in zmm, one of the eight mask
//          registers): the shadow applies powers of the ring's matrix. x87: st(1..7) += st(0) on integers too wide for
//          a double. Every error in any bit reaches the result, since the map is invertible.
//   round  registers of doubles in [1, 2) plus or minus less than half an ulp, in one of four rounding modes: each
//          addition moves by exactly one ulp or not at all. The same on the x87 stack at 64 bits of mantissa.
//   carry  a seven-word number plus another, n times, all in general registers, as a chain of add-with-carry.
//
// The digest covers the lanes that every instruction set has, so standard output does not depend on the processor.
//
// usage: simd SEED STEPS [auto | sse | avx2 | avx512] [steps per stretch at most, 32]
#include "victim.h"

#include <assert.h>

enum { RING = 16, MASK_RING = 8, LANES_MAX = 8, VECTORS_MAX = 32, X87 = 8, LIMBS = 7, POWERS = 28 };
enum { MIX_PER_STEP = 3 << 17, ROUND_PER_STEP = 3 << 17, CARRY_PER_STEP = 3 << 17 };

/* What a kernel loads, and stores again; the offsets are known to the assembly below. */
struct kernel {
    uint64_t count;
    uint32_t mxcsr, mxcsr_after, mxcsr_callers;
    uint16_t fcw, fcw_after, fcw_callers, padding;
    uint32_t padding2[8];
    uint64_t vector[VECTORS_MAX * LANES_MAX];
    uint64_t mask[MASK_RING];
    long double x87[X87];
} __attribute__((aligned(64)));

static_assert(offsetof(struct kernel, mxcsr) == 8, "known to assembly");
static_assert(offsetof(struct kernel, fcw) == 20, "known to assembly");
static_assert(offsetof(struct kernel, vector) == 64, "known to assembly");
static_assert(offsetof(struct kernel, mask) == 2112, "known to assembly");
static_assert(offsetof(struct kernel, x87) == 2176, "known to assembly");

void mix_sse(struct kernel *kernel);
void mix_avx2(struct kernel *kernel);
void mix_avx512(struct kernel *kernel);
void round_sse(struct kernel *kernel);
void round_avx2(struct kernel *kernel);
void round_avx512(struct kernel *kernel);
void carry_chain(uint64_t *limbs, uint64_t count);

#define EACH8(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define EACH16(F) EACH8(F) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define EACH32(F)                                                                                                      \
    EACH16(F) F(16) F(17) F(18) F(19) F(20) F(21) F(22) F(23) F(24) F(25) F(26) F(27) F(28) F(29) F(30) F(31)
#define RING8(F) F(0, 1) F(1, 2) F(2, 3) F(3, 4) F(4, 5) F(5, 6) F(6, 7) F(7, 0)
#define RING16(F)                                                                                                      \
    F(0, 1) F(1, 2) F(2, 3) F(3, 4) F(4, 5) F(5, 6) F(6, 7) F(7, 8)                                                    \
    F(8, 9) F(9, 10) F(10, 11) F(11, 12) F(12, 13) F(13, 14) F(14, 15) F(15, 0)
#define RING16_UPPER(F)                                                                                                \
    F(16, 17) F(17, 18) F(18, 19) F(19, 20) F(20, 21) F(21, 22) F(22, 23) F(23, 24)                                    \
    F(24, 25) F(25, 26) F(26, 27) F(27, 28) F(28, 29) F(29, 30) F(30, 31) F(31, 16)

#define LOAD_XMM(i) "movdqu 64+16*" #i "(%rdi), %xmm" #i "\n"
#define STORE_XMM(i) "movdqu %xmm" #i ", 64+16*" #i "(%rdi)\n"
#define MIX_XMM(i, j) "paddq %xmm" #j ", %xmm" #i "\n"
#define LOAD_YMM(i) "vmovdqu 64+32*" #i "(%rdi), %ymm" #i "\n"
#define STORE_YMM(i) "vmovdqu %ymm" #i ", 64+32*" #i "(%rdi)\n"
#define MIX_YMM(i, j) "vpaddq %ymm" #j ", %ymm" #i ", %ymm" #i "\n"
#define LOAD_ZMM(i) "vmovdqu64 64+64*" #i "(%rdi), %zmm" #i "\n"
#define STORE_ZMM(i) "vmovdqu64 %zmm" #i ", 64+64*" #i "(%rdi)\n"
#define MIX_ZMM(i, j) "vpaddq %zmm" #j ", %zmm" #i ", %zmm" #i "\n"
#define LOAD_MASK(i) "kmovq 2112+8*" #i "(%rdi), %k" #i "\n"
#define STORE_MASK(i) "kmovq %k" #i ", 2112+8*" #i "(%rdi)\n"
#define MIX_MASK(i, j) "kaddq %k" #j ", %k" #i ", %k" #i "\n"

/* Register 15 (31 in zmm) holds the addend; even registers add it, odd ones subtract it. */
#define ROUND_PAIRS_XMM(i, j) "addpd %xmm15, %xmm" #i "\nsubpd %xmm15, %xmm" #j "\n"
#define ROUND_PAIRS_YMM(i, j)                                                                                          \
    "vaddpd %ymm15, %ymm" #i ", %ymm" #i "\nvsubpd %ymm15, %ymm" #j ", %ymm" #j "\n"
#define ROUND_PAIRS_ZMM(i, j)                                                                                          \
    "vaddpd %zmm31, %zmm" #i ", %zmm" #i "\nvsubpd %zmm31, %zmm" #j ", %zmm" #j "\n"
#define PAIRS14(F) F(0, 1) F(2, 3) F(4, 5) F(6, 7) F(8, 9) F(10, 11) F(12, 13)
#define PAIRS30(F) PAIRS14(F) F(14, 15) F(16, 17) F(18, 19) F(20, 21) F(22, 23) F(24, 25) F(26, 27) F(28, 29)

#define SET_MODES                                                                                                      \
    "stmxcsr 16(%rdi)\nldmxcsr 8(%rdi)\n"                                                                              \
    "fnstcw 24(%rdi)\nfninit\nfldcw 20(%rdi)\n"
#define RESTORE_MODES                                                                                                  \
    "fnstcw 22(%rdi)\nfldcw 24(%rdi)\n"                                                                                \
    "stmxcsr 12(%rdi)\nldmxcsr 16(%rdi)\n"
#define LOAD_X87                                                                                                       \
    "fldt 2288(%rdi)\nfldt 2272(%rdi)\nfldt 2256(%rdi)\nfldt 2240(%rdi)\n"                                             \
    "fldt 2224(%rdi)\nfldt 2208(%rdi)\nfldt 2192(%rdi)\nfldt 2176(%rdi)\n"
#define STORE_X87                                                                                                      \
    "fstpt 2176(%rdi)\nfstpt 2192(%rdi)\nfstpt 2208(%rdi)\nfstpt 2224(%rdi)\n"                                         \
    "fstpt 2240(%rdi)\nfstpt 2256(%rdi)\nfstpt 2272(%rdi)\nfstpt 2288(%rdi)\n"
#define ADD_X87                                                                                                        \
    "fadd %st, %st(1)\nfadd %st, %st(2)\nfadd %st, %st(3)\nfadd %st, %st(4)\n"                                         \
    "fadd %st, %st(5)\nfadd %st, %st(6)\nfadd %st, %st(7)\n"

#define KERNEL(name, load, body, store)                                                                                \
    __asm__(".text\n.p2align 4\n.globl " name "\n.type " name ", @function\n" name ":\n"                               \
            "mov (%rdi), %rcx\n" SET_MODES LOAD_X87 load                                                               \
            ".p2align 4\n1:\n" body ADD_X87 "dec %rcx\njnz 1b\n"                                                       \
            store STORE_X87 RESTORE_MODES "ret\n.size " name ", .-" name "\n")

KERNEL("mix_sse", EACH16(LOAD_XMM), RING16(MIX_XMM), EACH16(STORE_XMM));
KERNEL("mix_avx2", EACH16(LOAD_YMM), RING16(MIX_YMM), EACH16(STORE_YMM) "vzeroupper\n");
KERNEL("mix_avx512", EACH32(LOAD_ZMM) EACH8(LOAD_MASK), RING16(MIX_ZMM) RING16_UPPER(MIX_ZMM) RING8(MIX_MASK),
       EACH32(STORE_ZMM) EACH8(STORE_MASK) "vzeroupper\n");
KERNEL("round_sse", EACH16(LOAD_XMM), PAIRS14(ROUND_PAIRS_XMM) "addpd %xmm15, %xmm14\n", EACH16(STORE_XMM));
KERNEL("round_avx2", EACH16(LOAD_YMM), PAIRS14(ROUND_PAIRS_YMM) "vaddpd %ymm15, %ymm14, %ymm14\n",
       EACH16(STORE_YMM) "vzeroupper\n");
KERNEL("round_avx512", EACH32(LOAD_ZMM) EACH8(LOAD_MASK), PAIRS30(ROUND_PAIRS_ZMM) "vaddpd %zmm31, %zmm30, %zmm30\n",
       EACH32(STORE_ZMM) EACH8(STORE_MASK) "vzeroupper\n");

/* The sum in rax rbx rcx rdx rsi rdi rbp, the addend in r8 to r14, the count in r15: nothing is left. */
__asm__(".text\n.p2align 4\n.globl carry_chain\n.type carry_chain, @function\ncarry_chain:\n"
        "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\npush %rdi\n"
        "mov %rsi, %r15\n"
        "mov 56(%rdi), %r8\nmov 64(%rdi), %r9\nmov 72(%rdi), %r10\nmov 80(%rdi), %r11\n"
        "mov 88(%rdi), %r12\nmov 96(%rdi), %r13\nmov 104(%rdi), %r14\n"
        "mov (%rdi), %rax\nmov 8(%rdi), %rbx\nmov 16(%rdi), %rcx\nmov 24(%rdi), %rdx\n"
        "mov 32(%rdi), %rsi\nmov 48(%rdi), %rbp\nmov 40(%rdi), %rdi\n"
        ".p2align 4\n1:\n"
        "add %r8, %rax\nadc %r9, %rbx\nadc %r10, %rcx\nadc %r11, %rdx\n"
        "adc %r12, %rsi\nadc %r13, %rdi\nadc %r14, %rbp\n"
        "dec %r15\njnz 1b\n"
        "xchg %rdi, (%rsp)\n"
        "mov %rax, (%rdi)\nmov %rbx, 8(%rdi)\nmov %rcx, 16(%rdi)\nmov %rdx, 24(%rdi)\n"
        "mov %rsi, 32(%rdi)\nmov %rbp, 48(%rdi)\npop %rax\nmov %rax, 40(%rdi)\n"
        "mov %r8, 56(%rdi)\nmov %r9, 64(%rdi)\nmov %r10, 72(%rdi)\nmov %r11, 80(%rdi)\n"
        "mov %r12, 88(%rdi)\nmov %r13, 96(%rdi)\nmov %r14, 104(%rdi)\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\n"
        "ret\n.size carry_chain, .-carry_chain\n");

struct isa {
    const char *name;
    unsigned vectors;
    unsigned lanes;
    bool masks;
    void (*mix)(struct kernel *kernel);
    void (*round)(struct kernel *kernel);
};

static const struct isa isas[] = {
    {"sse", 16, 2, false, mix_sse, round_sse},
    {"avx2", 16, 4, false, mix_avx2, round_avx2},
    {"avx512", 32, 8, true, mix_avx512, round_avx512},
};

static const struct isa *isa;
static struct rng rng;
static uint64_t digest = DIGEST_START;

// ---- the ring's matrix and its powers: ring_powers[p] is 2^p rounds ----

static uint64_t ring_powers[POWERS][RING][RING];
static uint64_t mask_powers[POWERS][MASK_RING][MASK_RING];

/* Square matrices of the given size, row after row. */
static void square(uint64_t *result, const uint64_t *matrix, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        for (size_t j = 0; j < size; j++) {
            uint64_t sum = 0;
            for (size_t k = 0; k < size; k++) {
                sum += matrix[i * size + k] * matrix[k * size + j];
            }
            result[i * size + j] = sum;
        }
    }
}

/* One round, done in order: row i becomes itself plus row i + 1 as it is at that moment. */
static void one_round(uint64_t *matrix, size_t size)
{
    memset(matrix, 0, size * size * 8);
    for (size_t i = 0; i < size; i++) {
        matrix[i * size + i] = 1;
    }
    for (size_t i = 0; i < size; i++) {
        for (size_t k = 0; k < size; k++) {
            matrix[i * size + k] += matrix[(i + 1) % size * size + k];
        }
    }
}

static void prepare_powers(void)
{
    one_round(&ring_powers[0][0][0], RING);
    one_round(&mask_powers[0][0][0], MASK_RING);
    for (size_t p = 1; p < POWERS; p++) {
        square(&ring_powers[p][0][0], &ring_powers[p - 1][0][0], RING);
        square(&mask_powers[p][0][0], &mask_powers[p - 1][0][0], MASK_RING);
    }
}

/* Applies count rounds to a column. */
static void turn(uint64_t *column, const uint64_t *powers, size_t size, uint64_t count)
{
    for (size_t p = 0; count >> p; p++) {
        if (!(count >> p & 1)) {
            continue;
        }
        const uint64_t *matrix = powers + p * size * size;
        uint64_t result[RING] = {0};
        for (size_t i = 0; i < size; i++) {
            for (size_t k = 0; k < size; k++) {
                result[i] += matrix[i * size + k] * column[k];
            }
        }
        memcpy(column, result, size * 8);
    }
}

// ---- stretches ----

static struct kernel kernel;
static uint64_t expected[VECTORS_MAX * LANES_MAX];

/* A value that depends on register and lane but not on how wide registers are here. */
static uint64_t lane_value(uint64_t base, unsigned vector, unsigned lane)
{
    return mix64(base + vector * 64 + lane);
}

static void check_vectors(const char *what, uint64_t count)
{
    for (unsigned v = 0; v < isa->vectors; v++) {
        for (unsigned lane = 0; lane < isa->lanes; lane++) {
            unsigned at = v * isa->lanes + lane;
            CHECK(kernel.vector[at] == expected[at], "%s %s: register %u lane %u holds %016" PRIx64
                  " after %" PRIu64 " rounds, expected %016" PRIx64, isa->name, what, v, lane, kernel.vector[at],
                  count, expected[at]);
            if (v < RING && lane < 2) {
                digest = digest_word(digest, kernel.vector[at]);
            }
        }
    }
}

static void check_modes(const char *what, uint32_t mxcsr)
{
    CHECK(kernel.mxcsr_after == mxcsr, "%s: mxcsr %04x, expected %04x", what, kernel.mxcsr_after, mxcsr);
    CHECK(kernel.fcw_after == kernel.fcw, "%s: x87 control word %04x, expected %04x", what, kernel.fcw_after,
          kernel.fcw);
}

static void set_modes(void)
{
    static const uint32_t flush_modes[] = {0, 0x8000, 0x40, 0x8040};
    uint64_t choice = rng_next(&rng);
    kernel.mxcsr = 0x1f80 | (uint32_t)(choice & 3) << 13 | flush_modes[choice >> 2 & 3];
    kernel.fcw = (uint16_t)(0x037f | (choice >> 4 & 3) << 10);
}

static void stretch_mix(uint64_t count)
{
    uint64_t base = rng_next(&rng);
    set_modes();
    kernel.count = count;
    for (unsigned v = 0; v < isa->vectors; v++) {
        for (unsigned lane = 0; lane < isa->lanes; lane++) {
            kernel.vector[v * isa->lanes + lane] = lane_value(base, v, lane);
        }
    }
    for (unsigned bank = 0; bank < isa->vectors; bank += RING) {
        for (unsigned lane = 0; lane < isa->lanes; lane++) {
            uint64_t column[RING];
            for (unsigned i = 0; i < RING; i++) {
                column[i] = lane_value(base, bank + i, lane);
            }
            turn(column, &ring_powers[0][0][0], RING, count);
            for (unsigned i = 0; i < RING; i++) {
                expected[(bank + i) * isa->lanes + lane] = column[i];
            }
        }
    }
    uint64_t mask_expected[RING];
    for (unsigned i = 0; i < MASK_RING; i++) {
        kernel.mask[i] = mask_expected[i] = mix64(base ^ i);
    }
    turn(mask_expected, &mask_powers[0][0][0], MASK_RING, count);
    uint64_t wide[X87];
    for (unsigned i = 0; i < X87; i++) {
        wide[i] = i == 0 ? rng_below(&rng, 1 << 20) | 1 : UINT64_C(1) << 62 | rng_below(&rng, UINT64_C(1) << 61) | 1;
        kernel.x87[i] = (long double)wide[i];
    }

    isa->mix(&kernel);

    check_vectors("mix", count);
    check_modes("mix", kernel.mxcsr);
    for (unsigned i = 0; isa->masks && i < MASK_RING; i++) {
        CHECK(kernel.mask[i] == mask_expected[i], "mix: k%u holds %016" PRIx64 ", expected %016" PRIx64, i,
              kernel.mask[i], mask_expected[i]);
    }
    for (unsigned i = 0; i < X87; i++) {
        uint64_t sum = wide[i] + (i == 0 ? 0 : count * wide[0]);
        CHECK(kernel.x87[i] == (long double)sum, "mix: st(%u) holds %.0Lf, expected %" PRIu64, i, kernel.x87[i], sum);
        digest = digest_word(digest, sum);
    }
}

/* How many ulps a value in [1, 2) moves when a number far below its ulp is added in a rounding mode (as in RC). */
static int64_t ulps_moved(unsigned mode, bool upwards)
{
    enum { NEAREST, DOWN, UP, TO_ZERO };
    if (upwards) {
        return mode == UP ? 1 : 0;
    }
    return mode == DOWN || mode == TO_ZERO ? -1 : 0;
}

static void stretch_round(uint64_t count)
{
    uint64_t base = rng_next(&rng);
    set_modes();
    kernel.count = count;
    unsigned sse_mode = kernel.mxcsr >> 13 & 3;
    unsigned x87_mode = kernel.fcw >> 10 & 3;
    bool positive = rng_below(&rng, 2);
    double tiny = positive ? 0x1p-60 : -0x1p-60;
    for (unsigned v = 0; v < isa->vectors; v++) {
        for (unsigned lane = 0; lane < isa->lanes; lane++) {
            unsigned at = v * isa->lanes + lane;
            /* 1.25 to 1.5, odd registers of every width subtract. */
            kernel.vector[at] = UINT64_C(0x3ff4000000000000) | lane_value(base, v, lane) >> 14;
            expected[at] = kernel.vector[at] + count * (uint64_t)ulps_moved(sse_mode, (v % 2 == 0) == positive);
            if (v == isa->vectors - 1) {
                memcpy(&kernel.vector[at], &tiny, sizeof tiny);
                expected[at] = kernel.vector[at];
            }
        }
    }
    uint64_t masks[MASK_RING];
    for (unsigned i = 0; i < MASK_RING; i++) {
        kernel.mask[i] = masks[i] = mix64(base ^ i);
    }
    uint64_t mantissas[X87];
    kernel.x87[0] = positive ? 0x1p-70L : -0x1p-70L;
    for (unsigned i = 1; i < X87; i++) {
        mantissas[i] = UINT64_C(0xa000000000000000) | rng_next(&rng) >> 4;
        kernel.x87[i] = (long double)mantissas[i] * 0x1p-63L;
    }

    isa->round(&kernel);

    /* In zmm, register 15 is one that subtracts: keep it out of the digest, which every width must share. */
    uint64_t digest_before = digest;
    check_vectors("round", count);
    digest = digest_before;
    for (unsigned v = 0; v < RING - 1; v++) {
        digest = digest_word(digest, kernel.vector[v * isa->lanes]);
    }
    check_modes("round", kernel.mxcsr | 0x20);
    for (unsigned i = 0; isa->masks && i < MASK_RING; i++) {
        CHECK(kernel.mask[i] == masks[i], "round: k%u holds %016" PRIx64 ", expected %016" PRIx64, i, kernel.mask[i],
              masks[i]);
    }
    for (unsigned i = 1; i < X87; i++) {
        uint64_t moved = mantissas[i] + count * (uint64_t)ulps_moved(x87_mode, positive);
        CHECK(kernel.x87[i] == (long double)moved * 0x1p-63L, "round: st(%u) holds %.25Lf, expected mantissa %016"
              PRIx64, i, kernel.x87[i], moved);
        digest = digest_word(digest, moved);
    }
}

static void stretch_carry(uint64_t count)
{
    uint64_t limbs[2 * LIMBS], wanted[2 * LIMBS];
    unsigned __int128 carried = 0;
    for (unsigned i = 0; i < 2 * LIMBS; i++) {
        limbs[i] = wanted[i] = rng_next(&rng);
    }
    for (unsigned i = 0; i < LIMBS; i++) {
        carried += (unsigned __int128)wanted[LIMBS + i] * count + wanted[i];
        wanted[i] = (uint64_t)carried;
        carried >>= 64;
    }
    carry_chain(limbs, count);
    for (unsigned i = 0; i < 2 * LIMBS; i++) {
        CHECK(limbs[i] == wanted[i], "carry: word %u holds %016" PRIx64 ", expected %016" PRIx64, i, limbs[i],
              wanted[i]);
        digest = digest_word(digest, limbs[i]);
    }
}

static void choose_isa(const char *wish)
{
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    size_t best = avx512 ? 2 : avx2 ? 1 : 0;
    if (strcmp(wish, "auto") == 0) {
        isa = &isas[best];
        return;
    }
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        if (strcmp(wish, isas[i].name) == 0) {
            isa = &isas[i <= best ? i : best];
            return;
        }
    }
    victim_usage("no such instruction set");
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [auto|sse|avx2|avx512] [STEPS-PER-STRETCH]");
    rng.state = victim_seed();
    uint64_t steps = victim_steps();
    choose_isa(victim_word(2, "auto"));
    uint64_t longest = victim_number(3, 32, 1, 128);
    prepare_powers();

    for (uint64_t done = 0; done < steps;) {
        uint64_t length = rng_between(&rng, 1, longest);
        length = length < steps - done ? length : steps - done;
        uint64_t extra = rng_below(&rng, 1000);
        switch (rng_below(&rng, 4)) {
        case 0:
        case 1:
            stretch_mix(length * MIX_PER_STEP + extra);
            break;
        case 2:
            stretch_round(length * ROUND_PER_STEP + extra);
            break;
        default:
            stretch_carry(length * CARRY_PER_STEP + extra);
        }
        done += length;
    }
    /* The name of the instruction set is an argument, the set in use is not: it is not printed. */
    return victim_finish(digest);
}
