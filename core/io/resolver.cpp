#include "core/io/resolver.hpp"

#include "core/base/address.hpp"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <thread>

namespace warren::io {

namespace {

constexpr size_t lookups_max =
      256; // under way or waiting; a name server that is down must not let them pile up
constexpr size_t addresses_max = 16; // of one name; more are never tried within a useful time

base::result<std::vector<wrn_addr>> look_up(const std::string& name) {
   addrinfo hints{};
   hints.ai_family = AF_UNSPEC;
   hints.ai_socktype = SOCK_DGRAM;
   addrinfo* list = nullptr;
   const int status = getaddrinfo(name.c_str(), nullptr, &hints, &list);
   if (status != 0)
      return base::fail(status == EAI_AGAIN ? base::errc::timeout : base::errc::not_found,
                        "cannot resolve " + name + ": " + gai_strerror(status) +
                              "; check the name and /etc/resolv.conf");
   std::vector<wrn_addr> out;
   for (const addrinfo* a = list; a != nullptr && out.size() < addresses_max; a = a->ai_next) {
      wrn_addr address{};
      if (a->ai_family == AF_INET) {
         sockaddr_in in{};
         std::memcpy(&in, a->ai_addr, sizeof in);
         address.family = WRN_AF_INET;
         address.prefix_len = 32;
         std::memcpy(address.ip, &in.sin_addr, 4);
      } else if (a->ai_family == AF_INET6) {
         sockaddr_in6 in6{};
         std::memcpy(&in6, a->ai_addr, sizeof in6);
         address.family = WRN_AF_INET6;
         address.prefix_len = 128;
         address.scope_id = in6.sin6_scope_id;
         std::memcpy(address.ip, &in6.sin6_addr, 16);
      } else {
         continue;
      }
      if (std::none_of(out.begin(), out.end(),
                       [&](const wrn_addr& o) { return base::same_endpoint(o, address); }))
         out.push_back(address);
   }
   freeaddrinfo(list);
   if (out.empty()) return base::fail(base::errc::not_found, "no address for " + name);
   return out;
}

} // namespace

struct resolver::shared {
   struct question {
      uint64_t id;
      std::string name;
   };
   struct answer {
      uint64_t id;
      base::result<std::vector<wrn_addr>> addresses;
   };
   std::mutex mutex;
   std::condition_variable changed;
   std::deque<question> questions;
   std::vector<answer> answers;
   std::function<void()> wake;
   bool closed = false;
};

resolver::resolver(std::function<void()> wake) : shared_(std::make_shared<shared>()) {
   shared_->wake = std::move(wake);
}

resolver::~resolver() {
   const std::lock_guard lock(shared_->mutex);
   shared_->closed = true;
   shared_->wake = nullptr;
   shared_->changed.notify_all();
}

void resolver::work(const std::shared_ptr<shared>& state) {
   std::unique_lock lock(state->mutex);
   for (;;) {
      state->changed.wait(lock, [&] { return state->closed || !state->questions.empty(); });
      if (state->closed) return;
      const shared::question q = std::move(state->questions.front());
      state->questions.pop_front();
      lock.unlock();
      auto addresses = look_up(q.name);
      lock.lock();
      if (state->closed) return;
      state->answers.push_back({q.id, std::move(addresses)});
      state->wake();
   }
}

void resolver::resolve(std::string name, uint16_t port, std::weak_ptr<void> alive,
                       resolve_callback done) {
   const uint64_t id = next_++;
   const bool full = waiting_.size() >= lookups_max;
   waiting_.emplace(id, waiting{port, std::move(alive), std::move(done)});
   const std::lock_guard lock(shared_->mutex);
   if (const auto literal = base::parse_address(name); literal) {
      shared_->answers.push_back({id, std::vector<wrn_addr>{*literal}});
      shared_->wake();
      return;
   }
   if (full) {
      shared_->answers.push_back(
            {id, base::fail(base::errc::limit, "too many names wait for the name server")});
      shared_->wake();
      return;
   }
   shared_->questions.push_back({id, std::move(name)});
   if (!started_) {
      started_ = true;
      // Signals belong to the thread that runs the loop.
      sigset_t all, before;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
      std::thread(work, shared_).detach();
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
   }
   shared_->changed.notify_one();
}

void resolver::collect() {
   std::vector<shared::answer> answers;
   {
      const std::lock_guard lock(shared_->mutex);
      answers.swap(shared_->answers);
   }
   for (auto& answer : answers) {
      const auto found = waiting_.find(answer.id);
      if (found == waiting_.end()) continue;
      const waiting w = std::move(found->second);
      waiting_.erase(found);
      const auto guard = w.alive.lock();
      if (guard == nullptr) continue;
      if (answer.addresses)
         for (wrn_addr& a : *answer.addresses)
            a.port = w.port;
      w.done(answer.addresses);
   }
}

} // namespace warren::io
