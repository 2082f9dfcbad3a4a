/* Stands in for Zephyr's header. */
int printf(const char *format, ...);
#define printk printf
