// Goal: the filter lets pass exactly what docs/acl.md says. Method: random rules and random packets
// (flows with replies, ICMP errors, fragments, extension headers, pauses, changed rules) against
// the naive interpreter of filter_model.hpp; any difference is a failure. The naive one gets what
// packets are made of, the filter their bytes and the rules as text.
#include "core/base/address.hpp"
#include "core/route/filter.hpp"
#include "tests/unit/core/route/filter_model.hpp"

#include <gtest/gtest.h>

namespace warren::route {
namespace {

constexpr flow_secrets secrets{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb,
                               0xa54ff53a5f1d36f1, 0x510e527fade682d1};
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
constexpr int packets_max = 1'000'000;
#else
constexpr int packets_max = 100'000;
#endif

class generator {
 public:
   explicit generator(uint64_t seed) : random_(seed) {
      for (uint8_t i = 1; i <= 6; i++) {
         model::who m;
         m.name = "m" + std::to_string(i);
         m.v4 = {10, 0, 0, i};
         m.v6 = model::bytes(16);
         m.v6[0] = 0xfd;
         m.v6[15] = i;
         if (i % 2 == 0) m.tags = {"even"};
         if (i % 3 == 0) m.groups = {"cert"};
         if (i == 1) m.roles = {"admin"};
         rules.members.push_back(m);
      }
      rules.groups = {{"cert", {}}, {"some", {"m1", "m5"}}};
      for (const model::who& m : rules.members) {
         v4_.push_back(m.v4);
         v6_.push_back(m.v6);
      }
      v4_.push_back({192, 168, 1, 7});
      v4_.push_back({9, 9, 9, 9});
   }
   uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
   bool one_in(uint32_t n) { return below(n) == 0; }

   void new_rules() {
      rules.list.clear();
      rules.standard = one_in(4);
      for (uint32_t n = 3 + below(40); n > 0; n--) {
         static const char* protocols[] = {"", "", "tcp", "udp", "icmp", "47", "58", "50"};
         model::rule r;
         r.accept = !one_in(3);
         r.protocol = protocols[below(8)];
         const bool ports = r.protocol.empty() || r.protocol == "tcp" || r.protocol == "udp";
         for (uint32_t i = 1 + below(2); i > 0; i--)
            r.sources.push_back(some_selector(false));
         for (uint32_t i = 1 + below(3); i > 0; i--) {
            r.targets.push_back({some_selector(true), {}});
            for (uint32_t k = ports && !one_in(3) ? 1 + below(3) : 0; k > 0; k--) {
               const int first = static_cast<int>(below(12));
               r.targets.back().second.push_back({first, first + static_cast<int>(below(4))});
            }
         }
         rules.list.push_back(r);
      }
   }
   /// The rules in the grammar of the file.
   std::string text() const {
      std::string out = R"({"groups": {"group:cert": [], "group:some": ["m1", "m5"]}, "acls": [)";
      for (const model::rule& r : rules.list) {
         out += std::string("\n{\"action\": \"") + (r.accept ? "accept" : "deny") + "\"";
         if (!r.protocol.empty()) out += ", \"proto\": \"" + r.protocol + "\"";
         out += ", \"src\": [";
         for (const auto& s : r.sources)
            out += "\"" + s.text + "\", ";
         out += "], \"dst\": [";
         for (const auto& [s, ports] : r.targets) {
            const bool v6 = s.prefix.size() == 16 && s.length == 128;
            out += "\"" + (v6 ? "[" + s.text + "]" : s.text) + ":";
            for (size_t i = 0; i < ports.size(); i++)
               out += (i == 0 ? "" : ",") + std::to_string(ports[i].first) + "-" +
                      std::to_string(ports[i].second);
            out += ports.empty() ? "*\", " : "\", ";
         }
         out += "]},";
      }
      return out + "]}";
   }
   std::vector<member_view> members() const {
      std::vector<member_view> out;
      for (const model::who& m : rules.members) {
         member_view v;
         v.name = m.name;
         v.groups = m.groups;
         v.tags = m.tags;
         v.roles = m.roles;
         for (const auto* a : {&m.v4, &m.v6}) {
            wrn_addr address{};
            address.family = a->size() == 4 ? WRN_AF_INET : WRN_AF_INET6;
            address.prefix_len = static_cast<uint8_t>(a->size() * 8);
            std::copy(a->begin(), a->end(), address.ip);
            v.addresses.push_back(address);
         }
         out.push_back(std::move(v));
      }
      return out;
   }

   model::packet some_packet() {
      model::packet p;
      if (!recent_.empty() && !one_in(3)) {
         p = recent_[below(static_cast<uint32_t>(recent_.size()))];
         if (!one_in(3)) turn(p);
         if (one_in(3)) {
            model::packet error = error_about(p);
            return error;
         }
         p.flags = some_flags();
         if (one_in(8)) p.fragment = !p.fragment, fix_fragment(p);
         if (p.fragment && one_in(2)) p.offset = below(5) * 8;
      } else {
         p = fresh_packet();
      }
      remember(p);
      return p;
   }
   model::rules rules;

