// Which flaw a broken module has: FLAW is one of these words, given by the build. And what flaws
// are made of.
#pragma once

#include "warren/plugin.h"

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <pthread.h>
#include <stdexcept>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

namespace broken {

enum class flaw {
   none,
   // the module
   other_minor,
   other_major,
   count_lies,
   count_changes,
   desc_moves,
   any_id,
   entry_init_fails,
   no_dns_id,
   no_help,
   bad_range,
   default_outside,
   default_untyped,
   default_unquoted,
   needs_unknown,
   unknown_caps,
   second_missing,
   // exceptions, one for each function that the host calls
   throws_create,
   throws_init,
   throws_configure,
   throws_start,
   throws_drain,
   throws_stop,
   throws_destroy,
   throws_get_ext,
   throws_on_timer,
   throws_on_event,
   throws_limits,
   throws_open,
   throws_update,
   throws_close,
   throws_set_path,
   throws_connect,
   throws_room,
   throws_tx,
   throws_stats,
   throws_on_bound,
   throws_on_recv,
   throws_on_writable,
   throws_on_peer,
   throws_on_peer_gone,
   throws_on_unreachable,
   throws_on_resolved,
   caught_exception,
   gives_up,
   // life
   refuses_range,
   refuses_silently,
   wrong_type_read,
   no_restart,
   keeps_links,
   shared_state,
   needs_undeclared,
   undeclared_metric,
   // streams
   leaves_stream,
   writes_closed,
   never_resumes,
   no_udp_table,
   call_in_create,
   call_in_destroy,
   random_in_destroy,
   early_timer,
   hangs_in_stop,
   leaves_timer,
   leaks_at_stop,
   drain_forgets,
   unknown_event,
   ignores_failed_alloc,
   no_timer_no_life,
   // the process
   busy_loop,
   slow_tx,
   sleeps,
   thread,
   thread_calls,
   opens_file,
   prints,
   forgets_memory,
   forgets_instance,
   exits,
   reads_clock,
   own_bytes,
   own_jitter,
   address_jitter,
   // running
   timer_storm,
   slow_storm,
   catches_up,
   stale_crashes,
   stale_is_ok,
   leaks_on_stale,
   says_down_after_close,
   keeps_closed,
   leaks_tx,
   leaks_staged,
   freed_twice,
   used_after,
   keeps_received,
   delivers_twice,
   writes_behind,
   writes_before,
   logs_psk,
   logs_psk_hex,
   logs_shared_secret,
   logs_config_secret,
   odd_batch,
   rare_sequence,
   // transports
   never_up,
   mangles,
   no_retry,
   cuts_batches,
   drops_rest,
   room_without_end,
   never_writable,
   endless_queue,
   lies_about_overhead,
   plaintext,
   accepts_strangers,
   ignores_keys,
   no_tag_check,
   no_replay_window,
   trusts_length,
   ignores_path,
   same_key_twice,
   chatty,
   no_keepalive,
   old_identity,
   wrong_stats,
   stats_beyond,
   no_session_end,
   // discoveries
   offers_gone,
   too_many,
   no_second_try,
   hammers,
   keeps_old,
   forgets_limit,
   asks_all,
   only_names,
   // routings and services
   throws_on_neighbor,
   keeps_lost,
   never_forgets,
   no_weight,
   always_relays,
   throws_on_member,
   throws_on_request,
   never_answers,
   answers_twice,
   no_json
};

#ifndef FLAW
#define FLAW none
#endif
constexpr bool is(flaw f) { return f == flaw::FLAW; }

/// What a C++ function without a wall does to a host in C.
inline void throw_if(flaw f) {
   if (is(f)) throw std::runtime_error("nobody expects me");
}
inline void crash() { *const_cast<volatile int*>(static_cast<int*>(nullptr)) = 1; }
inline void touch_nothing() { crash(); }
inline void s_noop() {}
inline void touch_memory() {
   static volatile int x = 0;
   x = x + 1;
}
inline uint64_t& own_state() {
   static uint64_t x = 0;
   return x;
}

// Each only where it is used, since its imports would betray the others.
inline void spin() {
   for (;;)
      touch_memory();
}
inline void compute_long() {
   static int calls = 0;
   if (++calls % 100 == 50)
      for (uint64_t i = 0; i < 1'500'000'000; i++)
         touch_memory();
}
inline void sleep_a_little() {
   const timespec t{0, 10'000'000};
   static int calls = 0;
   if (++calls % 100 == 50) ::nanosleep(&t, nullptr);
}
inline void print_something() { ::write(STDOUT_FILENO, "hello\n", 6) == 6 ? void() : void(); }
inline void leave_process() { ::exit(0); }
inline void own_chance(void* at, size_t n) {
   if (::getrandom(at, n, 0) < 0) ::abort();
}
inline void open_file() {
   if (::open("/dev/null", O_RDONLY) < 0) ::abort();
}
inline void forget_memory() { *static_cast<volatile char*>(std::malloc(100)) = 1; }
inline void start_thread(const wrn_host*) {
   pthread_t t;
   ::pthread_create(
         &t, nullptr, [](void*) -> void* { return ::pause(), nullptr; }, nullptr);
}
inline void start_calling_thread(const wrn_host* host) {
   pthread_t t;
   static const wrn_host* of = nullptr;
   of = host;
   ::pthread_create(
         &t, nullptr, [](void*) -> void* { return of->wall_ns(of), nullptr; }, nullptr);
   ::pthread_join(t, nullptr);
}

} // namespace broken
