// my-plugin: a service. A board of short notes that every member sees: `warren plugin call
// my-plugin /say/hello` pins one, `warren plugin call my-plugin /` shows all. A note is signed by
// who wrote it and handed to each member that appears, so that it spreads also through those who
// were offline.
#include <warren/sdk.hpp>

#include <algorithm>
#include <deque>

namespace {

namespace sdk = warren::sdk;

struct note {
   wrn_key author;
   sdk::signature made;
   std::string text; // "<Unix nanoseconds> <what was said>": no two are the same
};

class my_plugin_service final : public sdk::service<my_plugin_service> {
 public:
   static constexpr sdk::info about{.id = "org.example.my-plugin",
                                    .name = "my-plugin",
                                    .vendor = "Example",
                                    .version = "0.1.0",
                                    .license = "MIT-0",
                                    .summary = "A board of notes for all members."};
   static constexpr wrn_param options[] = {
         sdk::option::integer("keep", "1..1000", "100", "How many notes are kept.")};

   void configure(const sdk::config& c) { keep_ = static_cast<size_t>(c.integer("keep")); }
   void on_member(wrn_handle peer, uint32_t change) {
      if (change == WRN_MEMBER_LINKED)
         for (const note& n : notes_)
            pass(peer, n);
   }
   void on_message(wrn_handle from, std::span<const uint8_t> b) {
      note n{};
      if (b.size() <= head || b.size() > head + text_max) return;
      std::memcpy(n.author.bytes, b.data(), 32);
      std::memcpy(n.made.data(), b.data() + 32, n.made.size());
      n.text = sdk::text_of(b.subspan(head));
      const bool known = std::any_of(notes_.begin(), notes_.end(),
                                     [&](const note& o) { return o.text == n.text; });
      if (!known && verify(n.author, "note", sdk::bytes_of(n.text), n.made)) pin(n, from);
   }
   void on_request(wrn_handle request, const sdk::request& r) {
      constexpr std::string_view say = "/say/";
      if (r.method == "POST" && r.path.starts_with(say)) {
         note n{warren().node_id(), {}, std::to_string(warren().wall_ns()) + " "};
         n.text += r.path.substr(say.size());
         const auto made = sign("note", sdk::bytes_of(n.text));
         if (!made || n.text.size() > text_max) return refuse(request, 400, "that is too long");
         n.made = *made;
         pin(n, 0);
      } else if (r.method != "GET" || r.path != "/") {
         return refuse(request, 404, "there is GET / and POST /say/TEXT");
      }
      std::string all;
      for (const note& n : notes_) {
         const auto author = member_info(member_by_id(n.author));
         all += (all.empty() ? "" : ",") + std::string("{\"from\":") +
                sdk::json_text(author ? sdk::text_of(author->name) : "this node or one that left") +
                ",\"text\":" + sdk::json_text(n.text.substr(n.text.find(' ') + 1)) + "}";
      }
      respond(request, "{\"notes\":[" + all + "]}");
   }

 private:
   static constexpr size_t head = 32 + WRN_SIGNATURE_BYTES, text_max = 500;

   void pin(const note& n, wrn_handle from) {
      notes_.push_back(n);
      if (notes_.size() > keep_) notes_.pop_front();
      for (const wrn_handle peer : members())
         if (peer != from) pass(peer, n);
   }
   void pass(wrn_handle peer, const note& n) const {
      std::vector<uint8_t> out(n.author.bytes, n.author.bytes + 32);
      out.insert(out.end(), n.made.begin(), n.made.end());
      out.insert(out.end(), n.text.begin(), n.text.end());
      send(peer, out); // who is not there gets it when it comes
   }

   size_t keep_ = 0;
   std::deque<note> notes_;
};

} // namespace

WARREN_PLUGIN(my_plugin_service)
