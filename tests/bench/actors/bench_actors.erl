%% Erlang's processes at the jobs of tests/bench/README.md; the counterpart of cases.c.
%% usage: erl -noshell -run bench_actors main CASE COUNT [SENDERS]
%% Prints count, nanoseconds, bytes of resident memory that it took.
-module(bench_actors).
-export([main/1]).

-define(RING_PROCESSES, 10000).
-define(WARM_UP_PART, 10).

main([Case, Count]) -> main([Case, Count, "1"]);
main([Case, CountText, SendersText]) ->
    Count = list_to_integer(CountText),
    Senders = list_to_integer(SendersText),
    Case =:= "idle" orelse run(Case, Count div ?WARM_UP_PART + Senders, Senders),
    Before = resident_bytes(),
    Began = erlang:monotonic_time(nanosecond),
    Took = run(Case, Count, Senders) - Began,
    io:format("~b ~b ~b~n", [Count, Took, max(0, resident_bytes() - Before)]),
    erlang:halt(0, [{flush, true}]).

%% Runs a case in a process of its own and answers when it was over.
run(Case, Count, Senders) ->
    Self = self(),
    spawn(fun() ->
        begin_case(Case, Count, Senders),
        Self ! {over, erlang:monotonic_time(nanosecond)}
    end),
    receive {over, At} -> At end.

begin_case("ping-pong", Count, _) ->
    Self = self(),
    Pong = spawn(fun() -> receive {go, Next} -> player(Next, Self) end end),
    Ping = spawn(fun() -> player(Pong, Self) end),
    Pong ! {go, Ping},
    Ping ! {ball, Count div 2 * 2},
    receive over -> ok end;
begin_case("ring", Count, _) ->
    Self = self(),
    First = spawn(fun() -> receive {go, Next} -> player(Next, Self) end end),
    Last = lists:foldl(fun(_, Next) -> spawn(fun() -> player(Next, Self) end) end, First,
                       lists:seq(2, ?RING_PROCESSES)),
    First ! {go, Last},
    First ! {ball, Count - 1},
    receive over -> ok end;
begin_case("many-to-one", Count, Senders) ->
    Self = self(),
    Each = Count div Senders,
    Sink = spawn(fun() -> sink(Each * Senders, Self) end),
    [spawn(fun() -> sender(Each, Sink) end) || _ <- lists:seq(1, Senders)],
    receive over -> ok end;
begin_case("spawn", Count, _) ->
    spawn_in_turn(Count);
begin_case("idle", Count, _) ->
    Self = self(),
    Idle = spawn_idle(Count, Self, none),
    Idle ! last,
    receive over -> ok end.

player(Next, Over) ->
    receive
        {ball, 0} -> Over ! over;
        {ball, Left} -> Next ! {ball, Left - 1}, player(Next, Over)
    end.

sender(0, _) -> ok;
sender(Left, Sink) -> Sink ! {item, Left}, sender(Left - 1, Sink).

sink(0, Over) -> Over ! over;
sink(Left, Over) -> receive {item, _} -> sink(Left - 1, Over) end.

spawn_in_turn(0) -> ok;
spawn_in_turn(Left) ->
    Child = spawn(fun() -> receive {go, From} -> From ! done end end),
    Child ! {go, self()},
    receive done -> spawn_in_turn(Left - 1) end.

spawn_idle(0, _, Last) -> Last;
spawn_idle(Left, Over, _) ->
    One = spawn(fun() -> idle(Over, 0) end),
    One ! {go, Left},
    spawn_idle(Left - 1, Over, One).

idle(Over, Number) ->
    receive
        {go, Next} -> idle(Over, Next);
        last -> Over ! over, idle(Over, Number)
    end.

resident_bytes() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:lexemes(Text, " \n"),
    binary_to_integer(Pages) * 4096.
