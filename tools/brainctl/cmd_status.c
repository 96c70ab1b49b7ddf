// brainctl status: the first look. Exit code 0 healthy, 1 degraded, 7 unreachable.
#include <stdio.h>

#include "runtime/base/text.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/output.h"

static void
label(ctl_run *run, const char *name)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "  %-11s", name);
    ctl_styled(&run->out, run->color, CTL_DIM, rt_str_of(text));
}

static void
count(ctl_run *run, uint64_t value, const char *what)
{
    ctl_count(&run->out, value);
    ctl_say(run, " %s   ", what);
}

static void
rate(ctl_run *run, double value, const char *what)
{
    if (value >= 100) {
        ctl_count(&run->out, (uint64_t)value);
    } else {
        ctl_number(&run->out, value);
    }
    ctl_say(run, "/s %s   ", what);
}

static void
quantiles(ctl_run *run, rt_bytes s, const char *what, const char *p50, const char *p99)
{
    ctl_say(run, "%sp50 ", what);
    ctl_us(&run->out, ctl_f64(s, p50));
    ctl_say(run, "  p99 ");
    ctl_us(&run->out, ctl_f64(s, p99));
    ctl_say(run, "   ");
}

static void
write_head(ctl_run *run, rt_bytes s, bool healthy)
{
    char uptime[64];
    rt_str health = ctl_str(s, "health");
    ctl_style style = healthy ? CTL_GREEN : CTL_RED;
    ctl_styled(&run->out, run->color, style, RT_STR("\xe2\x97\x8f"));
    ctl_styled(&run->out, run->color, CTL_BOLD, RT_STR(" brain  "));
    ctl_put(run, style, health);
    ctl_say(run, "   %.*s   up %s   ", RT_STR_ARG(ctl_str(s, "build")),
            rt_format_duration(ctl_i64(s, "uptime_ms"), uptime, sizeof(uptime)));
    ctl_put(run, CTL_PLAIN, ctl_str(s, "data_dir"));
    ctl_say(run, "\n");
}

static void
write_work(ctl_run *run, rt_bytes s)
{
    label(run, "events");
    rate(run, ctl_f64(s, "rates.events"), "in");
    count(run, ctl_u64(s, "totals.events"), "in all");
    // the journal keeps only so many a second; the rest is counted since the start
    count(run, ctl_u64(s, "totals.rejects") + ctl_u64(s, "metrics.rejects_unrecorded"), "refused");
    count(run, ctl_u64(s, "waiting.undecided") + ctl_u64(s, "waiting.messages"), "waiting");
    ctl_end_line(run);
    label(run, "decisions");
    rate(run, ctl_f64(s, "rates.decisions"), "made");
    quantiles(run, s, "", "metrics.decide_us.p50", "metrics.decide_us.p99");
    count(run, ctl_u64(s, "totals.conflicts"), "in conflict");
    count(run, ctl_u64(s, "totals.refusals"), "refused by limits");
    ctl_end_line(run);
    label(run, "actions");
    rate(run, ctl_f64(s, "rates.actions"), "done");
    count(run, ctl_u64(s, "totals.actions"), "in all");
    count(run, ctl_u64(s, "waiting.actions"), "in flight");
    count(run, ctl_u64(s, "metrics.actions_failed"), "failed since start");
    count(run, ctl_u64(s, "waiting.dead_letters"), "dead letters");
    ctl_end_line(run);
    label(run, "agents");
    ctl_say(run, "%llu on %llu of %llu hosts   ", (unsigned long long)ctl_u64(s, "agents.agents"),
            (unsigned long long)ctl_u64(s, "agents.hosts_live"),
            (unsigned long long)ctl_u64(s, "agents.hosts"));
    count(run, ctl_u64(s, "agents.restarts"), "restarts");
    count(run, ctl_u64(s, "metrics.decisions_missing_agent"), "decisions without one");
    ctl_end_line(run);
}

static void
write_tenants(ctl_run *run, rt_bytes s)
{
    ctl_list tenants = ctl_items(ctl_raw(s, "tenants"));
    rt_bytes name;
    label(run, "tenants");
    for (bool first = true; ctl_next_item(&tenants, &name); first = false) {
        ctl_say(run, first ? "" : ", ");
        ctl_put(run, CTL_PLAIN, ctl_text(name));
    }
    ctl_say(run, "\n");
}

