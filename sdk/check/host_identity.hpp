// The keys of an instance, as the kit hands them to its peers.
#pragma once

#include "sdk/check/instance.hpp"
#include "warren/host/identity.h"

namespace warren::check {

struct identity_part {
   uint64_t generation = 0; // another one, another tunnel key
   instance* claims =
         nullptr; // an impostor: says that this one's tunnel key is its own, without the secret
};
wrn_key tunnel_key_of(instance& who);

} // namespace warren::check
