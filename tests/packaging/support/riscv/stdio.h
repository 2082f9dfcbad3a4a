/* Stands in for the C library's header, which the bare compiler lacks. */
int printf(const char *format, ...);
