// A text as a QR code made of characters, for phones in front of terminals. Values, any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace warren::app {

struct qr_code {
   std::string lines; // each with its end
   size_t columns = 0;
};

/// Two rows of modules per line of half blocks, with the quiet zone of four modules that scanners
/// want. Light modules are drawn and dark ones left empty, which is right where letters are lighter
/// than their background; with `color` both are set, and it is right everywhere. Nothing when the
/// text is empty or has more than about 2,900 bytes, which no code holds.
std::optional<qr_code> make_qr_code(std::string_view text, bool color);

} // namespace warren::app
