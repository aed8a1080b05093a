// What the packet side needs of a party: the secrets that links are keyed with, the invites that
// open a quarantine link, and, while this node waits to be let in, its own invite. An immutable
// snapshot, handed from the control thread to the shard; the members themselves travel as peers.
#pragma once

#include "core/trust/party.hpp"

namespace warren::trust {

struct table {
   crypto::bytes32 network{};
   uint32_t own_number = 0;             // 0 = not a member (yet)
   std::vector<network_secret> secrets; // newest last
   std::map<short_id, invite_state> invites;
   struct joining {
      node_id admin{};
      short_id invite{};
      invite_secret secret{};
      crypto::bytes32 token{}; // hash of the whole text: a change of any of it shows
   };
   std::optional<joining> waits;
};

std::shared_ptr<const table> table_of(party& p);

} // namespace warren::trust
