/* A QEMU user-mode plugin: how many AArch64 instructions of each class the guest has executed, at the moments that
 * the guest marks.
 *
 *   cc -O2 -shared -fPIC -o count_instructions.so count_instructions.c
 *   qemu-aarch64 -plugin ./count_instructions.so,log=FILE PROGRAM
 *
 * The guest marks a moment with getppid, a system call it has no other use for. Each mark writes one line to FILE:
 * "mark", this machine's monotonic clock in nanoseconds, and the counters so far in the order of the enumeration below.
 * Marks come in pairs; between the two of a pair each clock_gettime writes such a line too, "clock": a runtime's own
 * profiler reads the clock where operators begin and end. The guest must run one thread while it is counted.
 *
 * Debian's qemu-user ships no qemu-plugin.h, so the declarations that are used stand here, as the plugin interface of
 * QEMU 5.2 to 8.2 documents them (docs/devel/tcg-plugins, version 1). Instruction encodings: Arm Architecture Reference Manual (DDI 0487),
 * section C4.1. A translated block counts as a whole when it is entered; a system call ends a block.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum plugin_op { INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t,
    uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum plugin_op, void *, uint64_t);

enum { GETPPID = 173, CLOCK_GETTIME = 113 }; /* AArch64 Linux system call numbers */
enum {
  INTEGER, BRANCH, LOAD, STORE, VECTOR, VECTOR_MULTIPLY, VECTOR_DOT, VECTOR_LOAD, VECTOR_STORE, /* instructions */
  LOAD_BYTES, STORE_BYTES, COUNTERS
};

static uint64_t counts[COUNTERS];

static unsigned bits(uint32_t word, int high, int low) { return (word >> low) & ((1u << (high - low + 1)) - 1); }

static bool is_dot(uint32_t word) {
  return (word & 0x9fe0fc00) == 0x0e809400     /* SDOT, UDOT by vector */
         || (word & 0x9fc0f400) == 0x0f80e000  /* SDOT, UDOT by element */
         || (word & 0xbfe0fc00) == 0x0e809c00  /* USDOT by vector */
         || (word & 0xbf40f400) == 0x0f00f000  /* USDOT, SUDOT by element */
         || (word & 0xdfe0f400) == 0x4e80a400; /* SMMLA, UMMLA, USMMLA */
}

static bool is_multiply(uint32_t word) {
  unsigned three_same = bits(word, 15, 11), three_different = bits(word, 15, 12);
  bool u = bits(word, 29, 29);
  if ((word & 0x9f000400) == 0x0f000000) return true; /* by element: all of them multiply */
  if ((word & 0x5f000000) == 0x1f000000) return true; /* FMADD and its kind */
  if ((word & 0xff20fc00) == 0x1e200800) return true; /* FMUL, scalar */
  if ((word & 0x9f200400) == 0x0e200400)              /* MLA, MLS, MUL, SQDMULH, SQRDMULH, FMLA, FMLS, FMUL */
    return three_same == 0x12 || three_same == 0x13 || three_same == 0x16 || (three_same == 0x19 && !u)
           || (three_same == 0x1b && u);
  if ((word & 0x9f200c00) == 0x0e200000) /* SMLAL, SQDMLAL, SMLSL, SQDMLSL, SMULL, SQDMULL, PMULL and unsigned ones */
    return three_different >= 8;
  return false;
}

/* Bytes that a load or store moves; `store` says which of the two it is. */
static unsigned access_bytes(uint32_t word, bool *store) {
  unsigned size = bits(word, 31, 30), opc = bits(word, 23, 22);
  bool vector = bits(word, 26, 26);
  *store = !bits(word, 22, 22);
  switch (bits(word, 29, 27)) {
  case 5: /* register pair */
    return 2 * (vector ? 4u << size : size == 2 ? 8 : 4);
  case 7: /* one register */
    if (!vector) *store = opc == 0;
    return vector && (opc & 2) ? 16 : 1u << size;
  case 3: /* literal, or a load-acquire with an offset */
    if (bits(word, 24, 24)) {
      *store = opc == 0;
      return 1u << size;
    }
    *store = false;
    return vector ? 4u << size : size == 1 ? 8 : 4;
  }
  if (!vector) return 1u << size; /* exclusive and ordered */
  unsigned width = bits(word, 30, 30) ? 16 : 8;
  if (!bits(word, 24, 24)) { /* LD1 to LD4 and ST1 to ST4 of whole registers */
    static const unsigned char registers[16] = {[0] = 4, [2] = 4, [4] = 3, [6] = 3, [7] = 1, [8] = 2, [10] = 2};
    return registers[bits(word, 15, 12)] * width;
  }
  unsigned elements = 1 + 2 * bits(word, 13, 13) + bits(word, 21, 21), scale = bits(word, 15, 14);
  if (scale == 3) return elements << bits(word, 11, 10);                   /* one element to all lanes */
  return elements << (scale == 2 && bits(word, 10, 10) ? 3 : scale);       /* one lane */
}

static void classify(uint32_t word, uint64_t *counted) {
  unsigned group = bits(word, 28, 25);
  if ((group & 7) == 7) {
    counted[is_dot(word) ? VECTOR_DOT : is_multiply(word) ? VECTOR_MULTIPLY : VECTOR]++;
  } else if ((group & 5) == 4) {
    bool store, vector = bits(word, 26, 26);
    unsigned moved = access_bytes(word, &store);
    counted[vector ? (store ? VECTOR_STORE : VECTOR_LOAD) : store ? STORE : LOAD]++;
    counted[store ? STORE_BYTES : LOAD_BYTES] += moved;
  } else {
    counted[(group & 14) == 10 ? BRANCH : INTEGER]++;
  }
}

static uint32_t word_of(const struct qemu_plugin_insn *instruction) {
  uint32_t word;
  memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
  return word;
}

static void on_translate(plugin_id id, struct qemu_plugin_tb *block) {
  uint64_t counted[COUNTERS] = {0};
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++)
    classify(word_of(qemu_plugin_tb_get_insn(block, i)), counted);
  for (int index = 0; index < COUNTERS; index++)
    if (counted[index])
      qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, &counts[index], counted[index]);
}

static FILE *output;
static bool between_marks;

static void write_line(const char *kind) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  fprintf(output, "%s %lld", kind, now.tv_sec * 1000000000LL + now.tv_nsec);
  for (int index = 0; index < COUNTERS; index++) fprintf(output, " %llu", (unsigned long long)counts[index]);
  fputc('\n', output);
}

static void on_syscall(plugin_id id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                       uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  if (number == CLOCK_GETTIME && between_marks) write_line("clock");
  if (number != GETPPID) return;
  between_marks = !between_marks;
  write_line("mark");
  fflush(output);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
  if (argc != 1 || strncmp(argv[0], "log=", 4) != 0 || !(output = fopen(argv[0] + 4, "w"))) {
    fprintf(stderr, "count_instructions: give it log=FILE, a file that can be written\n");
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
  qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
  return 0;
}
