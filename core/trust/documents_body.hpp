// Between a document and the bytes that are signed. Internal to core/trust; any thread.
#pragma once

#include "core/trust/documents.hpp"

namespace warren::trust {

void put_body(cbor::writer& w, const document& d);
/// Fails the reader for a body that is not one of this type, or beyond its bounds.
document get_body(cbor::reader& r, statement_type type);

} // namespace warren::trust
