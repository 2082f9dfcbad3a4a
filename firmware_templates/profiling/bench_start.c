/* Vectors, start-up and the end of a run, for the emulated MPS2 boards. */
#include <stdint.h>

#include "bench_port.h"

extern uint32_t bench_data_source, bench_data_start, bench_data_end, bench_bss_start, bench_bss_end;
extern uint32_t bench_stack_top;
void bench_start(void);
void bench_main(void);

/* Semihosting SYS_EXIT; the emulator's exit status is 0 for ADP_Stopped_ApplicationExit, 1 otherwise. */
void bench_exit(uint32_t failed)
{
    register uint32_t operation __asm("r0") = 0x18;
    register uint32_t reason __asm("r1") = failed ? 0x20023u : 0x20026u;
    for (;;) {
        __asm volatile("bkpt 0xab" : : "r"(operation), "r"(reason) : "memory");
    }
}

static void fault(void)
{
    bench_exit(1);
}

void bench_start(void)
{
    const uint32_t *from = &bench_data_source;
    for (uint32_t *to = &bench_data_start; to < &bench_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = &bench_bss_start; to < &bench_bss_end; to++) {
        *to = 0;
    }
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: the FPU is off after reset */
    __asm volatile("dsb\n\tisb");
#endif
    bench_main();
    bench_exit(0);
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    handler handlers[6];
} vectors = {&bench_stack_top, {bench_start, fault, fault, fault, fault, fault}};
