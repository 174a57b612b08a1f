// messages_caf GAME THREADS: the games of README.md with event-based actors of the C++ Actor
// Framework 0.17. Prints nanoseconds for each unit.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <caf/all.hpp>

namespace {

using clock_type = std::chrono::steady_clock;
using done_atom = caf::atom_constant<caf::atom("done")>;
using next_atom = caf::atom_constant<caf::atom("next")>;
using begin_atom = caf::atom_constant<caf::atom("begin")>;
using ping_atom = caf::atom_constant<caf::atom("ping")>;
using pong_atom = caf::atom_constant<caf::atom("pong")>;

constexpr auto play_time = std::chrono::milliseconds(500);
constexpr uint64_t ping_pong_count = 200000;
constexpr uint64_t ring_actors = 503;
constexpr uint64_t ring_hops = 1000 * ring_actors;
constexpr uint64_t producers = 100;
constexpr uint64_t products = 5000;
constexpr uint64_t big_actors = 100;
constexpr uint64_t big_pings = 2000;
constexpr uint64_t chain_length = 100000;
constexpr uint64_t million = 1000000;

void wait(caf::scoped_actor& root, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        root->receive([](done_atom) {});
}

void stop_all(caf::scoped_actor& root, const std::vector<caf::actor>& actors) {
    for (const auto& actor : actors)
        root->send_exit(actor, caf::exit_reason::user_shutdown);
}

// Ping-pong and the ring: a number counts the messages that are left.

struct player_state {
    caf::actor next;
};

caf::behavior pass(caf::stateful_actor<player_state>* self, caf::actor root) {
    return {
        [=](next_atom, const caf::actor& next) { self->state.next = next; },
        [=](uint64_t left) {
            if (left > 0)
                self->send(self->state.next, left - 1);
            else
                self->send(root, done_atom::value);
        },
    };
}

void play_ring_of(caf::actor_system& system, uint64_t actors, uint64_t hops) {
    caf::scoped_actor root{system};
    std::vector<caf::actor> ring;
    for (uint64_t i = 0; i < actors; i++)
        ring.push_back(system.spawn(pass, caf::actor_cast<caf::actor>(root)));
    for (uint64_t i = 0; i < actors; i++)
        root->send(ring[i], next_atom::value, ring[(i + 1) % actors]);
    root->send(ring[0], hops - 1);
    wait(root, 1);
    stop_all(root, ring);
}

// Fan-in.

struct consumer_state {
    uint64_t left = producers * products;
};

caf::behavior consume(caf::stateful_actor<consumer_state>* self, caf::actor root) {
    return {
        [=](uint64_t) {
            if (--self->state.left > 0)
                return;
            self->send(root, done_atom::value);
            self->quit();
        },
    };
}

void produce(caf::event_based_actor* self, const caf::actor& consumer) {
    for (uint64_t i = 0; i < products; i++)
        self->send(consumer, i);
}

void play_fan_in(caf::actor_system& system) {
    caf::scoped_actor root{system};
    auto consumer = system.spawn(consume, caf::actor_cast<caf::actor>(root));
    for (uint64_t i = 0; i < producers; i++)
        system.spawn(produce, consumer);
    wait(root, 1);
}

// Big.

struct peer_state {
    std::vector<caf::actor> peers;
    uint64_t random;
    uint64_t left = big_pings;
};

void ping_somebody(caf::stateful_actor<peer_state>* self, const caf::actor& root) {
    auto& state = self->state;
    if (state.left == 0) {
        self->send(root, done_atom::value);
        return;
    }
    state.left--;
    state.random = state.random * 48271 % 2147483647;
    self->send(state.peers[state.random % big_actors], ping_atom::value);
}

caf::behavior chat(caf::stateful_actor<peer_state>* self, caf::actor root, uint64_t number) {
    self->state.random = number;
    return {
        [=](begin_atom, const std::vector<caf::actor>& peers) {
            self->state.peers = peers;
            ping_somebody(self, root);
        },
        // What a handler returns is sent to who asked.
        [=](ping_atom) { return pong_atom::value; },
        [=](pong_atom) { ping_somebody(self, root); },
    };
}

void play_big(caf::actor_system& system) {
    caf::scoped_actor root{system};
    std::vector<caf::actor> peers;
    for (uint64_t i = 0; i < big_actors; i++)
        peers.push_back(system.spawn(chat, caf::actor_cast<caf::actor>(root), i + 1));
    for (const auto& peer : peers)
        root->send(peer, begin_atom::value, peers);
    wait(root, big_actors);
    for (auto& peer : peers) // they know each other, and would not go by themselves
        root->send_exit(peer, caf::exit_reason::user_shutdown);
}

// One after the other.

caf::behavior live_shortly(caf::event_based_actor* self, caf::actor root) {
    return {
        [=](uint64_t left) {
            if (left > 0)
                self->send(self->spawn(live_shortly, root), left - 1);
            else
                self->send(root, done_atom::value);
            self->quit();
        },
    };
}

void play_spawn(caf::actor_system& system) {
    caf::scoped_actor root{system};
    root->send(system.spawn(live_shortly, caf::actor_cast<caf::actor>(root)), chain_length - 1);
    wait(root, 1);
}

// All at once.

caf::behavior count_oneself(caf::event_based_actor* self, std::atomic<uint64_t>* left,
                            caf::actor root) {
    return {
        [=](uint64_t) {
            if (left->fetch_sub(1, std::memory_order_relaxed) == 1)
                self->send(root, done_atom::value);
            self->quit();
        },
    };
}

void play_million(caf::actor_system& system) {
    caf::scoped_actor root{system};
    std::atomic<uint64_t> left{million};
    std::vector<caf::actor> actors;
    actors.reserve(million);
    for (uint64_t i = 0; i < million; i++)
        actors.push_back(system.spawn(count_oneself, &left, caf::actor_cast<caf::actor>(root)));
    for (const auto& actor : actors)
        root->send(actor, uint64_t{0});
    wait(root, 1);
}

struct game {
    uint64_t units;
    std::function<void(caf::actor_system&)> play;
    bool is_single;
};

const std::map<std::string, game> games = {
    {"ping-pong",
     {ping_pong_count, [](auto& system) { play_ring_of(system, 2, ping_pong_count); }, false}},
    {"ring", {ring_hops, [](auto& system) { play_ring_of(system, ring_actors, ring_hops); }, false}},
    {"fan-in", {producers * products, play_fan_in, false}},
    {"big", {2 * big_actors * big_pings, play_big, false}},
    {"spawn", {chain_length, play_spawn, false}},
    {"million", {million, play_million, true}},
};

} // namespace

int main(int argc, char** argv) {
    auto found = argc == 3 ? games.find(argv[1]) : games.end();
    if (found == games.end()) {
        std::fputs("usage: messages_caf GAME THREADS\n", stderr);
        return 2;
    }
    const auto& game = found->second;
    caf::actor_system_config config;
    config.set("scheduler.max-threads", static_cast<size_t>(std::strtoul(argv[2], nullptr, 10)));
    caf::actor_system system{config};
    if (!game.is_single)
        game.play(system);
    uint64_t units = 0;
    auto start = clock_type::now();
    auto now = start;
    do {
        game.play(system);
        units += game.units;
        now = clock_type::now();
    } while (!game.is_single && now - start < play_time);
    std::chrono::duration<double, std::nano> spent = now - start;
    std::printf("%.2f\n", spent.count() / static_cast<double>(units));
    std::fflush(stdout);
    return 0;
}
