#include "core/app/membership.hpp"

#include "core/app/commands.hpp"
#include "core/base/encode.hpp"
#include "core/crypto/key_file.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <deque>
#include <fstream>
#include <unistd.h>

namespace warren::app {

namespace fs = std::filesystem;
namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

constexpr uint64_t state_bytes_max = 512u << 20;
constexpr uintmax_t audit_bytes_max = 4u << 20; // then the file begins anew, one former is kept
constexpr uint64_t notes_max = 50, notes_per_s = 5;
constexpr uint64_t busy_ms = 20, idle_ms = 1000, endpoints_ms = 10'000;

std::string utc_now() {
   const std::time_t now = std::time(nullptr);
   std::tm parts{};
   ::gmtime_r(&now, &parts);
   char text[32];
   std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
   return text;
}

} // namespace

membership::membership(boost::asio::io_context& context, fs::path folder, fs::path keys, hooks with)
    : context_(context), folder_(std::move(folder)), keys_(std::move(keys)),
      hooks_(std::move(with)), timer_(context) {}

membership::~membership() {
   if (party_) party_->store();
}

base::result<void> membership::load_keys() {
   auto loaded = trust::load(keys_);
   if (!loaded) return loaded.error();
   identity_ = std::make_shared<const trust::identity>(std::move(*loaded));
   return {};
}

base::result<void> membership::open() {
   if (auto ok = load_keys(); !ok) return ok;
   std::error_code ec;
   if (!fs::exists(state_file(), ec))
      return fail(errc::not_found,
                  "no " + state_file().string() +
                        "; 'warren network join' with a new invite makes it again");
   const auto size = fs::file_size(state_file(), ec);
   if (ec || size > state_bytes_max) return fail(errc::io, "cannot read " + state_file().string());
   std::vector<uint8_t> state(size);
   std::ifstream in(state_file(), std::ios::binary);
   if (!in.read(reinterpret_cast<char*>(state.data()), static_cast<std::streamsize>(size)))
      return fail(errc::io, "cannot read " + state_file().string());
   auto made = trust::party::restore(*this, identity_, state);
   if (!made) return fail(made.error().code, state_file().string() + ": " + made.error().text);
   party_ = std::move(*made);
   return {};
}

base::result<void> membership::create(const trust::party::birth& wanted) {
   if (auto ok = load_keys(); !ok) return ok;
   auto made = trust::party::create(*this, identity_, wanted);
   if (!made) return made.error();
   party_ = std::move(*made);
   return {};
}

base::result<void> membership::join(const trust::party::invitation& with) {
   if (auto ok = load_keys(); !ok) return ok;
   auto made = trust::party::join(*this, identity_, with);
   if (!made) return made.error();
   party_ = std::move(*made);
   return {};
}

void membership::on_message(const trust::node_id& from, std::span<const uint8_t> message) {
   party_->on_message(from, message);
   plan(busy_ms);
}

void membership::on_link(const trust::node_id& peer, bool up, const std::string& endpoint) {
   party_->on_link(peer, up, endpoint);
   plan(busy_ms);
}

void membership::on_knock(trust::invite_verdict verdict) {
   party_->on_knock(verdict);
   plan(busy_ms);
}

void membership::wake() { plan(0); }

void membership::on_clone(const trust::node_id& peer) {
   party_->on_clone(peer);
   plan(busy_ms);
}

/// The party runs once a second when nothing happens, and soon after something has.
void membership::plan(uint64_t in_ms) {
   const uint64_t at = now_ms() + in_ms;
   if (planned_ms_ != 0 && planned_ms_ <= at) return;
   planned_ms_ = at;
   timer_.expires_after(std::chrono::milliseconds(in_ms));
   timer_.async_wait([this](const boost::system::error_code& ec) {
      if (ec) return;
      planned_ms_ = 0;
      run();
   });
}

void membership::run() {
   if (endpoints && now_ms() >= endpoints_at_) {
      endpoints_at_ = now_ms() + endpoints_ms;
      party_->on_endpoints(endpoints());
   }
   party_->tick();
   bool changed = party_->take_changed();
   if (auto key = party_->take_new_tunnel_key()) {
      // The certificate names it already: from now on it is the one that others expect.
      const std::string text = base::base64_encode(key->secret.bytes()) + "\n";
      auto written = crypto::write_private_file(keys_ / trust::tunnel_file, text, true);
      if (written) written = load_keys();
      if (!written) {
         event("key.not_rotated", {{"why", written.error().text}});
      } else {
         party_->use(identity_);
         event("key.rotated", {{"tunnel_key", crypto::format_tunnel_key(key->public_key)}});
         changed = true;
      }
   }
   if (changed) hooks_.changed();
   plan(party_->busy() ? 100 : idle_ms);
}

uint64_t membership::wall_ms() { return static_cast<uint64_t>(unix_ms_now()); }

uint64_t membership::now_ms() {
   return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                      std::chrono::steady_clock::now().time_since_epoch())
                                      .count());
}

void membership::random(void* out, size_t bytes) { system_random(out, bytes); }

bool membership::send(const trust::node_id& to, std::vector<uint8_t> message) {
   return hooks_.send(to, std::move(message));
}

base::result<void> membership::save(std::span<const uint8_t> state) {
   return crypto::write_private_file(
         state_file(), {reinterpret_cast<const char*>(state.data()), state.size()}, true);
}

void membership::event(std::string name, trust::fields what) {
   // What others can cause at will must not fill the log.
   if (name == "trust.refused" || name == "join.refused" || name == "trust.rollback") {
      const uint64_t now = now_ms();
      if (const uint64_t more = (now - notes_at_) * notes_per_s / 1000; more > 0) {
         notes_ = std::min(notes_max, notes_ + more);
         notes_at_ = now;
      }
      if (notes_ == 0) return;
      notes_--;
   }
   hooks_.event(std::move(name), std::move(what));
}

void membership::audit(std::string_view action, std::string_view subject, std::string_view detail) {
   const fs::path file = folder_ / "audit.jsonl";
   std::error_code ec;
   if (fs::file_size(file, ec) > audit_bytes_max && !ec)
      fs::rename(file, folder_ / "audit.1.jsonl", ec);
   std::ofstream out(file, std::ios::app);
   out << json::serialize(
                json::object{{"time", utc_now()},
                             {"actor", party_ && party_->self() ? party_->self()->name
                                                                : std::string("this node")},
                             {"action", action},
                             {"subject", subject},
                             {"detail", detail}})
       << "\n";
}

json::array membership::audit_entries(size_t count) const {
   std::deque<json::value> last;
   for (const char* name : {"audit.1.jsonl", "audit.jsonl"}) {
      std::ifstream in(folder_ / name);
      for (std::string line; std::getline(in, line);) {
         boost::system::error_code ec;
         json::value v = json::parse(line, ec);
         if (ec) continue; // a line that a crash cut short
         last.push_back(std::move(v));
         if (last.size() > count) last.pop_front();
      }
   }
   json::array out;
   for (json::value& v : last)
      out.push_back(std::move(v));
   return out;
}

std::vector<std::string> membership::remove_files() const {
   std::vector<std::string> gone;
   std::error_code ec;
   for (const char* name : {"network.state", "audit.jsonl", "audit.1.jsonl"})
      if (fs::remove(folder_ / name, ec)) gone.push_back((folder_ / name).string());
   return gone;
}

} // namespace warren::app
