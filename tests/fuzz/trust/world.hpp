// Keys that corpora are made with, and the smallest network around a party.
#pragma once

#include "core/base/address.hpp"
#include "tests/support/party_world.hpp"

#include <cstddef>
#include <cstdint>

namespace warren::fuzz {

inline constexpr uint64_t wall = 1'700'000'000'000;

inline crypto::signing_key key(uint8_t n) {
   crypto::bytes32 seed{};
   seed.fill(n);
   return crypto::signing_key_from_seed(seed);
}

/// A network of the root 1 and the admin 2, who may do everything.
struct framework {
   trust::statement genesis, delegation;
   crypto::bytes32 network{};
};
inline framework make_framework() {
   framework f;
   f.genesis = trust::make_statement(key(1), {},
                                     trust::genesis{"acme",
                                                    trust::commitment_of(key(3).id),
                                                    *base::parse_prefix("10.1.0.0/16"),
                                                    wall,
                                                    {}});
   f.network = trust::network_id_of(f.genesis.bytes);
   trust::delegation d;
   d.admin = key(2).id;
   d.serial = 1;
   d.pool = d.numbers = {{1, 1000}};
   d.any_label = d.any_route = true;
   d.rights = 7;
   d.not_before_s = wall / 1000;
   d.not_after_s = wall / 1000 + 86'400'000;
   d.members_max = 1000;
   f.delegation = trust::make_statement(key(1), f.network, d);
   return f;
}

} // namespace warren::fuzz