static void
write_storage(ctl_run *run, rt_bytes s)
{
    label(run, "playbooks");
    ctl_say(run, "v%llu   ", (unsigned long long)ctl_u64(s, "playbooks.version"));
    count(run, ctl_u64(s, "playbooks.count"), "in the set");
    ctl_end_line(run);
    label(run, "journal");
    ctl_say(run, "records ");
    ctl_count(&run->out, ctl_u64(s, "journal.first_seq"));
    ctl_say(run, " to ");
    ctl_count(&run->out, ctl_u64(s, "journal.last_seq"));
    ctl_say(run, "   ");
    ctl_bytes(&run->out, ctl_u64(s, "journal.bytes"));
    ctl_say(run, " of ");
    ctl_bytes(&run->out, ctl_u64(s, "journal.max_bytes"));
    quantiles(run, s, "   commit ", "metrics.commit_us.p50", "metrics.commit_us.p99");
    ctl_say(run, "%s", ctl_bool(s, "journal.sync") ? "" : "NOT SYNCED");
    ctl_end_line(run);
    label(run, "state");
    ctl_bytes(&run->out, ctl_u64(s, "store.bytes"));
    ctl_say(run, "   saved up to ");
    ctl_count(&run->out, ctl_u64(s, "store.saved_seq"));
    ctl_say(run, "   ");
    count(run, ctl_u64(s, "store.subjects"), "subjects");
    count(run, ctl_u64(s, "waiting.timers"), "timers");
    ctl_end_line(run);
    label(run, "clock");
    ctl_time(&run->out, ctl_i64(s, "clock_ms"));
    ctl_say(run, " UTC   %s\n",
            rt_str_is(ctl_str(s, "clock"), "events") ? "driven by events" : "wall clock");
    write_tenants(run, s);
}

static void
write_doors(ctl_run *run, rt_bytes s)
{
    ctl_list doors = ctl_pairs(ctl_raw(s, "doors"));
    rt_str name;
    rt_bytes door;
    label(run, "doors");
    for (bool first = true; ctl_next_pair(&doors, &name, &door); first = false) {
        ctl_say(run, "%s%.*s ", first ? "" : "   ", RT_STR_ARG(name));
        ctl_put(run, CTL_PLAIN, ctl_str(door, "url"));
        // why each was: -o json
        uint64_t away = ctl_u64(door, "refused") + ctl_u64(door, "handshakes_failed") +
                        ctl_u64(door, "oversize") + ctl_u64(door, "malformed") +
                        ctl_u64(door, "slow");
        ctl_say(run, " (%llu", (unsigned long long)ctl_u64(door, "connections"));
        if (away > 0) {
            ctl_say(run, ", %llu turned away", (unsigned long long)away);
        }
        ctl_say(run, ")");
    }
    ctl_say(run, "\n");
}

static void
write_problems(ctl_run *run, rt_bytes s)
{
    ctl_list problems = ctl_items(ctl_raw(s, "problems"));
    rt_bytes problem;
    while (ctl_next_item(&problems, &problem)) {
        bool error = rt_str_is(ctl_str(problem, "level"), "error");
        rt_str see = ctl_str(problem, "see");
        ctl_put(run, error ? CTL_RED : CTL_YELLOW,
                error ? RT_STR("\xe2\x9c\x98 ") : RT_STR("\xe2\x9a\xa0 "));
        ctl_put(run, CTL_PLAIN, ctl_str(problem, "text"));
        if (see.len > 0) {
            ctl_say(run, "   \xe2\x86\x92 ");
            ctl_put(run, CTL_CYAN, see);
        }
        ctl_say(run, "\n");
    }
}

int
ctl_cmd_status(ctl_run *run)
{
    rt_bytes s;
    int code = ctl_call(run, "status", NULL, NULL, NULL, &s);
    if (code != CTL_OK) {
        return code;
    }
    bool healthy = rt_str_is(ctl_str(s, "health"), "healthy");
    if (ctl_is_json(run)) {
        ctl_put_json(run, s);
    } else {
        write_head(run, s, healthy);
        write_work(run, s);
        write_storage(run, s);
        write_doors(run, s);
        write_problems(run, s);
    }
    return healthy ? CTL_OK : CTL_NO;
}