 private:
   void remember(const model::packet& p) {
      if (recent_.size() < 24)
         recent_.push_back(p);
      else
         recent_[below(24)] = p;
   }
   model::selector some_selector(bool target) {
      static const char* words[] = {"*",
                                    "m1",
                                    "m2",
                                    "m3",
                                    "nobody",
                                    "group:cert",
                                    "group:some",
                                    "tag:even",
                                    "tag:none",
                                    "role:admin",
                                    "autogroup:members",
                                    "autogroup:admins",
                                    "autogroup:tagged",
                                    "autogroup:self",
                                    "autogroup:internet"};
      static const char* prefixes[] = {"10.0.0.0/24", "10.0.0.0/30",    "10.0.0.2/32",
                                       "9.0.0.0/8",   "192.168.0.0/16", "fd00::/64",
                                       "fd00::4/126", "fd00::2/128"};
      model::selector s;
      if (!one_in(3)) {
         s.text = words[below(target ? 15 : 13)];
         return s;
      }
      const wrn_addr a = *base::parse_prefix(prefixes[below(8)]);
      s.text = base::format_prefix(a);
      s.prefix.assign(a.ip, a.ip + (a.family == WRN_AF_INET ? 4 : 16));
      s.length = a.prefix_len;
      return s;
   }
   uint8_t some_flags() {
      static const uint8_t flags[] = {2, 2, 18, 16, 16, 24, 17, 4, 0};
      return flags[below(9)];
   }
   static void turn(model::packet& p) {
      std::swap(p.source, p.destination);
      std::swap(p.source_port, p.destination_port);
      static const std::map<int, int> answers{{8, 0}, {13, 14}, {128, 129}, {0, 8}, {129, 128}};
      if (const auto it = answers.find(p.type); p.icmp() && it != answers.end())
         p.type = static_cast<uint8_t>(it->second);
   }
   void fix_fragment(model::packet& p) {
      p.offset = p.fragment && one_in(2) ? below(5) * 8 : 0;
      std::erase(p.extension, 44);
      if (p.v6() && p.fragment) p.extension.push_back(44);
   }
   model::packet error_about(const model::packet& p) {
      model::packet e;
      e.quoted = {p};
      e.quoted[0].quoted.clear();
      e.destination = one_in(5) ? p.destination : p.source;
      const auto& all = p.v6() ? v6_ : v4_;
      e.source = all[below(static_cast<uint32_t>(all.size()))];
      e.protocol = p.v6() ? 58 : 1;
      e.type = static_cast<uint8_t>(p.v6() ? 1 + below(4) : 3);
      e.payload = 8;
      return e;
   }
   model::packet fresh_packet() {
      static const uint8_t protocols[] = {6, 6, 6, 17, 17, 1, 58, 47, 50, 59};
      static const uint8_t types[] = {8, 0, 13, 14, 5, 3, 128, 129, 1, 135};
      static const uint8_t headers[] = {0, 43, 60, 51};
      model::packet p;
      const auto& all = one_in(2) ? v6_ : v4_;
      p.source = all[below(static_cast<uint32_t>(all.size()))];
      p.destination = all[below(static_cast<uint32_t>(all.size()))];
      p.protocol = protocols[below(10)];
      p.source_port = static_cast<uint16_t>(below(4));
      p.destination_port = static_cast<uint16_t>(below(16));
      p.flags = one_in(3) ? some_flags() : 2;
      p.type = types[below(10)];
      p.identifier = static_cast<uint16_t>(below(3));
      p.id = below(3);
      if (p.v6() && one_in(3))
         for (uint32_t n = below(10); n > 0; n--)
            p.extension.push_back(headers[below(4)]);
      if (!p.v6()) p.options = static_cast<int>(below(3));
      p.fragment = one_in(6);
      fix_fragment(p);
      if (one_in(12)) p.payload = below(24);
      return p;
   }

   std::mt19937_64 random_;
   std::vector<model::bytes> v4_, v6_;
   std::vector<model::packet> recent_;
};

TEST(filter_property, passes_exactly_what_the_naive_interpreter_passes) {
   generator make(20240611);
   model::filter naive;
   // Large enough that nothing is pushed out: the model has no bounds.
   filter tested(1 << 16, secrets, 1 << 16);
   double time = 100;
   size_t passed = 0;
   for (int i = 0; i < packets_max; i++) {
      if (i % 2000 == 0) {
         make.new_rules();
         naive.now = make.rules;
         const auto parsed = parse_acl(make.text(), "acl");
         ASSERT_TRUE(parsed.ok()) << parsed.mistakes.front().text << make.text();
         tested.set_rules(*compile(parsed.value, make.members(), make.rules.standard));
      }
      if (make.one_in(200)) {
         static const double pauses[] = {0.7, 26.3, 47.9, 101.7, 3607.1, 11003.3};
         time += pauses[make.below(6)];
      }
      const model::packet p = make.some_packet();
      const bool wanted = naive.passes(p, time);
      const auto v = tested.judge(model::build(p), uint64_t{1} + p.source.back(),
                                  static_cast<uint64_t>(time * 1e9));
      ASSERT_EQ(v.pass, wanted) << "packet " << i << " protocol " << int{p.protocol} << " type "
                                << int{p.type} << " fragment " << p.fragment << " offset "
                                << p.offset << " why " << to_string(v.why);
      passed += wanted ? 1 : 0;
   }
   EXPECT_EQ(tested.flows_evicted(), 0u);
   // Each way of the filter was taken.
   for (size_t r = 0; r < static_cast<size_t>(filter_reason::count_); r++)
      EXPECT_GT(tested.passed()[r] + tested.dropped()[r], 50u)
            << to_string(static_cast<filter_reason>(r));
   EXPECT_GT(passed, static_cast<size_t>(packets_max) / 5);
   EXPECT_LT(passed, static_cast<size_t>(packets_max) * 4 / 5);
}

} // namespace
} // namespace warren::route
