/* Start, printf and end of a program on a bare emulated core: QEMU's MPS2 boards (with bench_start.c), or QEMU's user mode
   for RISC-V. printf knows what self-tests print: %d, %u, %s, %02x. */
#include <stdarg.h>
#include <stdint.h>

#if defined(__arm__)
#include "bench_port.h"

int main(void);

static void put(char c)
{
    while ((BENCH_UART_STATE & 1u) != 0u) {
    }
    BENCH_UART_DATA = (uint32_t)(unsigned char)c;
}

void bench_main(void)
{
    BENCH_UART_DIVIDER = 16;
    BENCH_UART_CONTROL = 1;
    bench_exit((uint32_t)main());
}
#elif defined(__riscv)
#ifdef ESP_PLATFORM
void app_main(void);
#define main() (app_main(), 0)
#else
int main(void);
#endif

static long call(long number, long a, const void *b, long c)
{
    register long a0 __asm("a0") = a;
    register const void *a1 __asm("a1") = b;
    register long a2 __asm("a2") = c;
    register long a7 __asm("a7") = number;
    __asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

static void put(char c)
{
    call(64, 1, &c, 1); /* write to standard output */
}

void started(void);
void started(void)
{
    call(93, main(), 0, 0); /* exit */
}

__asm(".globl _start\n_start:\n    .option push\n    .option norelax\n    la gp, __global_pointer$\n    .option pop\n    call started\n");
#endif

static void put_number(unsigned int value, unsigned int base, int digits)
{
    if (value >= base || digits > 1) {
        put_number(value / base, base, digits - 1);
    }
    put("0123456789abcdef"[value % base]);
}

int printf(const char *format, ...);
int printf(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        format++;
        if (*format == 'd') {
            const int value = va_arg(list, int);
            if (value < 0) {
                put('-');
            }
            put_number(value < 0 ? 0u - (unsigned int)value : (unsigned int)value, 10, 1);
        } else if (*format == 'u') {
            put_number(va_arg(list, unsigned int), 10, 1);
        } else if (*format == 's') {
            for (const char *text = va_arg(list, const char *); *text != '\0'; text++) {
                put(*text);
            }
        } else if (*format == '0') {
            format += 2;
            put_number(va_arg(list, unsigned int), 16, 2);
        } else {
            put('?');
        }
    }
    va_end(list);
    return 0;
}

/* What compilers call for it: of puts and putchar they make simple printfs. */
int puts(const char *text);
int puts(const char *text)
{
    return printf("%s\n", text);
}

int putchar(int c);
int putchar(int c)
{
    put((char)c);
    return c;
}
