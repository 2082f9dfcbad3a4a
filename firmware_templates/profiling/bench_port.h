/* The few registers of the emulated MPS2 boards that a measurement needs. */
#ifndef BENCH_PORT_H
#define BENCH_PORT_H

#include <stdint.h>

/* CMSDK APB timer 0, which counts down. */
#define BENCH_TIMER_CONTROL (*(volatile uint32_t *)0x40000000u)
#define BENCH_TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define BENCH_TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)

/* CMSDK APB UART 0. */
#define BENCH_UART_DATA (*(volatile uint32_t *)0x40004000u)
#define BENCH_UART_STATE (*(volatile uint32_t *)0x40004004u)
#define BENCH_UART_CONTROL (*(volatile uint32_t *)0x40004008u)
#define BENCH_UART_DIVIDER (*(volatile uint32_t *)0x40004010u)

/* Windows are loaded here before the start: a header, then samples. */
#define BENCH_INPUT ((const uint32_t *)0x21000000u)
#define BENCH_INPUT_MAGIC 0x4D434B42u
#define BENCH_INPUT_WORDS 4

void bench_exit(uint32_t failed);

#endif
