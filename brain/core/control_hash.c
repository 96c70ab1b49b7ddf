// Design notes.
// sync.hash compares two folds of the same journal: a live brain and a replay, or two replicas. The
// brain's own hash is taken at once; a host gives its hash when it is sent an empty batch at the
// very place where it stands. Hosts that do not answer in time are reported without one.
#include "brain/core/control.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/seam/clock.h"

#define PATIENCE_US 2000000
#define STORE_BYTES_MAX (256u * 1024 * 1024) // hashing more would hold up the loop for long

struct br_hashing {
    rt_ctl_call *call;
    uint64_t hash;
    uint64_t applied_seq;
    uint64_t waiting; // bit per host
    int64_t until_us;
    br_hashing *next;
};

// A host can be asked when it stands at the end of what it was sent.
static bool
ping(br_host_link *host)
{
    br_brain *brain = host->brain;
    if (!host->up || !host->live || host->batch_count > 0 || host->awaiting > host->answered) {
        return false;
    }
    msg_records empty = {.upto_seq = host->fed, .decided_seq = brain->decided_seq};
    rt_mpw_clear(&brain->message);
    rt_msg_encode(&msg_records_def, &empty, &brain->message);
    host->state_hash = 0;
    return rt_link_send(host->link, rt_mpw_view(&brain->message)) == RT_OK;
}

static void
write_host(const br_host_link *host, rt_mpw *w)
{
    char hash[32];
    br_map map = br__map_begin(w);
    br__map_cstr(&map, "host", host->name);
    if (host->state_hash != 0) {
        snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)host->state_hash);
        br__map_cstr(&map, "hash", hash);
        br__map_u64(&map, "applied_seq", host->state_hash_seq);
    } else {
        br__map_cstr(&map, "error", host->up ? "did not answer: it is busy" : "down");
    }
    br__map_end(&map);
}

static void
answer(br_control *control, const br_hashing *hashing)
{
    char hash[32];
    const br_brain *brain = control->brain;
    br_ask ask = {.brain = control->brain, .control = control, .call = hashing->call};
    br_map map = br__answer_begin(&ask);
    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)hashing->hash);
    br__map_cstr(&map, "hash", hash);
    br__map_u64(&map, "applied_seq", hashing->applied_seq);
    rt_mpw_array(br__map_key(&map, "hosts"), brain->host_count);
    for (unsigned h = 0; h < brain->host_count; h++) {
        write_host(&brain->hosts[h], map.w);
    }
    br__answer_end(&ask, &map);
}

void
br__hashings_poll(br_control *control)
{
    for (br_hashing **at = &control->hashings; *at != NULL;) {
        br_hashing *hashing = *at;
        for (unsigned h = 0; h < control->brain->host_count; h++) {
            if (control->brain->hosts[h].state_hash != 0) {
                hashing->waiting &= ~(1ull << h);
            }
        }
        if (hashing->waiting != 0 && rt_clock_mono_us() < hashing->until_us) {
            at = &hashing->next;
            continue;
        }
        *at = hashing->next;
        answer(control, hashing);
        rt_free(hashing);
    }
}

void
br__ask_hash(const br_ask *ask)
{
    br_brain *brain = ask->brain;
    size_t bytes = rt_store_bytes(brain->store);
    if (bytes > STORE_BYTES_MAX && !br__arg_bool(ask, "force")) {
        br__refuse(ask->control, ask->call, RT_EBUSY, "add --yes to do it all the same",
                   "hashing %zu MiB would hold up decisions", bytes >> 20);
        return;
    }
    br_hashing *hashing = rt_new(br_hashing);
    hashing->call = ask->call;
    hashing->until_us = rt_clock_mono_us() + PATIENCE_US;
    hashing->hash = br_state_hash(brain->state);
    hashing->applied_seq = brain->state->applied_seq;
    for (unsigned h = 0; h < brain->host_count; h++) {
        brain->hosts[h].state_hash = 0;
        if (ping(&brain->hosts[h])) {
            hashing->waiting |= 1ull << h;
        }
    }
    hashing->next = ask->control->hashings;
    ask->control->hashings = hashing;
}

void
br__hashings_free(br_control *control)
{
    while (control->hashings != NULL) {
        br_hashing *hashing = control->hashings;
        control->hashings = hashing->next;
        br__refuse(control, hashing->call, RT_ECLOSED, NULL, "the brain is stopping");
        rt_free(hashing);
    }
}
