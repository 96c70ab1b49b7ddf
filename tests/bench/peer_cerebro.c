#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "tests/bench/case.h"
#include "tests/bench/peer.h"

rt_err
peer_cerebro(const peer_config *config, peer_result *ret_result)
{
    size_t count;
    const bench_case *flood = case_list(&count); // the first is flood-64
    case_outcome outcome = {.result = rt_new(run_result)};
    rt_err err = case_run(flood, &config->braind, config->seconds, config->events, &outcome);
    const run_result *result = outcome.result;
    if (err == RT_OK && (result->refused > 0 || result->missing > 0 || result->events == 0)) {
        err = rt_fail(RT_ECORRUPT, "%llu events refused, %llu decided without all agents",
                      (unsigned long long)result->refused, (unsigned long long)result->missing);
    }
    if (err == RT_OK) {
        *ret_result = (peer_result){
            .events = result->events,
            .per_s = outcome.per_s,
            .p50_us = histogram_quantile(&result->decision_us, .5),
            .p99_us = histogram_quantile(&result->decision_us, .99),
            .cpu_us_per_event = (double)result->cpu_us / (double)result->events};
    }
    rt_free(outcome.result);
    return err;
}
