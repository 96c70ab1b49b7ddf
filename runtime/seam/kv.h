// seam/kv.h: the ordered key-value store that state is saved in. Real: LMDB; simulated: a map.
//
// Layer: runtime/seam.   Threads: the owner's loop thread; commits run on the store thread.
// No LMDB type or pointer crosses this header.
#ifndef CEREBRO_RUNTIME_SEAM_KV_H
#define CEREBRO_RUNTIME_SEAM_KV_H

#include "runtime/base/arena.h"
#include "runtime/base/err.h"
#include "runtime/seam/loop.h"

#define RT_KV_KEY_MAX 256
#define RT_KV_ASIDE_MAX 3 // damaged stores that are kept

typedef struct rt_kv rt_kv;

// A consistent cut: puts and deletes that become visible together. Filled on the loop thread.
typedef struct rt_kv_batch rt_kv_batch;

// rt_kv_batch_new makes an empty batch.
rt_kv_batch *rt_kv_batch_new(void) RT_MUST_USE;
// rt_kv_batch_free releases it; NULL is fine.
void rt_kv_batch_free(rt_kv_batch *batch);
// rt_kv_batch_put adds a put (copies); key at most RT_KV_KEY_MAX bytes.
void rt_kv_batch_put(rt_kv_batch *batch, rt_bytes key, rt_bytes value);
// rt_kv_batch_del adds a delete (absent key is fine).
void rt_kv_batch_del(rt_kv_batch *batch, rt_bytes key);
// rt_kv_batch_count is the number of operations.
size_t rt_kv_batch_count(const rt_kv_batch *batch);

// rt_kv_open opens or creates the store in directory `dir` (mode 0700, files 0600), after it has
// checked everything that the store steers by, so that damage is an error and never a crash. What
// stands in keys and values is for the caller to check.
//   units     map_bytes: hard size of the store; writes beyond it fail with RT_ENOSPC
//   errors    RT_ECORRUPT damaged (file and place in the detail): rt_kv_set_aside · RT_ELOCKED ·
//             RT_EIO · RT_EVERSION
rt_err rt_kv_open(const char *dir, uint64_t map_bytes, rt_kv **ret_kv) RT_MUST_USE;
// rt_kv_is_new tells whether there was no store before this one was opened.
bool rt_kv_is_new(const rt_kv *kv);
// rt_kv_set_aside moves a damaged store that is not open out of the way, so that rt_kv_open makes a
// new one; the last RT_KV_ASIDE_MAX are kept. `ret_path` (with `cap` bytes) is its new name.
//   errors    RT_ENOTFOUND · RT_ELOCKED · RT_EIO
rt_err rt_kv_set_aside(const char *dir, char *ret_path, size_t cap) RT_MUST_USE;
// rt_kv_aside_count is the number of stores set aside in `dir`.
unsigned rt_kv_aside_count(const char *dir);
// rt_kv_open_readonly opens for inspection beside a running owner or on a stopped one.
rt_err rt_kv_open_readonly(const char *dir, rt_kv **ret_kv) RT_MUST_USE;
// rt_kv_close waits for a running commit, makes the call that one owes, then closes. The loop of
// that commit must still be there. Never open a store twice in one process (LMDB's locks).
void rt_kv_close(rt_kv *kv);
// rt_kv_get copies a value into the arena.   errors    RT_ENOTFOUND RT_EIO RT_ENOMEM
rt_err rt_kv_get(rt_kv *kv, rt_bytes key, rt_arena *arena, rt_bytes *ret_value) RT_MUST_USE;
// rt_kv_scan visits all pairs whose key begins with `prefix`, in key order, until the callback
// returns an error other than RT_OK (RT_EEND stops without an error). Views last for the call.
rt_err rt_kv_scan(rt_kv *kv, rt_bytes prefix,
                  rt_err (*on_pair)(void *user, rt_bytes key, rt_bytes value),
                  void *user) RT_MUST_USE;
// rt_kv_commit applies a batch in one durable transaction and waits for it. One that was started
// is applied before.
//   owns      borrows `batch`
rt_err rt_kv_commit(rt_kv *kv, const rt_kv_batch *batch) RT_MUST_USE;
// rt_kv_commit_start hands a batch to the store thread; `on_done` is called on `loop` afterwards,
// exactly once, in rt_kv_close at the latest. Only one such commit may be under way.
//   owns      takes `batch`
void rt_kv_commit_start(rt_kv *kv, rt_kv_batch *batch, rt_loop *loop,
                        void (*on_done)(void *user, rt_err err), void *user);
// rt_kv_used_bytes is the space in use.
uint64_t rt_kv_used_bytes(rt_kv *kv);

#endif
