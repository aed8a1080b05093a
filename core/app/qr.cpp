#include "core/app/qr.hpp"

#include <memory>
#include <qrencode.h>

namespace warren::app {

namespace {

constexpr int quiet = 4; // ISO/IEC 18004
constexpr std::string_view white_on_black = "\033[38;5;231;48;5;16m", as_before = "\033[0m";

} // namespace

std::optional<qr_code> make_qr_code(std::string_view text, bool color) {
   const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
         QRcode_encodeData(static_cast<int>(text.size()),
                           reinterpret_cast<const unsigned char*>(text.data()), 0, QR_ECLEVEL_L),
         &QRcode_free);
   if (code == nullptr) return std::nullopt;
   const int width = code->width;
   const auto light = [&](int row, int column) {
      if (row < 0 || row >= width || column < 0 || column >= width) return true;
      return (code->data[row * width + column] & 1) == 0;
   };
   qr_code out;
   out.columns = static_cast<size_t>(width + 2 * quiet);
   for (int row = -quiet; row < width + quiet; row += 2) {
      if (color) out.lines += white_on_black;
      for (int column = -quiet; column < width + quiet; column++) {
         const bool above = light(row, column), below = light(row + 1, column);
         out.lines += above ? (below ? "█" : "▀") : (below ? "▄" : " ");
      }
      if (color) out.lines += as_before;
      out.lines += "\n";
   }
   return out;
}

} // namespace warren::app
