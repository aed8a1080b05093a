// What access rules cost: a new flow with 10,000 rules and 1,000 members, a packet of a known flow,
// and making the tables when the members change.
//
//   new/mixed   each rule has a source group, a destination and ports of its own; a third of the
//               flows match nothing, which is the longest search
//   new/flat    the worst form: every rule has the same group as source and "*" as destination,
//               and differs by port only
//   known       one packet of one of 4,096 flows
//   compile     per set of tables, not per packet
#include "core/base/address.hpp"
#include "core/route/filter.hpp"
#include "tests/bench/micro/body.hpp"

#include <array>

namespace warren::bench {

namespace {

constexpr uint32_t members_max = 1000, rules_max = 10'000, groups_max = 200;
constexpr route::flow_secrets secrets{0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                      0xa54ff53a5f1d36f1, 0x510e527fade682d1};

std::vector<route::member_view> some_members() {
   std::vector<route::member_view> all(members_max);
   for (uint32_t i = 0; i < members_max; i++) {
      all[i].name = "m" + std::to_string(i);
      all[i].handle = i + 1;
      all[i].groups = {"g" + std::to_string(i % groups_max), "all"};
      all[i].tags = {"t" + std::to_string(i % 50)};
      all[i].addresses = {
            *base::parse_prefix("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250))};
   }
   return all;
}

std::string some_rules(bool flat) {
   std::string text = "{\"groups\": {\"group:all\": [],";
   for (uint32_t g = 0; g < groups_max; g++)
      text += "\"group:g" + std::to_string(g) + "\": [],";
   text += "}, \"acls\": [";
   sequence random(5);
   for (uint32_t i = 0; i < rules_max; i++) {
      const auto number = [&](uint32_t n) { return std::to_string(random.next() % n); };
      std::string from = "group:all", to = "*", port = std::to_string(i + 1);
      if (!flat) {
         from = "group:g" + number(groups_max);
         to = i % 3 == 0   ? "tag:t" + number(50)
              : i % 3 == 1 ? "m" + number(members_max)
                           : "10.0." + number(4) + ".0/24";
         port = i % 4 == 0 ? "*" : number(1024) + ",2000-" + std::to_string(2001 + i);
      }
      text += "{\"action\": \"accept\", \"src\": [\"" + from + "\"], \"dst\": [\"" + to + ":" +
              port + "\"]},\n";
   }
   return text + "]}";
}

route::acl parsed(bool flat) {
   auto p = route::parse_acl(some_rules(flat), "acl");
   require(p.ok(), "the rules have a mistake");
   return std::move(p.value);
}

using packet = std::array<uint8_t, 40>;

packet syn(uint32_t from, uint32_t to, uint16_t from_port, uint16_t port) {
   packet p{};
   p[0] = 0x45;
   p[3] = p.size();
   p[9] = 6;
   p[12] = p[16] = 10;
   p[14] = static_cast<uint8_t>(from / 250);
   p[15] = static_cast<uint8_t>(from % 250);
   p[18] = static_cast<uint8_t>(to / 250);
   p[19] = static_cast<uint8_t>(to % 250);
   p[20] = static_cast<uint8_t>(from_port >> 8);
   p[21] = static_cast<uint8_t>(from_port);
   p[22] = static_cast<uint8_t>(port >> 8);
   p[23] = static_cast<uint8_t>(port);
   p[33] = 2;
   return p;
}

class acl_body : public body {
 public:
   acl_body(bool flat, bool known) : known_(known), filter_(16384, secrets) {
      auto compiled = route::compile(parsed(flat), some_members(), known);
      require(compiled.has_value(), "the rules do not compile");
      filter_.set_rules(*compiled);
      sequence random(3);
      for (uint32_t i = 0; i < (known ? 4096u : 16384u); i++) {
         const auto port = static_cast<uint16_t>(flat ? random.next() % 15'000 + 1
                                                 : random.next() % 3 == 0 ? 60'000
                                                                          : 2000);
         packets_.push_back(syn(random.next() % members_max, random.next() % members_max,
                                static_cast<uint16_t>(i), port));
         if (known) filter_.judge(packets_.back(), 1, 0);
      }
   }
   void run() override {
      uint32_t passed = 0;
      if (known_) {
         for (uint32_t i = 0; i < packets(); i++)
            passed += filter_.judge(next(), 1, 1000).pass ? 1 : 0;
      } else { // the question alone and what the filter does around it: the flows are not known
         now_ += 3600ull * 1'000'000'000;
         for (uint32_t i = 0; i < packets(); i++)
            passed += filter_.judge(next(), 1, now_).pass ? 1 : 0;
      }
      keep(passed);
   }
   uint32_t packets() const override { return 1024; }

 private:
   const packet& next() {
      at_ = at_ + 1 < packets_.size() ? at_ + 1 : 0;
      return packets_[at_];
   }
   bool known_;
   route::filter filter_;
   std::vector<packet> packets_;
   size_t at_ = 0;
   uint64_t now_ = 0;
};

class compile_body final : public body {
 public:
   explicit compile_body(bool flat) : rules_(parsed(flat)), members_(some_members()) {}
   void run() override {
      const auto compiled = route::compile(rules_, members_);
      require(compiled.has_value(), "the rules do not compile");
      keep(*compiled);
   }
   uint32_t packets() const override { return 1; }

 private:
   route::acl rules_;
   std::vector<route::member_view> members_;
};

} // namespace

void add_acl(std::vector<entry>& to) {
   const auto add = [&](const char* name, auto make) { to.push_back({name, make, false}); };
   add("acl/new/mixed", [] { return std::make_unique<acl_body>(false, false); });
   add("acl/new/flat", [] { return std::make_unique<acl_body>(true, false); });
   add("acl/known", [] { return std::make_unique<acl_body>(false, true); });
   add("acl/compile/mixed", [] { return std::make_unique<compile_body>(false); });
   add("acl/compile/flat", [] { return std::make_unique<compile_body>(true); });
}

} // namespace warren::bench
