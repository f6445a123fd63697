/* What a Cortex-M4 begins with: the table of vectors at address 0, and memory as a C program wants it. */
#include "board.h"

extern uint32_t data_start[], data_end[], data_in_flash[], bss_start[], bss_end[], stack_start[], stack_end[];
int main(void);

void reset(void)
{
    for (uint32_t *to = data_start, *from = data_in_flash; to < data_end; ++to, ++from) *to = *from;
    for (uint32_t *to = bss_start; to < bss_end; ++to) *to = 0;
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: the floating-point unit may be used */
    leave(main());
}

static void fault(void)
{
    leave(1);
}

/* The stack's end, then reset, NMI, faults, SVCall, PendSV and SysTick. */
__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))stack_end, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault,
};
