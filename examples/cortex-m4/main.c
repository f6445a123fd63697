/* Recognises the digits of images.bin, 784 bytes each of pixel - 128, and writes the ten logits of each to answers.bin. */
#include "board.h"
#include "model.h"

#define IMAGES "images.bin"
#define ANSWERS "answers.bin"
#define MARK 0x5AFE57AC

extern uint32_t stack_start[], stack_end[];

static int8_t image[MNIST_TINY_INPUT_IMAGE_SIZE], logits[MNIST_TINY_OUTPUT_LOGITS_SIZE];

static void print_number(const char *before, uint32_t value)
{
    char text[11], *digit = text + 10;
    *digit = 0;
    do *--digit = (char)('0' + value % 10);
    while (value /= 10);
    print(before);
    print(digit);
}

/* What is below the stack pointer becomes MARK, so that what was used can be seen later. */
static __attribute__((noinline)) void mark_stack(void)
{
    const uint32_t *const used = __builtin_frame_address(0);
    for (volatile uint32_t *word = stack_start; word < used - 16; ++word) *word = MARK;
}

static uint32_t used_stack(void)
{
    const uint32_t *word = stack_start;
    while (*word == MARK) ++word;
    return (uint32_t)(stack_end - word) * 4;
}

int main(void)
{
    uint32_t count = 0, taken = 0;
    const int images = open_file(IMAGES, sizeof IMAGES - 1, TO_READ);
    const int answers = open_file(ANSWERS, sizeof ANSWERS - 1, TO_WRITE);
    if (images < 0 || answers < 0) {
        print(IMAGES " or " ANSWERS " cannot be opened\n");
        return 1;
    }
    mark_stack();
    if (mnist_tiny_self_test(image, logits) != 0) {
        print("the self-test fails\n");
        return 1;
    }
    for (; read_file(images, image, sizeof image) == 0; ++count) {
        start_clock();
        mnist_tiny_run(image, logits);
        taken += ticks();
        if (write_file(answers, logits, sizeof logits) != 0) {
            print(ANSWERS " cannot be written\n");
            return 1;
        }
    }
    print_number("images ", count);
    print_number(", ticks ", taken);
    print_number(", stack ", used_stack());
    print("\n");
    return 0;
}
