// poison_agent: a host with one agent that cannot take certain events, for tests of supervision.
//
// usage: poison_agent HOST URL PACK_DIR...
// The agent is named `anomaly`, so that the configuration of a daemon may name it. It fails on
// orders whose subject begins with "order/poison" and proposes to tell an operator about every
// other one.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "brain/agent/host.h"
#include "brain/pack/pack.h"
#include "runtime/base/log.h"
#include "runtime/seam/clock.h"

#define EXIT_USAGE 2
#define POISON "order/poison"

typedef struct taster {
    rt_table *seen;
} taster;

static rt_err
taster_init(br_agent *self, void *state)
{
    taster *t = state;

    return br_agent_table(self, 0, "seen", &t->seen);
}

static rt_err
on_order(br_agent *self, void *state, const rt_event *event)
{
    taster *t = state;
    rt_mpw args;
    rt_err err = RT_OK;

    // written before the failure: it must be undone with it
    rt_table_put(t->seen, rt_bytes_of_str(event->subject), (rt_bytes){(const uint8_t *)"1", 1});
    if (rt_str_starts(event->subject, RT_STR(POISON))) {
        return rt_fail(RT_EINVAL, "%.*s does not agree with me", RT_STR_ARG(event->subject));
    }
    rt_mpw_init(&args, 256);
    rt_mpw_map(&args, 1);
    rt_mpw_cstr(&args, "text");
    rt_mpw_cstr(&args, "tasted");
    err = br_propose(self, &(msg_proposal){.model = RT_STR("taster/1"),
                                           .action = RT_STR("alert_operator"),
                                           .target = event->subject,
                                           .args = rt_mpw_view(&args),
                                           .priority = 99,
                                           .confidence = 1,
                                           .propensity = 1,
                                           .reason = RT_STR("It went down well.")});
    rt_mpw_fini(&args);
    return err;
}

static const br_handler handlers[] = {{"order.created", on_order}};

static const br_agent_def taster_def = {.id = 15,
                                        .name = "anomaly",
                                        .doc = "Tastes orders.",
                                        .state_size = sizeof(taster),
                                        .init = taster_init,
                                        .handlers = handlers,
                                        .handler_count = RT_COUNT(handlers)};

static void
on_signal(void *user, int signo)
{
    (void)signo;
    rt_loop_stop(user);
}

static rt_err
load_packs(char **dirs, int count, br_pack **ret_pack)
{
    rt_diag *diag = rt_diag_new();
    rt_err err = RT_OK;

    *ret_pack = br_pack_new();
    for (int i = 0; i < count && err == RT_OK; i++) {
        err = br_pack_load_dir(*ret_pack, dirs[i], diag);
    }
    if (err == RT_OK) {
        err = br_pack_finish(*ret_pack, diag);
    }
    rt_diag_free(diag);
    return err;
}

int
main(int argc, char **argv)
{
    const br_agent_def *agents[] = {&taster_def};
    br_pack *pack = NULL;
    br_host *host = NULL;
    rt_loop *loop = rt_loop_new();
    rt_err err = RT_OK;

    if (argc < 4) {
        (void)fprintf(stderr, "usage: poison_agent HOST URL PACK_DIR...\n");
        return EXIT_USAGE;
    }
    rt_log_set_clock(rt_clock_wall_ms);
    err = load_packs(argv + 3, argc - 3, &pack);
    if (err == RT_OK) {
        br_host_config config = {
            .name = argv[1],
            .url = argv[2],
            .runner = {.agents = agents, .agent_count = 1, .catalog = br_pack_catalog(pack)}};

        err = br_host_new(loop, &config, &host);
    }
    if (err != RT_OK) {
        (void)fprintf(stderr, "poison_agent: %s: %s\n", rt_err_name(err), rt_err_detail());
        return 1;
    }
    rt_loop_on_signal(loop, SIGTERM, on_signal, loop);
    rt_loop_run(loop);
    (void)fflush(NULL);
    _exit(0); // as brain-agent: sockets are not torn down
}
