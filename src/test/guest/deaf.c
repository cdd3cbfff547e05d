// SPDX-License-Identifier: Apache-2.0
//
// Hangs the machine: on each processor a thread that nothing precedes switches the local interrupt controller off, which
// /dev/mem shows to whoever runs on that processor, and then turns in a circle. No timer, device or other processor gets
// through to it any more. Where the controller cannot be reached that way, the circle alone keeps all other programs
// from running, but the kernel still answers interrupts.
//
// Needs the kernel's iomem=relaxed.
//
// usage: deaf
#include "victim.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

enum {
    APIC_BASE = 0xfee00000,
    APIC_SPURIOUS_WORD = 0xf0 / 4,
    APIC_ENABLED = 0x100,
};

static pthread_barrier_t together;
static volatile uint32_t *apic;

static void *hang(void *cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    NEED(pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0, "affinity");
    struct sched_param first = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
    pthread_barrier_wait(&together);
    NEED(pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) == 0, "priority");
    if (apic) {
        apic[APIC_SPURIOUS_WORD] &= ~(uint32_t)APIC_ENABLED;
    }
    for (;;) {
        __asm__ volatile("pause");
    }
    return NULL;
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "");
    // By default the kernel keeps a twentieth of the time for others.
    int throttle = open("/proc/sys/kernel/sched_rt_runtime_us", O_WRONLY);
    NEED(throttle >= 0 && write(throttle, "-1", 2) == 2, "sched_rt_runtime_us");
    int memory = open("/dev/mem", O_RDWR | O_SYNC);
    if (memory >= 0) {
        void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, APIC_BASE);
        apic = page == MAP_FAILED ? NULL : page;
    }
    NEED(mlockall(MCL_CURRENT | MCL_FUTURE) == 0, "mlockall");
    size_t cpus = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    pthread_barrier_init(&together, NULL, (unsigned)cpus);
    for (size_t cpu = 1; cpu < cpus; cpu++) {
        pthread_t thread;
        NEED(pthread_create(&thread, NULL, hang, (void *)cpu) == 0, "thread");
    }
    hang((void *)0);
}
