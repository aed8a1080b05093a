// Every property, one row each. The order is that of the report: what others build on comes first.
#include "sdk/check/properties.hpp"

namespace warren::check {

std::span<const property> properties() {
   constexpr uint32_t transport = only(WRN_KIND_TRANSPORT), discovery = only(WRN_KIND_DISCOVERY);
   constexpr uint32_t none = 0, hostile = any_flaw & ~(flaw_gave_up | flaw_secret);
   static const property all[] = {
         // The file, before anything of it runs.
         {"elf", "the file is a shared library for this machine", every_kind, none, 10, elf, true, true},
         {"exports", "it exports its entry symbol and nothing else", every_kind, none, 10, exports, true, true},
         {"loads", "it loads, and was built for this ABI", every_kind, none, 10, loads, true, true},
         {"entry", "entry and factory count and answer truthfully", every_kind, none, 10, entry, true},
         // What it says about itself.
         {"description", "texts, kind, needs and keys are complete", every_kind, none, 10, description, false, false, true},
         {"defaults", "each default can be read and lies in its own range", every_kind, none, 10, defaults, false, false, true},
         {"imports", "a deterministic plugin does not reach for clocks, dice, threads or sockets", every_kind, none, 10, imports, false, false, true},
         // Life.
         {"config", "every value that the host lets through is taken", every_kind, none, 30, config_values},
         {"lifecycle", "every legal order of calls works, twice", every_kind, hostile, 20, lifecycle},
         {"restart", "an instance that was stopped starts again", every_kind, none, 20, restart},
         {"instances", "several instances at once do not notice each other", every_kind, none, 20, several_instances},
         {"day", "an ordinary day goes by without fail()", every_kind, flaw_gave_up, 20, ordinary},
         {"absent_tables", "it works without the host tables that it does not need", every_kind, none, 30, absent_tables},
         {"failing_calls", "each host call may fail, in turn, and nothing is lost or stuck", every_kind,
          hostile & ~(flaw_call | flaw_thrown), 60, failing_calls},
         {"host_calls", "host functions are called at the right time, from the right thread, with sound arguments", every_kind, flaw_call, 20,
          host_calls},
         {"exceptions", "nothing unwinds into the host, and nothing needs to", every_kind, flaw_thrown, 30, exceptions},
         {"prompt", "no callback blocks or computes for long", every_kind, none, 20, prompt},
         {"threads", "no thread is left behind", every_kind, none, 20, threads},
         {"descriptors", "no file descriptor is left open", every_kind, none, 20, descriptors},
         {"quiet", "nothing is written to stdout or stderr", every_kind, none, 20, quiet},
         {"memory", "nothing is left in memory by instance after instance", every_kind, none, 30, memory},
         // Running.
         {"timers", "timers do not fire without end", every_kind, flaw_storm, 20, idle_timers},
         {"clock", "the clocks may jump", every_kind, flaw_storm, 20, clock_jumps},
         {"stale_handles", "handles of what is closed are refused or ignored", every_kind, flaw_packet, 20, stale_handles},
         {"gone", "nothing is said about links and peers that are gone", every_kind, flaw_stray, 20, gone},
         {"left_behind", "stop() leaves no timer", every_kind, flaw_handle, 20, left_behind},
         {"packets", "each packet is passed on, freed or dropped, once", every_kind, flaw_packet, 30, packet_balance},
         {"bounds", "nothing is written outside of a packet's memory", every_kind, flaw_bounds, 30, packet_bounds},
         {"secrets", "no key and no secret value gets into the log", every_kind, flaw_secret, 20, secrets},
         {"stop_under_load", "stop() in the midst of everything leaves nothing", every_kind, hostile, 30, stop_under_load},
         {"drain", "drain() and then stop() leaves nothing", every_kind, hostile, 20, drain},
         {"determinism", "two runs with one seed give one trace", every_kind, none, 30, determinism},
         {"random_calls", "a hundred thousand legal calls in any order", every_kind, hostile, 90, random_calls},
         // Transports.
         {"carries", "two instances come up and carry packets both ways, intact", transport, none, 20, carries},
         {"bad_network", "so they do with loss, reordering and duplication", transport, none, 30, bad_network},
         {"batches", "batches of 1 to 128 are carried whole", transport, none, 20, batches},
         {"path_mtu", "a narrow path does not end a link", transport, none, 20, path_mtu},
         {"writable", "a link without room becomes writable again", transport, none, 20, writable},
         {"queue", "what waits for a session is bounded", transport, none, 30, bounded_queue},
         {"overhead", "the declared overhead is true", transport, none, 20, overhead},
         {"plaintext", "packets are unreadable on the wire, or that is declared", transport, none, 20, plaintext},
         {"strangers", "an unknown key gets nothing delivered", transport, none, 20, strangers},
         {"forgery", "what was changed or repeated on the wire is not delivered", transport, none, 20, forgery},
         {"noise", "random datagrams are dropped and nothing else happens", transport, hostile, 20, noise},
         {"path", "datagrams follow set_path()", transport, none, 20, follows_path},
         {"reopen", "a link can be closed and opened again, and a key has one link", transport, none, 20, reopen},
         {"idle_link", "an idle link sends nothing", transport, none, 20, idle_link},
         {"keepalive", "keepalive_s is kept", transport, none, 20, keepalive},
         {"identity", "a new tunnel key ends the old sessions", transport, none, 20, identity_change},
         {"stats", "statistics are true and stay within the caller's size", transport, none, 20, statistics},
         // Discoveries.
         {"peers", "thousands of peers come, change and go", discovery, hostile, 30, peer_storm},
         {"offers", "what is configured is offered, and what changed is replaced", discovery, none, 20, offers},
         {"lookups", "failed look-ups are repeated, and not too often", discovery, none, 20, lookups},
         {"many_endpoints", "never more than 16 endpoints are offered", discovery, none, 20, many_endpoints},
   };
   return all;
}

} // namespace warren::check
