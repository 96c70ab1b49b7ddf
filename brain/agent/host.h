// brain/agent/host.h: a host runs agents on a loop and speaks with the brain over one link.
//
// Layer: brain/agent.   Threads: the host's loop thread.
// The same host runs inside braind on the agents' thread (inproc://) or as the program brain-agent
// (tcp://): only the address differs. Life of a link:
//   host → hello (who, applied_seq, agents, answers the brain may have lost)
//   brain → records … (first the tail of the journal after applied_seq, then live batches)
//   host → answers after each batch, with upto_seq
// When the link comes up again the host sends hello anew and the brain re-feeds from applied_seq,
// so nothing depends on a message having arrived; what was applied and is not known to be durable
// is forgotten when the link breaks, for the brain may come back without it. State is saved in cuts
// together with the answers the brain has not confirmed (above decided_seq), which hello repeats.
//
// A message of the link is one bare rt_msg: hello and answers from the host, records from the
// brain. A brain that refuses a hello sends one msgpack string instead, the reason, which the host
// logs. Each records message is answered by one answers message with the same upto_seq; what an
// agent that was behind says later, and health when nothing else is said, comes in further ones
// that repeat the last upto_seq. An empty records message up to applied, without committed_seq,
// asks for state_hash.
#ifndef CEREBRO_BRAIN_AGENT_HOST_H
#define CEREBRO_BRAIN_AGENT_HOST_H

#include "brain/agent/runner.h"
#include "runtime/seam/net.h"

typedef struct br_host br_host;

typedef struct br_host_config {
    const char *name; // as in agents.yaml
    const char *url;  // address to dial; NULL = no link, only br_host_feed
    br_runner_config runner; // its `store` is made by the host from `dir`
    const char *dir;         // directory of the host's own store; NULL = memory only
    uint64_t map_bytes;
    uint64_t journal_first_seq; // the brain's oldest record; 0 = the brain will say
    int64_t cut_every_ms;    // more than 0 with a dir
    int64_t health_every_ms; // how often it tells of its agents at least; 0: every second
    // The host stopped by itself (RT_ENOMEM), saved nothing since and says nothing more; it wants
    // to be made anew, best in a new process. May be NULL.
    void (*on_failed)(void *user, rt_err err);
    void *failed_user;
} br_host_config;

// br_host_new opens the store, starts the agents and dials. A damaged store is set aside and begun
// anew: the brain feeds it from its first record on.
//   errors    as br_runner_new and rt_kv_open; RT_ECORRUPT the state is damaged and the journal no
//             longer begins with record 1
rt_err br_host_new(rt_loop *loop, const br_host_config *config, br_host **ret_host) RT_MUST_USE;
// br_host_stop saves a last cut and stops taking records.
//   errors    RT_ENOSPC RT_EIO the cut failed: the state is that of the cut before
rt_err br_host_stop(br_host *host) RT_MUST_USE;
// br_host_free releases it on the loop's thread; without br_host_stop before, what is in no cut is
// lost, as when the process is killed. The link stays with the loop, which must not run any more.
void br_host_free(br_host *host);
// br_host_feed gives a host without a link the next record of the journal.
//   errors    RT_EPROTO the record cannot be decoded (state unchanged)
rt_err br_host_feed(br_host *host, const rt_record *record) RT_MUST_USE;
// br_host_hash is the hash of the agents' state (excludes link bookkeeping).
uint64_t br_host_hash(const br_host *host);
// br_host_is_behind tells whether an agent has yet to take a record that it was given, or one that
// it gave up is not known to be a dead letter.
bool br_host_is_behind(const br_host *host);
// br_host_applied is the seq its state reflects.
uint64_t br_host_applied(const br_host *host);

#endif
