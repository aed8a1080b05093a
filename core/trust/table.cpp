#include "core/trust/table.hpp"

#include "core/trust/invite.hpp"

namespace warren::trust {

std::shared_ptr<const table> table_of(party& p) {
   auto t = std::make_shared<table>();
   t->network = p.network();
   t->secrets = p.secrets();
   if (const member* me = p.self()) t->own_number = me->cert.number;
   if (p.is_admin()) t->invites = p.invites();
   if (p.state() == standing::waiting)
      t->waits = {p.invited()->admin, p.invited()->id, p.invited()->secret,
                  token_hash(p.invited()->token)};
   return t;
}

} // namespace warren::trust
