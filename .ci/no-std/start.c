/* The whole of a machine without an operating system's library: an entry point and the memory
   functions that compilers call. The program ends with what the proof returns. */
#include <stddef.h>

int lwm2m_no_std_proof(void);

void *memcpy(void *to, const void *from, size_t length) {
    char *t = to;
    const char *f = from;
    while (length--) *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t length) {
    char *t = to;
    const char *f = from;
    if (t <= f) return memcpy(to, from, length);
    while (length--) t[length] = f[length];
    return to;
}

void *memset(void *to, int byte, size_t length) {
    char *t = to;
    while (length--) *t++ = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t length) {
    const unsigned char *x = a, *y = b;
    for (; length--; x++, y++)
        if (*x != *y) return *x - *y;
    return 0;
}

int bcmp(const void *a, const void *b, size_t length) { return memcmp(a, b, length); }

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length]) length++;
    return length;
}

void leave(int code) {
#if defined(__x86_64__)
    __asm__ volatile("syscall" : : "a"(60), "D"(code) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = 93;
    register long x0 __asm__("x0") = code;
    __asm__ volatile("svc 0" : : "r"(x8), "r"(x0) : "memory");
#endif
    for (;;) {}
}

__attribute__((force_align_arg_pointer)) void _start(void) { leave(lwm2m_no_std_proof()); }
