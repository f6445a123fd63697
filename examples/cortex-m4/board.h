/* Input and output by semihosting, which emulators and debug probes answer, and a clock that counts.
 * Semihosting: Arm's "Semihosting for AArch32 and AArch64"; SysTick: Armv7-M Architecture Reference Manual, B3.3. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

enum { OPEN = 0x01, WRITE_TEXT = 0x04, WRITE = 0x05, READ = 0x06, EXIT = 0x20 };
enum { TO_READ = 1, TO_WRITE = 5 }; /* modes of OPEN: "rb" and "wb" */

static inline int semihosting(int operation, const void *parameters)
{
    register int result __asm__("r0") = operation;
    register const void *given __asm__("r1") = parameters;
    __asm__ volatile("bkpt 0xAB" : "+r"(result) : "r"(given) : "memory");
    return result;
}

/* A file of the host; -1 if it cannot be opened. */
static inline int open_file(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t block[] = {(uint32_t)name, mode, length};
    return semihosting(OPEN, block);
}

/* 0 if all bytes were read; so is it for written ones. */
static inline int read_file(int file, void *bytes, uint32_t count)
{
    const uint32_t block[] = {(uint32_t)file, (uint32_t)bytes, count};
    return semihosting(READ, block);
}

static inline int write_file(int file, const void *bytes, uint32_t count)
{
    const uint32_t block[] = {(uint32_t)file, (uint32_t)bytes, count};
    return semihosting(WRITE, block);
}

static inline void print(const char *text)
{
    semihosting(WRITE_TEXT, text);
}

static inline void leave(int status)
{
    const uint32_t block[] = {0x20026 /* ADP_Stopped_ApplicationExit */, (uint32_t)status};
    semihosting(EXIT, block);
    for (;;) {
    }
}

/* SysTick counts 24 bits down by the processor's clock. */
static volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010;

static inline void start_clock(void)
{
    systick[1] = 0xFFFFFF;
    systick[2] = 0;
    systick[0] = 5;
}

static inline uint32_t ticks(void)
{
    return 0xFFFFFF - systick[2];
}

#endif
