// fuzz/fuzz.h: what the fuzz targets share: their entry, reading of inputs, packs, comparisons.
//
// Layer: tests (links brain and the simulated seams).   Threads: one.
// A target is one file x_fuzz.c with LLVMFuzzerTestOneInput and, where something is made once,
// LLVMFuzzerInitialize. It is linked with libFuzzer (build option `fuzz`) or with replay.c. What
// must hold is an RT_ASSERT. An execution leaves nothing behind: same input, same run.
#ifndef CEREBRO_TESTS_FUZZ_FUZZ_H
#define CEREBRO_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "brain/pack/pack.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// LLVMFuzzerTestOneInput runs one input; always 0.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
// LLVMFuzzerInitialize makes what all executions share; always 0.
int LLVMFuzzerInitialize(int *argc, char ***argv);

// What is left of an input that is read piece by piece; at its end there are zeros.
typedef struct fuzz_in {
    const uint8_t *at;
    size_t left;
} fuzz_in;

// fuzz_u8, fuzz_u16, fuzz_u32, fuzz_u64 take a number (big-endian).
uint8_t fuzz_u8(fuzz_in *in);
uint16_t fuzz_u16(fuzz_in *in);
uint32_t fuzz_u32(fuzz_in *in);
uint64_t fuzz_u64(fuzz_in *in);
// fuzz_take takes up to `len` bytes.
rt_bytes fuzz_take(fuzz_in *in, size_t len);
// fuzz_rest takes all that is left.
rt_bytes fuzz_rest(fuzz_in *in);
// fuzz_until takes what stands before the next `mark`, and passes over the mark; false at the end.
bool fuzz_until(fuzz_in *in, rt_str mark, rt_str *ret_text);

// fuzz_begin keeps log lines off stderr (they are formatted all the same), and memory with the
// process: what one execution frees, the next one takes.
void fuzz_begin(void);
// fuzz_file reads a file of the source tree, for good.
rt_str fuzz_file(const char *path);
// fuzz_pack is the real pack: core and logistics, made once.
const br_pack *fuzz_pack(void);
// fuzz_catalog is its catalogue.
const rt_catalog *fuzz_catalog(void);
// fuzz_diag_sound renders all findings in each form and checks that the forms are well-formed.
void fuzz_diag_sound(const rt_diag *diag);
// fuzz_same_value compares two values; not-a-number equals itself.
bool fuzz_same_value(rt_value a, rt_value b);

#endif
