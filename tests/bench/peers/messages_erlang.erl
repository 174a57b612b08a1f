%% erl -noshell +P 2000000 +S THREADS:THREADS -run messages_erlang main GAME: the games of README.md
%% with processes. Prints nanoseconds for each unit.
-module(messages_erlang).
-export([main/1]).

-define(PLAY_NS, 500000000).
-define(PING_PONG, 200000).
-define(RING_ACTORS, 503).
-define(RING_HOPS, (1000 * ?RING_ACTORS)).
-define(PRODUCERS, 100).
-define(PRODUCTS, 5000).
-define(BIG_ACTORS, 100).
-define(BIG_PINGS, 2000).
-define(CHAIN, 100000).
-define(MILLION, 1000000).

main([Name]) ->
    {Units, Play, IsSingle} = game(Name),
    %% A process of its own: the one that evaluates -run is a child of init's.
    {Pid, Monitor} = spawn_monitor(fun() ->
        IsSingle orelse Play(),
        Start = erlang:monotonic_time(nanosecond),
        {Count, Now} = repeat(Play, IsSingle, Start, 1),
        io:format("~.2f~n", [(Now - Start) / (Count * Units)])
    end),
    receive
        {'DOWN', Monitor, process, Pid, normal} -> halt(0, [{flush, true}]);
        {'DOWN', Monitor, process, Pid, Reason} -> io:format(standard_error, "~p~n", [Reason]),
                                                   halt(1)
    end.

game("ping-pong") -> {?PING_PONG, fun() -> ring(2, ?PING_PONG) end, false};
game("ring") -> {?RING_HOPS, fun() -> ring(?RING_ACTORS, ?RING_HOPS) end, false};
game("fan-in") -> {?PRODUCERS * ?PRODUCTS, fun fan_in/0, false};
game("big") -> {2 * ?BIG_ACTORS * ?BIG_PINGS, fun big/0, false};
game("spawn") -> {?CHAIN, fun chain/0, false};
game("million") -> {?MILLION, fun million/0, true}.

repeat(Play, IsSingle, Start, Count) ->
    Play(),
    Now = erlang:monotonic_time(nanosecond),
    if
        IsSingle; Now - Start >= ?PLAY_NS -> {Count, Now};
        true -> repeat(Play, IsSingle, Start, Count + 1)
    end.

wait(0) -> ok;
wait(Count) -> receive done -> wait(Count - 1) end.

%% Ping-pong and the ring: a number counts the messages that are left.

ring(Actors, Hops) ->
    Root = self(),
    Last = spawn(fun() -> receive {next, First} -> pass(First, Root) end end),
    First = lists:foldl(fun(_, Next) -> spawn(fun() -> pass(Next, Root) end) end,
                        Last, lists:seq(2, Actors)),
    Last ! {next, First},
    First ! Hops - 1,
    wait(1),
    First ! stop.

pass(Next, Root) ->
    receive
        stop -> Next ! stop;
        0 -> Root ! done, pass(Next, Root);
        Left -> Next ! Left - 1, pass(Next, Root)
    end.

fan_in() ->
    Root = self(),
    Consumer = spawn(fun() -> consume(?PRODUCERS * ?PRODUCTS, Root) end),
    [spawn(fun() -> produce(?PRODUCTS, Consumer) end) || _ <- lists:seq(1, ?PRODUCERS)],
    wait(1).

consume(0, Root) -> Root ! done;
consume(Left, Root) -> receive _ -> consume(Left - 1, Root) end.

produce(0, _) -> ok;
produce(Left, Consumer) -> Consumer ! Left, produce(Left - 1, Consumer).

%% Big.

big() ->
    Root = self(),
    Pids = list_to_tuple([spawn(fun() -> receive {peers, All} -> chat(All, N, ?BIG_PINGS, Root) end
                                end) || N <- lists:seq(1, ?BIG_ACTORS)]),
    List = tuple_to_list(Pids),
    [Pid ! {peers, Pids} || Pid <- List],
    [Pid ! pong || Pid <- List],
    wait(?BIG_ACTORS),
    [Pid ! stop || Pid <- List].

chat(Peers, Random, Left, Root) ->
    receive
        {ping, From} -> From ! pong, chat(Peers, Random, Left, Root);
        pong when Left =:= 0 -> Root ! done, chat(Peers, Random, Left, Root);
        pong -> Next = next_random(Random),
                element(Next rem ?BIG_ACTORS + 1, Peers) ! {ping, self()},
                chat(Peers, Next, Left - 1, Root);
        stop -> ok
    end.

next_random(Random) -> Random * 48271 rem 2147483647.

%% One after the other, and all at once.

chain() ->
    Root = self(),
    spawn(fun() -> live_shortly(Root) end) ! ?CHAIN - 1,
    wait(1).

live_shortly(Root) ->
    receive
        0 -> Root ! done;
        Left -> spawn(fun() -> live_shortly(Root) end) ! Left - 1
    end.

million() ->
    Root = self(),
    Left = atomics:new(1, []),
    atomics:put(Left, 1, ?MILLION),
    Count = fun() ->
        receive _ -> ok end,
        case atomics:sub_get(Left, 1, 1) of
            0 -> Root ! done;
            _ -> ok
        end
    end,
    Pids = [spawn(Count) || _ <- lists:seq(1, ?MILLION)],
    [Pid ! go || Pid <- Pids],
    wait(1).
