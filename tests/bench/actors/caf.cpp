// CAF's event-based actors at the jobs of tests/bench/README.md; the counterpart of cases.c.
//
// usage: bench-caf [--caf#scheduler.max-threads=N] CASE COUNT [SENDERS]
//
// Prints count, nanoseconds, bytes of resident memory that it took. Written for CAF 0.17, which is
// Debian 12's.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <unistd.h>

#include "caf/all.hpp"

namespace {

constexpr uint64_t ring_actors = 10000;
constexpr uint64_t warm_up_part = 10;
constexpr uint64_t slice = 1000; // messages of a sender in one go

using ball = caf::atom_constant<caf::atom("ball")>;
using go = caf::atom_constant<caf::atom("go")>;
using done = caf::atom_constant<caf::atom("done")>;
using over = caf::atom_constant<caf::atom("over")>;

struct player_state {
    caf::actor next;
};

caf::behavior
player(caf::stateful_actor<player_state> *self, caf::actor end)
{
    return {
        [=](go, const caf::actor &next) { self->state.next = next; },
        [=](ball, uint64_t left) {
            if (left == 0) {
                self->send(end, over::value);
            } else {
                self->send(self->state.next, ball::value, left - 1);
            }
        },
        [=](done) { // actors that know each other would keep each other
            self->state.next = nullptr;
            self->quit();
        },
    };
}

struct count_state {
    uint64_t left = 0;
};

caf::behavior
sender(caf::stateful_actor<count_state> *self, caf::actor sink, uint64_t count)
{
    self->state.left = count;
    return {
        [=](go) {
            auto &left = self->state.left;
            for (uint64_t i = 0; i < slice && left > 0; i++, left--) {
                self->send(sink, ball::value, left);
            }
            if (left > 0) {
                self->send(self, go::value);
            } else {
                self->quit();
            }
        },
    };
}

caf::behavior
sink(caf::stateful_actor<count_state> *self, caf::actor end, uint64_t count)
{
    self->state.left = count;
    return {
        [=](ball, uint64_t) {
            if (--self->state.left == 0) {
                self->send(end, over::value);
                self->quit();
            }
        },
    };
}

caf::behavior
child(caf::event_based_actor *self)
{
    return {
        [=](go, const caf::actor &parent) {
            self->send(parent, done::value);
            self->quit();
        },
    };
}

caf::behavior
parent(caf::stateful_actor<count_state> *self, caf::actor end, uint64_t count)
{
    self->state.left = count;
    return {
        [=](done) {
            if (self->state.left == 0) {
                self->send(end, over::value);
                self->quit();
                return;
            }
            self->state.left--;
            self->send(self->spawn(child), go::value, caf::actor{self});
        },
    };
}

caf::behavior
idle(caf::stateful_actor<count_state> *self, caf::actor end)
{
    return {
        [=](go, uint64_t number) { self->state.left = number; },
        [=](over) { self->send(end, over::value); },
        [=](done) { self->quit(); },
    };
}

void
wait_for_end(caf::scoped_actor &self)
{
    self->receive([](over) {});
}

void
play(caf::actor_system &system, caf::scoped_actor &self, uint64_t count, uint64_t actors)
{
    auto end = caf::actor_cast<caf::actor>(self);
    std::vector<caf::actor> players;
    for (uint64_t i = 0; i < actors; i++) {
        players.push_back(system.spawn(player, end));
    }
    for (uint64_t i = 0; i < actors; i++) {
        self->send(players[i], go::value, players[(i + 1) % actors]);
    }
    self->send(players[0], ball::value, count);
    wait_for_end(self);
    for (auto &one : players) {
        self->send(one, done::value);
    }
}

void
run(const std::string &name, caf::actor_system &system, uint64_t count, uint64_t senders)
{
    caf::scoped_actor self{system};
    auto end = caf::actor_cast<caf::actor>(self);

    if (name == "ping-pong") {
        play(system, self, count / 2 * 2, 2);
    } else if (name == "ring") {
        play(system, self, count - 1, ring_actors);
    } else if (name == "many-to-one") {
        uint64_t each = count / senders;
        auto to = system.spawn(sink, end, each * senders);
        for (uint64_t i = 0; i < senders; i++) {
            self->send(system.spawn(sender, to, each), go::value);
        }
        wait_for_end(self);
    } else if (name == "spawn") {
        self->send(system.spawn(parent, end, count), done::value);
        wait_for_end(self);
    }
}

uint64_t
resident_bytes()
{
    std::ifstream file{"/proc/self/statm"};
    uint64_t whole = 0;
    uint64_t pages = 0;
    file >> whole >> pages;
    return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

int64_t
now_ns()
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

void
report(uint64_t count, int64_t began_ns, uint64_t before_bytes)
{
    int64_t took_ns = now_ns() - began_ns;
    uint64_t after_bytes = resident_bytes();

    std::printf("%llu %lld %llu\n", static_cast<unsigned long long>(count),
                static_cast<long long>(took_ns),
                static_cast<unsigned long long>(
                    after_bytes > before_bytes ? after_bytes - before_bytes : 0));
    std::fflush(stdout);
}

// Actors that are all told one number each and then wait.
void
run_idle(caf::actor_system &system, uint64_t count)
{
    caf::scoped_actor self{system};
    auto end = caf::actor_cast<caf::actor>(self);
    std::vector<caf::actor> actors(count); // its own memory does not count
    uint64_t before_bytes = resident_bytes();
    int64_t began_ns = now_ns();

    for (uint64_t i = 0; i < count; i++) {
        actors[i] = system.spawn(idle, end);
        self->send(actors[i], go::value, i);
    }
    for (uint64_t i = 0; i < count; i += slice) { // nearly all have had theirs by then
        self->send(actors[count - 1 - i], over::value);
        wait_for_end(self);
    }
    report(count, began_ns, before_bytes);
    for (auto &one : actors) {
        self->send(one, done::value);
    }
}

void
caf_main(caf::actor_system &system)
{
    auto args = system.config().remainder;

    if (args.size() < 2) {
        std::cerr << "usage: bench-caf CASE COUNT [SENDERS]\n";
        return;
    }
    std::string name = args[0];
    uint64_t count = std::stoull(args[1]);
    uint64_t senders = args.size() > 2 ? std::stoull(args[2]) : 1;

    if (name == "idle") {
        run_idle(system, count);
        return;
    }
    run(name, system, count / warm_up_part + senders, senders);
    uint64_t before_bytes = resident_bytes();
    int64_t began_ns = now_ns();
    run(name, system, count, senders);
    report(count, began_ns, before_bytes);
}

} // namespace

CAF_MAIN()
